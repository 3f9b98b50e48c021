"""The pairs of a part as tokens on disk, in the order and the batches of their plan.

Memory does not grow with the part: it is sorted on disk.
"""

from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.data.batches import batch_numbers
from ser.data.encoding import EncodedPair
from ser.kept import keep_as, put_in_place

ENCODED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("batch", pa.int32()),
        ("offset", pa.int64()),
        ("prompt", pa.list_(pa.int32())),
        ("response_a", pa.list_(pa.int32())),
        ("response_b", pa.list_(pa.int32())),
        ("cut", pa.int32()),
    ]
)
_UNSORTED = pa.schema([("length", pa.int32()), *(field for field in ENCODED if field.name not in ("batch", "offset"))])
ENCODED_NAME = "encoded.parquet"


def write_encoded(pairs: Iterable[EncodedPair], out: Path) -> None:
    """Write `encoded.parquet`, the tokens of the pairs in the order of their plan, into `out`, unless it is there."""
    place, unsorted, whole = out / ENCODED_NAME, keep_as(out, "unsorted"), keep_as(out, ENCODED_NAME)
    if place.exists():
        return
    tables.write(unsorted, _UNSORTED, map(_row, pairs))
    tables.write(whole, ENCODED, _planned(tables.read_in_order(unsorted, ["length", "pair_id"])))
    put_in_place(whole, place)
    unsorted.unlink()


def read_encoded(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of `encoded.parquet` in their order."""
    return tables.read(folder / ENCODED_NAME)


def count_encoded(folder: Path) -> int:
    """How many pairs there are."""
    return tables.count(folder / ENCODED_NAME)


def _row(pair: EncodedPair) -> dict[str, Any]:
    return {
        "length": len(pair),
        "pair_id": pair.pair_id,
        "prompt": pair.prompt,
        "response_a": pair.response_a,
        "response_b": pair.response_b,
        "cut": pair.cut,
    }


def _planned(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Sorted rows with their batch, and the tokens before them."""
    rows, same = tee(rows)
    offset = 0
    for row, number in zip(rows, batch_numbers(row["length"] for row in same), strict=True):
        yield row | {"batch": number, "offset": offset}
        offset += row["length"]
