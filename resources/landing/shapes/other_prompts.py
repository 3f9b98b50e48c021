"""What may be the prompt of a row whose prompt is not known: then the shared beginning of its responses is none."""

from collections.abc import Mapping
from typing import Any

from resources.landing.shapes.messages import is_conversation, is_message
from resources.landing.shapes.recognition import Plan
from resources.landing.shapes.sources import underscored
from ser.rows import quoted


def other_prompt(plan: Plan, present: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """Why the beginning that the responses of a row share cannot be its prompt; None: nothing else could be.

    Args:
        present: the columns with a value.
        fields: all columns.
    """
    if any(underscored(name.strip().lower()) in plan.prompts for name in fields):
        return "the prompt is empty"
    if others := [name for name in plan.rest if _may_be_prompt(present[name])]:
        return f"no prompt: say which column it is with --map prompt=COLUMN, of {quoted(', '.join(others), 200)}"
    return None


def _may_be_prompt(value: Any) -> bool:
    if isinstance(value, str):
        return len(value.split(maxsplit=1)) > 1
    return is_message(value) or is_conversation(value)
