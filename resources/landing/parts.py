"""The tables that a dataset is kept in, kind by kind."""

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
