"""Anthropic/hh-rlhf: two whole transcripts that share everything up to their last answer."""

from typing import Any

from ser.pairs import keyed_hash

COLUMNS = frozenset({"chosen", "rejected"})

_ANSWER = "\n\nAssistant:"


def pairs(row: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The one pair of a row; its prompt is what stands before the last answer.

    The deeper turns of a conversation are rows of their own that repeat it, so its first turn is the group.
    """
    (prompt, chosen), (other_prompt, rejected) = (_parts(row[name] or "") for name in ("chosen", "rejected"))
    if not prompt:
        return "no answer in the transcript"
    if prompt != other_prompt:
        return "the prompts of chosen and rejected differ"
    first_turn = prompt.split(_ANSWER, 1)[0]
    group = keyed_hash("conversation", first_turn.strip())[:24]
    return [{"prompt": prompt, "chosen": chosen, "rejected": rejected, "group": group}]


def _parts(transcript: str) -> tuple[str, str]:
    """The prompt, which ends where the last answer begins, and that answer."""
    before, mark, answer = transcript.rpartition(_ANSWER)
    return before + mark, answer
