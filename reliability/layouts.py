"""Files of every kind that the landing accepts, written as people and tools write them."""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]

ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow")
KINDS = tuple(ending + method for method in ("", ".gz", ".zst") for ending in ENDINGS)

NO_COLUMNS = b"no columns"
"""Stands in a file for rows that its format cannot hold: no such file, and one row to the landing."""


def file_of(ending: str, rows: Rows, draw: random.Random) -> bytes:
    """The bytes of a file that holds the rows, before it is compressed."""
    if ending in (".csv", ".tsv"):
        return _table(rows, draw)
    if ending in (".parquet", ".arrow"):
        try:
            return _columns(ending, rows, draw)
        except pa.ArrowNotImplementedError:  # a struct without fields, for instance
            return NO_COLUMNS
    return _json(rows, draw)


def compressed(method: str, data: bytes, draw: random.Random) -> bytes:
    """The data behind an ending (`.gz`, `.zst` or none), sometimes in two members or frames."""
    cut = draw.randrange(len(data) + 1) if draw.random() < 0.2 else len(data)
    parts = [part for part in (data[:cut], data[cut:]) if part]
    if method == ".gz":
        return b"".join(gzip.compress(part, 1, mtime=0) for part in parts)
    if method == ".zst":
        return b"".join(bytes(pa.Codec("zstd").compress(part, asbytes=True)) for part in parts)
    return data


def decompressed(data: bytes) -> bytes:
    """The same backwards, of whatever the data is compressed with."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(pa.CompressedInputStream(pa.BufferReader(data), "zstd").read())
    return data


def _json(rows: Rows, draw: random.Random) -> bytes:
    plain = draw.random() < 0.5

    def text(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=plain, indent=indent)

    match draw.randrange(8):
        case 0:
            written = text(rows, draw.choice([None, 0, 2]))
        case 1:
            written = "[" + draw.choice(["\n", ""]) + ",\n".join(map(text, rows)) + "]\n"
        case 2:
            written = draw.choice(["\n", "", "\n\n"]).join(text(row, draw.choice([0, 2])) for row in rows)
        case 3 if len(rows) > 1:
            written = draw.choice([" ", "", ","]).join(map(text, rows))
        case 4:
            written = text({"version": 1, draw.choice(["data", "rows", "train"]): rows, "end": None})
        case _:
            written = "".join(f"{text(row)}\n" for row in rows)
    if plain and draw.random() < 0.1:
        return written.encode("utf-16")
    return written.encode("utf-8", "surrogatepass")


def _table(rows: Rows, draw: random.Random) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    separator, quoted = draw.choice([",", ",", ";", "\t", "|"]), draw.random() < 0.5
    writer = csv.writer(
        text,
        delimiter=separator,
        lineterminator="\n" if quoted else "\r\n",  # else a lone \r would stand without quotes
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerows([names, *([_cell(row.get(name)) for name in names] for row in rows)])
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    try:
        return text.getvalue().encode(encoding)
    except UnicodeEncodeError:
        return text.getvalue().encode("utf-8", "surrogatepass")


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _columns(ending: str, rows: Rows, draw: random.Random) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name.encode("utf-8", "replace").decode(): _column(row.get(name) for row in rows) for name in names}
    table, out = pa.table(columns), io.BytesIO()
    if ending == ".parquet":
        pq.write_table(table, out, compression=draw.choice(["none", "snappy", "zstd"]))
        return out.getvalue()
    method = draw.choice([None, None, "zstd", "lz4"])
    options = pa.ipc.IpcWriteOptions(compression=method)
    begin = draw.choice([pa.ipc.new_stream, pa.ipc.new_file])
    with begin(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=draw.choice([1, 1000]))
    return out.getvalue()


def _column(values: Iterable[Any]) -> pa.Array:
    """A column of the values' own type if they have one in common, else of texts."""
    values = list(values)
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeError, OverflowError, ValueError, TypeError):
        return pa.array([None if v is None else str(v).encode("utf-8", "surrogatepass") for v in values], pa.binary())
