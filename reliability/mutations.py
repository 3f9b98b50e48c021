"""Files of preference pairs, good ones and ones that have met with every kind of accident."""

import random
from typing import Any

from reliability.layouts import ENDINGS, KINDS, NO_COLUMNS, compressed, file_of

STRANGE: list[Any] = [
    None, True, 0, -1, 1e308, float("nan"), float("inf"), "", " ", "\u0000", "\ud800", "é" * 50, "=1+1", "a" * 3000,
    [], {}, [[]],
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
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if kind.startswith(ending))
    method = kind.removeprefix(ending)
    rows = [row(draw) for _ in range(draw.choice([1, 2, 3, 6]))]
    data = file_of(ending, rows, draw)
    if method and draw.random() < 0.5:  # damage inside of what is compressed
        return kind, compressed(method, mutated(data, draw), draw), None
    if draw.random() < 0.85:
        return kind, mutated(compressed(method, data, draw), draw), None
    return kind, compressed(method, data, draw), 1 if _is_refused(ending, data, rows) else len(rows)


def _is_refused(ending: str, data: bytes, rows: list[dict[str, Any]]) -> bool:
    """Whether a file counts as one row although nothing damaged it: its names of columns cannot stand in a header."""
    names = {name for fields in rows for name in fields}
    unfit = "\ud800" in names or len({name.strip() for name in names}) < len(names)
    return data == NO_COLUMNS or (ending in (".csv", ".tsv") and unfit)
