"""The shapes that people publish, by their columns in small letters; the first whose columns are all there is taken."""

from resources.landing.shapes.annotation_tools import RESPONSE_NAMES, argilla, label_studio
from resources.landing.shapes.arena import OUTCOME_COLUMNS, arena, kaggle
from resources.landing.shapes.labels import TIE
from resources.landing.shapes.rankings import nectar, ultrafeedback, webgpt
from resources.landing.shapes.runs import GATHERED, helpsteer2
from resources.landing.shapes.shape import Alternatives, Shape
from resources.landing.shapes.stackexchange import ANNOTATOR as VOTES
from resources.landing.shapes.stackexchange import stackexchange
from resources.landing.shapes.summaries import summaries
from resources.landing.shapes.trainers import openai, outputs, second_answer, with_history

PROMPT: Alternatives = ("prompt", "instruction+input", "question", "query", "input")
"""What the columns of prompts are called, where a shape does not say it."""

GPT4 = "gpt-4"

MACHINE = (
    "labels of a reward model were not read, only its pairs: "
    "--map chosen=chosen,rejected=rejected,prompt=prompt takes them as labels"
)

_SCORES: dict[str, Alternatives] = {
    f"score_{side}": tuple(
        name
        for word in ("score", "rating", "reward")
        for name in (f"{word}_{side}", f"{side}_{word}", f"{side}-{word}")
    )
    for side in ("chosen", "rejected")
}
_STRENGTH = {"-3": "a", "-2": "a", "-1": "a", "0": TIE, "1": "b", "2": "b", "3": "b"}
"""How much better the second response is than the first (HelpSteer 2 and 3)."""


def _columns(*names: str) -> frozenset[str]:
    return frozenset(names)


def _chosen(name: str, *needs: str, prompt: Alternatives = PROMPT, reads: tuple[str, ...] = (), **fields: str) -> Shape:
    """A shape with the columns `chosen` and `rejected`, and others by which it is known."""
    columns: dict[str, Alternatives] = {"prompt": prompt, "chosen": ("chosen",), "rejected": ("rejected",)}
    columns |= _SCORES | {field: (column,) for field, column in fields.items()}
    return Shape(name, _columns("chosen", "rejected", *needs), columns, reads=frozenset(reads))


def _renamed(name: str, chosen: str, rejected: str, prompt: Alternatives = PROMPT) -> Shape:
    """A shape that has other names for `chosen` and `rejected`; `a.b` is a column inside a column."""
    needs = _columns(*(column.split(".")[0] for column in (chosen, rejected)))
    return Shape(name, needs, {"prompt": prompt, "chosen": (chosen,), "rejected": (rejected,)})


def _two(name: str, one: str, other: str, *needs: str, prompt: Alternatives = PROMPT, **fields: str) -> Shape:
    """A shape with two responses and a column that says which is better."""
    columns: dict[str, Alternatives] = {"prompt": prompt, "response_a": (one,), "response_b": (other,)}
    columns |= {field: (column,) for field, column in fields.items()}
    return Shape(name, _columns(one, other, *needs), columns)


def _with_values(shape: Shape, values: dict[str, str], *notes: str) -> Shape:
    return Shape(shape.name, shape.needs, shape.fields, values=values, notes=notes)


TRL = _chosen("TRL")
TWO_RESPONSES = _two("two responses", "response_a", "response_b")
CANONICAL = (TRL, TWO_RESPONSES)
"""The two forms that every other shape is turned into."""

