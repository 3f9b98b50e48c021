"""The pairs of a part as tokens on disk, in the order of their lengths, cut into the slices of the work on them.

Memory does not grow with the part: it is sorted on disk.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ser.data import tables
from ser.data.encoding import EncodedPair
from ser.scratch import put_in_place, scratch_path
from ser.slices import slice_tokens

ENCODED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("digest", pa.string()),
        ("slice", pa.int32()),
        ("offset", pa.int64()),
        ("prompt", pa.list_(pa.int32())),
        ("response_a", pa.list_(pa.int32())),
        ("response_b", pa.list_(pa.int32())),
        ("cut", pa.int32()),
    ]
)
_UNSORTED = pa.schema([("length", pa.int32()), *(field for field in ENCODED if field.name not in ("slice", "offset"))])
ENCODED_NAME = "encoded.parquet"


def write_encoded(pairs: Iterable[EncodedPair], out: Path) -> None:
    """Write `encoded.parquet`, the tokens of the pairs by their length, into `out`, unless it is there."""
    place, unsorted, whole = out / ENCODED_NAME, scratch_path(out, "unsorted"), scratch_path(out, ENCODED_NAME)
    if place.exists():
        return
    tables.write(unsorted, _UNSORTED, map(_row, pairs))
    total = sum(row["length"] for row in tables.read(unsorted, columns=["length"]))
    tables.write(whole, ENCODED, _cut(tables.read_in_order(unsorted, ["length", "pair_id"]), slice_tokens(total)))
    put_in_place(whole, place)
    unsorted.unlink()


def read_slices(path: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The slices of an `encoded.parquet`: their numbers, from 0 on, and their rows."""
    for number, rows in groupby(tables.read(path), key=lambda row: row["slice"]):
        yield number, list(rows)


def digest_of_tokens(pair: EncodedPair) -> str:
    """16 hex characters over the tokens of a pair: with the same ones, and by the same model, all is the same."""
    parts = (pair.prompt, pair.response_a, pair.response_b)
    numbers = array("i", [*map(len, parts), *(token for part in parts for token in part)])
    return hashlib.blake2b(numbers.tobytes(), digest_size=8).hexdigest()


def count_slices(path: Path) -> int:
    """How many slices an `encoded.parquet` has."""
    return len(pq.read_table(path, columns=["slice"])["slice"].unique())


def _row(pair: EncodedPair) -> dict[str, Any]:
    return {
        "length": len(pair),
        "pair_id": pair.pair_id,
        "digest": digest_of_tokens(pair),
        "prompt": pair.prompt,
        "response_a": pair.response_a,
        "response_b": pair.response_b,
        "cut": pair.cut,
    }


def _cut(rows: Iterator[dict[str, Any]], tokens: int) -> Iterator[dict[str, Any]]:
    """Sorted rows with their slice, of about so many `tokens`, and the tokens before them in it."""
    number = offset = before = 0
    for row in rows:
        if offset and before // tokens != (before - offset) // tokens:
            number, offset = number + 1, 0
        yield row | {"slice": number, "offset": offset}
        offset, before = offset + row["length"], before + row["length"]
