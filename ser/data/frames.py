"""Pairs and labels in pandas DataFrames, checked as landing checks them, under the same identities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ser.data.pairs import Pair, canonical_prompt, is_empty, ordered, pair_id
from ser.errors import SerError
from ser.method.labels import Label

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PairRow:
    """A row of a frame as a pair; `as_given` says whether response a is the first of the two that the frame names."""

    number: int
    pair: Pair
    as_given: bool


def read_pairs(frame: pd.DataFrame, one: str = "response_a", other: str = "response_b") -> list[PairRow]:
    """The pairs of a frame with `prompt` (a text, or a list of messages) and two columns of responses.

    Of a pair that comes again the last row counts.

    Raises:
        SerError: there is no row, a column is missing, or a row is no pair.
    """
    require(frame, "prompt", one, other)
    rows: dict[str, PairRow] = {}
    for number, (prompt, first, second) in enumerate(zip(frame["prompt"], frame[one], frame[other], strict=True)):
        try:
            row = _row(number, prompt, _text(one, first), _text(other, second))
        except ValueError as error:
            raise SerError(f"row {frame.index[number]!r} is no pair: {error}. Mend it or leave it out.") from error
        rows.pop(row.pair.pair_id, None)
        rows[row.pair.pair_id] = row
    return list(rows.values())


def texts(frame: pd.DataFrame, rows: Sequence[PairRow]) -> pd.DataFrame:
    """`pair_id`, `prompt` (as the frame has it), `response_a` and `response_b` of its pairs, under its index."""
    import pandas as pd

    numbers = [row.number for row in rows]
    columns = {
        "pair_id": [row.pair.pair_id for row in rows],
        "prompt": frame["prompt"].iloc[numbers].to_list(),
        "response_a": [row.pair.response_a for row in rows],
        "response_b": [row.pair.response_b for row in rows],
    }
    return pd.DataFrame(columns, frame.index[numbers])


def read_labels(frame: pd.DataFrame) -> dict[Pair, Label]:
    """The labels of a frame of people's (`prompt`, `chosen`, `rejected`) or of a selection (with `target`, `weight`).

    The target of a selection, in [0, 1], is that of the response which the frame calls a; rows without weight are none.
    """
    if "target" not in frame.columns:
        return {row.pair: Label(float(row.as_given)) for row in read_pairs(frame, "chosen", "rejected")}
    require(frame, "target", "weight")
    if not (frame["target"].between(0, 1) & frame["weight"].between(0, math.inf)).all():
        raise SerError("a target is not in [0, 1], or a weight is below 0. Take both from `notebook.select`.")
    targets, weights = frame["target"].astype(float).to_list(), frame["weight"].astype(float).to_list()
    return {
        row.pair: Label(targets[row.number] if row.as_given else 1 - targets[row.number], weights[row.number])
        for row in read_pairs(frame)
        if weights[row.number] > 0
    }


def require(frame: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame without rows, or without one of the columns, which is named."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        has = ", ".join(map(str, frame.columns)) or "none"
        raise SerError(f"the DataFrame has no column {missing[0]!r}; it has {has}. Rename or add it.")
    if frame.empty:
        raise SerError(f"the DataFrame has no rows. Give it pairs in the columns {', '.join(columns)}.")


def _row(number: int, prompt: Any, one: str, other: str) -> PairRow:
    if one == other:
        raise ValueError("its responses are equal")
    if not (isinstance(prompt, str) or (isinstance(prompt, list) and all(isinstance(said, dict) for said in prompt))):
        raise ValueError(f"its prompt is neither a text nor a list of messages but {prompt!r}")
    canonical = canonical_prompt(prompt)
    identity = pair_id(canonical, one, other)
    a, b = ordered(identity, one, other)
    return PairRow(number, Pair(identity, canonical, a, b), as_given=a == one)


def _text(column: str, value: Any) -> str:
    if not isinstance(value, str) or is_empty(value):
        raise ValueError(f"its {column} is no text but {value!r}")
    return value.strip()
