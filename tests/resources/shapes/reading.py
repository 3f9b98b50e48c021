"""How the tests read rows: fields in, and what each is worth out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.landing.comparison import Row
from resources.landing.files import RawRow
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.reader import ShapeReader


@dataclass(frozen=True)
class Pair:
    """A row as a test looks at it: the better response first; without a label, in alphabetical order."""

    prompt: Any
    better: str
    worse: str
    labelled: bool = True
    annotator: str = ""


def reader_of(*rows: Mapping[str, Any], mapping: ColumnMap | None = None) -> tuple[ShapeReader, list[Row | str]]:
    """A reader that has read the rows, and what it made of them."""
    reader = ShapeReader(mapping)
    raw = [RawRow(number, json.dumps(row, default=str), dict(row)) for number, row in enumerate(rows, start=1)]
    return reader, [found for _, found in reader.parse(raw)]


def pairs_of(*rows: Mapping[str, Any], mapping: ColumnMap | None = None) -> list[Pair | str]:
    """The pairs of the rows, or the reasons."""
    return [found if isinstance(found, str) else seen(found) for found in reader_of(*rows, mapping=mapping)[1]]


def seen(row: Row) -> Pair:
    """A row as a `Pair`; a prompt of one message of the user is its text, else (role, text) tuples."""
    messages = [(message["role"], message["content"]) for message in json.loads(row.pair.prompt)]
    prompt = messages[0][1] if len(messages) == 1 else messages
    a, b = row.pair.response_a, row.pair.response_b
    better, worse = sorted((a, b)) if row.preferred is None else (a, b) if row.preferred == "a" else (b, a)
    return Pair(prompt, better, worse, row.preferred is not None, row.annotator)
