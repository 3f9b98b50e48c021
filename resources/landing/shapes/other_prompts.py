"""What may be the prompt of a row whose prompt is not known: then the shared beginning of its responses is none."""

from collections.abc import Mapping
from typing import Any

from resources.landing.comparison import quoted
from resources.landing.shapes.first_look import FirstLook
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.recognition import Plan
from resources.landing.shapes.sources import underscored

_ASKED_WITHOUT_SPACES = 4


NO_BEGINNINGS = (
    "no prompt, and only some of the responses share a beginning that could be one: say which column it is with "
    "--map prompt=COLUMN"
)


def other_prompt(
    plan: Plan, present: Mapping[str, Any], fields: Mapping[str, Any], mapping: ColumnMap, look: FirstLook
) -> str | None:
    """Why the beginning that the responses of a row share cannot be its prompt; None: nothing else could be.

    Args:
        present: the columns with a value.
        fields: all columns.
    """
    if "prompt" in mapping.left_out:
        return None
    if any(underscored(name.strip().lower()) in plan.prompts for name in fields):
        return "the prompt is empty"
    if others := [name for name in plan.rest if _may_be_prompt(present[name])]:
        return (
            f"no prompt: say which column it is with --map prompt=COLUMN, of {quoted(', '.join(others), 200)}; or "
            "--map prompt= where both responses begin with it"
        )
    return None if look.begins_with_prompts else NO_BEGINNINGS


def _may_be_prompt(value: Any) -> bool:
    """Whether a person may have asked it: several words, or a text in a script that puts no spaces between words."""
    if isinstance(value, str):
        return len(value.split(maxsplit=1)) > 1 or (len(value) >= _ASKED_WITHOUT_SPACES and not value.isascii())
    if isinstance(value, Mapping):
        return any(map(_may_be_prompt, value.values()))
    return isinstance(value, list) and any(
        _may_be_prompt(item) if isinstance(item, Mapping) else str(item).strip().endswith(("?", "？")) for item in value
    )
