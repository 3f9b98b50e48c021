"""The history of one pair for people: what it is, what people say of it, and a block for every loop that scored it."""

from collections.abc import Mapping, Sequence
from typing import Any

from resources.audit.cells import readable_rows
from resources.audit.layout import record, terminal_width

_PAIR = ("pair_id", "prompt", "response_a", "response_b", "human_labels", "vault")
"""What the rows of a pair have in common; a label in the vault is one that nothing learns from."""


def render_history(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None) -> str:
    """The rows of the named query `history`, all of one pair, with whole texts, in `width` (the terminal's)."""
    width = width or terminal_width()
    read = [dict(zip(columns, row, strict=True)) for row in readable_rows(rows)]
    said = rows[0][columns.index("human_labels")] or []
    people = "\n".join(map(_by_whom, said)) or "nobody has labelled it"
    pair = read[0] | {"human_labels": people, "vault": read[0]["vault"] or "its label is not in the vault"}
    parts = [record([(name, pair[name]) for name in _PAIR], width)]
    for one in read:
        scored = [(name, text) for name, text in one.items() if name != "loop" and name not in _PAIR]
        parts.append(f"loop {one['loop']}\n" + record([(f"  {name}", text) for name, text in scored], width))
    return "\n".join(parts)


def _by_whom(label: Mapping[str, Any]) -> str:
    preferred, annotator, when = readable_rows([(label["preferred"], label["annotator"], label["labelled_at"])])[0]
    return f"{preferred}, by {annotator} ({label['origin']} {when})"
