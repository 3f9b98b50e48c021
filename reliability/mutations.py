"""Files of preference pairs, good ones and ones that have met with every kind of accident."""

import csv
import gzip
import io
import json
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KINDS = (".jsonl", ".jsonl.gz", ".csv", ".parquet")

STRANGE: list[Any] = [
    None, True, 0, -1, 1e308, float("nan"), "", " ", "\u0000", "\ud800", "é" * 50, "=1+1", "a" * 3000, [], {}, [[]],
    [{"role": "user", "content": "x"}], [{"role": "evil", "content": "x"}], [{"role": "user", "content": None}],
    [{"role": "user"}], ["x"], {"a": {"b": [1, None]}}, "\n\nHuman: hi\n\nAssistant: ho\n\nHuman: hi\n\nAssistant:",
    "\n\nAssistant: x", "[1]", '[{"role": "user", "content": "x"}]', "\u202e", "\ufeff", "a", "b", "judge", "test",
    "seed", 10**400, "😀", "\r", "\x1b[31m", "<script>", "../..", "{{7*7}}",
]  # fmt: skip
FIELDS = (
    "prompt", "chosen", "rejected", "response_a", "response_b", "preferred", "id", "group", "source", "annotator",
    "role", "note", "", "prompt ", "\ud800", "x" * 300,
)  # fmt: skip
PIECES = [
    b"\0", b"\n", b"\r", b"\r\n", b'"', b",", b"{", b"}", b"[", b"]", b"\\", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\\ud800", b"\x1f\x8b", b"PAR1", b"NaN", b"1e999", b"[" * 3000, b'{"a":' * 2000, b'""', b"\xf0\x9f", b"\x80",
]  # fmt: skip


def row(draw: random.Random) -> dict[str, Any]:
    """A row of one of the accepted forms, out of few enough pairs that duplicates and contradictions come up."""
    number = draw.randrange(400)
    good, bad = f"good answer {number}", f"bad answer {number}"
    if draw.random() < 0.5:
        fields: dict[str, Any] = {"prompt": f"question {number}", "chosen": good, "rejected": bad}
    else:
        label = draw.choice(["a", "b", None])
        fields = {"prompt": f"question {number}", "response_a": good, "response_b": bad, "preferred": label}
    for name, values in (
        ("annotator", ["ann", "ben", "judge"]),
        ("group", ["g1", "g2", 3]),
        ("role", ["test", "seed"]),
    ):
        if draw.random() < 0.1:
            fields[name] = draw.choice(values)
    while draw.random() < 0.25:
        fields[draw.choice(FIELDS)] = draw.choice(STRANGE)
    if draw.random() < 0.05:
        del fields[draw.choice(list(fields))]
    return fields


def file_of(kind: str, rows: list[dict[str, Any]], draw: random.Random) -> bytes:
    """The bytes of a file that holds the rows."""
    if kind.startswith(".jsonl"):
        lines = [json.dumps(one, ensure_ascii=draw.random() < 0.5) for one in rows]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
        return gzip.compress(data, 1) if kind.endswith(".gz") else data
    names = list(dict.fromkeys(name for one in rows for name in one))
    if kind == ".csv":
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([names, *([_cell(one.get(name)) for name in names] for one in rows)])
        return text.getvalue().encode("utf-8", "surrogatepass")
    out = io.BytesIO()
    columns = {name.encode("utf-8", "replace").decode(): _column([one.get(name) for one in rows]) for name in names}
    compression = draw.choice(["none", "snappy", "zstd"])
    try:
        pq.write_table(pa.table(columns), out, compression=compression)
    except pa.ArrowNotImplementedError:  # a struct without fields, for instance
        return file_of(".csv", rows, draw)
    return out.getvalue()


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _column(values: list[Any]) -> pa.Array:
    """A column of the values' own type if they have one in common, else of texts."""
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeError, OverflowError, ValueError, TypeError):
        return pa.array([None if v is None else str(v).encode("utf-8", "surrogatepass") for v in values], pa.binary())


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The bytes after a few accidents."""
    body = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        place = draw.randrange(len(body) + 1)
        match draw.randrange(8):
            case 0 | 1 if body:
                body[min(place, len(body) - 1)] ^= 1 << draw.randrange(8)
            case 2:
                del body[place:]
            case 3:
                del body[place : place + draw.randrange(1, 60)]
            case 4:
                body[place:place] = draw.choice(PIECES)
            case 5:
                body[place:place] = body[draw.randrange(len(body) + 1) :][: draw.randrange(1, 200)]
            case 6:
                body[place : place + 4] = draw.randbytes(4)
            case _:
                body[:0] = draw.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n", b"\0"])
    return bytes(body)


def accident(number: int, draw: random.Random) -> tuple[str, bytes, int | None]:
    """A file of any kind: the ending of its name, its bytes, in most cases damaged, and its rows if it is not."""
    kind = KINDS[number % len(KINDS)]
    rows = [row(draw) for _ in range(draw.choice([1, 2, 3, 6]))]
    data = file_of(kind, rows, draw)
    if kind == ".jsonl.gz" and draw.random() < 0.5:  # damage inside of what is compressed
        return kind, gzip.compress(mutated(gzip.decompress(data), draw), 1), None
    if draw.random() < 0.85:
        return kind, mutated(data, draw), None
    foreign = kind == ".parquet" and not data.startswith(b"PAR1")  # one row: no parquet file
    return kind, data, 1 if foreign else len(rows)
