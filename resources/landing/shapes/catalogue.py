"""The shapes that people publish, by their columns; the first whose columns are all there is taken."""

from resources.landing.shapes.shape import Alternatives, Shape

PROMPT: Alternatives = ("prompt", "instruction+input", "question", "query", "input")
"""What the columns of prompts are called, where a shape does not say it."""


def _chosen(name: str, chosen: str, rejected: str, prompt: Alternatives = PROMPT, **more: Alternatives) -> Shape:
    fields = {"prompt": prompt, "chosen": (chosen,), "rejected": (rejected,), **more}
    return Shape(name, frozenset((chosen.split(".")[0], rejected.split(".")[0])), fields)


def _letters(name: str, one: str, other: str, prompt: Alternatives = PROMPT) -> Shape:
    return Shape(name, frozenset((one, other)), {"prompt": prompt, "response_a": (one,), "response_b": (other,)})


CANONICAL = (
    _chosen("TRL", "chosen", "rejected"),
    _letters("two responses", "response_a", "response_b"),
)
"""The two forms that every other shape is turned into."""

SHAPES: tuple[Shape, ...] = (*CANONICAL,)