SHAPES: tuple[Shape, ...] = (
    # Better and worse are known by name.
    Shape(
        "labels that ser exported",
        _columns("prompt", "chosen", "rejected", "pair_id", "loop", "rm_version", "confidence", "rule"),
        TRL.fields, labelled=False, notes=(MACHINE,),
    ),
    _chosen("ShareGPT pairs", "conversations", prompt=("conversations",)),
    Shape(
        "pairs with a history", _columns("chosen", "rejected", "history"), TRL.fields, with_history,
        reads=_columns("instruction", "query", "prompt", "input"),
    ),
    _chosen("distilabel's Orca pairs", "input", "labelling_model", "status", preferred="status"),
    _chosen("UltraFeedback, binarized", "prompt", "prompt_id", "messages", group="prompt_id", reads=("messages",)),
    _chosen("TRL", "prompt", "messages", reads=("messages",)),
    _chosen("messages with two answers", "messages", prompt=("messages",)),
    _chosen("RewardBench", "chosen_model", "rejected_model", "subset", source="subset"),
    _chosen("RewardBench 2", "num_correct", "num_incorrect", "subset", source="subset"),
    _chosen("Math-Step-DPO", "prompt", "initial_reason_steps", prompt=("prompt+initial_reason_steps",)),
    TRL,
    Shape("OpenAI's preference form", _columns("input", "preferred_output", "non_preferred_output"), {}, openai),
    _renamed("chosen and rejected responses", "chosen_response", "rejected_response"),
    _renamed("accepted and rejected responses", "accepted", "rejected"),
    _renamed("stack-exchange-paired", "response_j", "response_k"),
    Shape("ms-swift", _columns("messages", "rejected_response"), {}, second_answer),
    Shape("ms-swift", _columns("messages", "rejected_messages"), {}, second_answer),
    Shape(
        "ms-swift with a history", _columns("response", "rejected_response", "history"),
        {"chosen": ("response",), "rejected": ("rejected_response",)}, with_history,
        reads=_columns("instruction", "query", "prompt", "input"),
    ),
    _renamed("ms-swift", "response", "rejected_response"),
    # Two responses, and who won.
    Shape("Chatbot Arena, 55k", OUTCOME_COLUMNS | {"prompt", "response_a", "response_b"}, {}, kaggle),
    Shape(
        "Chatbot Arena", _columns("conversation_a", "conversation_b"),
        {"preferred": ("winner", "chosen_model_name"), "annotator": ("judge", "judge_hash")}, arena,
        reads=_columns("full_conversation"),
    ),
    _with_values(
        _two("HelpSteer3", "response1", "response2", "overall_preference", prompt=("context",),
             preferred="overall_preference"),
        _STRENGTH,
    ),
    _with_values(
        _two("HelpSteer2 preferences", "response_1", "response_2", "preference_strength", "prompt",
             preferred="preference_strength"),
        _STRENGTH,
    ),
    _with_values(
        _two("SHP", "human_ref_a", "human_ref_b", "labels", prompt=("history",), preferred="labels", group="post_id"),
        {"1": "a", "0": "b"},
    ),
    _with_values(
        _two("PKU-SafeRLHF", "response_0", "response_1", "better_response_id", preferred="better_response_id"),
        {"0": "a", "1": "b"},
        "the better response is the more helpful one; 'safer_response_id' was not read",
    ),
    _with_values(
        _two("alpaca_farm", "output_1", "output_2", "preference", preferred="preference"),
        {"1.5": TIE},
    ),
    # Several answers with scores or ranks.
    Shape("WebGPT comparisons", _columns("question", "answer_0", "answer_1", "score_0", "score_1"),
          {"prompt": ("question.full_text",)}, webgpt),
    Shape("UltraFeedback", _columns("instruction", "completions"), {"prompt": ("instruction",)}, ultrafeedback,
          annotator=GPT4),
    Shape("stack-exchange-preferences", _columns("qid", "question", "answers"), {}, stackexchange,
          reads=_columns("metadata"), annotator=VOTES),
    Shape("Nectar", _columns("prompt", "answers"), {"prompt": ("prompt",)}, nectar, annotator=GPT4),
    Shape("HelpSteer2", _columns("prompt", GATHERED.lower()), {"prompt": ("prompt",)}, helpsteer2),
    *(
        Shape("summarize_from_feedback", _columns(about, texts, "worker"), {"annotator": ("worker",)}, summaries,
              reads=_columns(choice))
        for about, texts, choice in (("info", "summaries", "choice"), ("meta", "responses", "label"))
    ),
    Shape("alpaca pairs in one column", _columns("instruction", "output"), {"prompt": PROMPT}, outputs),
    # What annotation tools write.
    Shape("Label Studio", _columns("data", "annotations"), {}, label_studio,
          reads=_columns("predictions", "drafts", "meta")),
    Shape("Argilla", _columns("fields", "responses"), {}, argilla, reads=_columns("suggestions", "vectors")),
    Shape("Argilla", _columns("*.responses"), {}, argilla),
    Shape("Argilla", _columns("*-suggestion-metadata"), {}, argilla),
    # Any two responses under names that many use.
    TWO_RESPONSES,
    *(_two("two responses", one, other) for one, other in RESPONSE_NAMES),
)  # fmt: skip
