"""What a published shape is: the columns by which it is known, and how the canonical fields come from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
"""Canonical field to value, as a file has it; other names are metadata."""

Alternatives = tuple[str, ...]
"""Columns in small letters, the first that is there counts: `a+b` joins with a blank line, `a.b` looks into `a`."""

NO_PROMPT = object()
"""What a shape with code says as the prompt where it finds none: the user may name its column."""

RESPONSES = (("chosen", "rejected"), ("response_a", "response_b"))


@dataclass(frozen=True)
class Shape:
    """A shape of preference data.

    Attributes:
        name: what `land` says that a file was read as.
        needs: columns in small letters that a row of this shape has; `*` stands for any beginning.
        fields: canonical field to the columns that it may come from.
        convert: where a shape needs code: the canonical fields of each pair of a row. It raises ValueError.
        reads: columns that need not be kept as metadata, beside those of `needs` and `fields`.
        values: what the label's column says, beside the words that everybody understands.
        annotator: who gave the labels, where the shape says it.
        notes: what to tell of every row.
        labelled: False if better and worse are no label of a person's.
    """

    name: str
    needs: frozenset[str]
    fields: Mapping[str, Alternatives] = field(default_factory=dict)
    convert: Callable[[Fields], Iterable[Fields]] | None = None
    reads: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    annotator: str | None = None
    notes: tuple[str, ...] = ()
    labelled: bool = True
