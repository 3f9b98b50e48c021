"""The tables that a dataset is kept in, kind by kind."""

import re
from typing import Any

import pyarrow as pa

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")


def _schema(texts: str, **others: pa.DataType) -> pa.Schema:
    return pa.schema([*((name, _TEXT) for name in texts.split()), *others.items()])


PARTS: dict[str, pa.Schema] = {
    "pairs": _schema("pair_id prompt response_a response_b source metadata dialogue", landed_at=_TIME),
    "labels": _schema("pair_id preferred annotator origin metadata", landed_at=_TIME),
    "judge_labels": _schema("pair_id preferred annotator metadata", landed_at=_TIME),
    "asked_roles": _schema("pair_id role", landed_at=_TIME),
    "groups": _schema("pair_id group", landed_at=_TIME),
}
"""Kinds of parts. `dialogue`: a hash of the messages up to the first of the user; `origin`: landed or review. Of a
pair that was landed with several groups each has a row."""

_NAME = re.compile(r"([a-z_]+)-[0-9a-f]{32}\.parquet")


def is_snapshot(said: dict[str, Any]) -> bool:
    """Whether this is what the file of a snapshot says: names of parts that are in their folder, and its facts."""
    parts = said.get("parts")
    if not isinstance(parts, dict) or parts.keys() != PARTS.keys():
        return False
    listed = all(isinstance(names, list) for names in parts.values())
    named = listed and all(_is_part(name, kind) for kind, names in parts.items() for name in names)
    counts = all(type(said.get(name)) is int for name in ("pairs", "labelled", "number"))
    return named and counts and all(isinstance(said.get(name, 0), str | None) for name in ("until", "after"))


def _is_part(name: Any, kind: str) -> bool:
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found is not None and found[1] == kind
