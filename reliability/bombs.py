"""Files that are small, or short, and come to much more: gigabytes, hours, or a reason to stop."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reliability.abuse import Case

MB = 2**20


def land(folder: Path, root: Path) -> str:
    """Land the files of a folder as one landing, and say in words what came of their rows."""
    from resources.landing.zone import Landing
    from resources.settings import Settings

    done = Landing(root, Settings()).land(sorted(folder.iterdir()), "abuse")
    if done.read != done.landed + done.duplicates + done.quarantined:
        raise AssertionError(f"rows are lost: {done}")
    kept = sum(path.stat().st_size for path in (root / "quarantine").rglob("*.jsonl"))
    words = [f"{done.landed:,} landed"]
    words += [f"{done.duplicates:,} duplicates"] if done.duplicates else []
    if done.quarantined:
        reasons = "; ".join(reason["reason"][:70] for reason in done.reasons[:2])
        words.append(f"{done.quarantined:,} quarantined in {kept / 1e6:.1f} MB ({reasons})")
    unread = {report.unread for report in done.files if report.unread}
    words += [f"file quarantined ({reason[:110]})" for reason in sorted(unread)[:2]]
    return ", ".join(words).replace("|", "¦").replace("\n", " ")


def good(number: int, **more: Any) -> dict[str, Any]:
    """A row that lands."""
    return {"prompt": f"question {number}", "chosen": f"good answer {number}", "rejected": f"bad {number}", **more}


GOOD = [good(number) for number in range(100)]


def lines(name: str, rows: Callable[[], Iterable[dict[str, Any] | bytes]]) -> Callable[[Path], object]:
    """A maker of a file of lines, each a row or a text as it is, between good rows."""

    def make(folder: Path) -> None:
        with (gzip.open if name.endswith(".gz") else open)(folder / name, "wb") as file:
            for row in chain(GOOD[:50], rows(), GOOD[50:]):
                file.write((json.dumps(row).encode() if isinstance(row, dict) else row) + b"\n")

    return make


def repeated(name: str, data: Callable[[], bytes], times: int) -> Callable[[Path], object]:
    """A maker of a gzip file of the same bytes many times."""

    def make(folder: Path) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        member = packer.compress(data()) + packer.flush()
        (folder / name).write_bytes(member * times)

    return make


def parquet(table: Callable[[], pa.Table], **options: Any) -> Callable[[Path], object]:
    """A maker of a parquet file."""
    return lambda folder: pq.write_table(table(), folder / "in.parquet", **options)


def constant(rows: int, width: int) -> pa.Table:
    """A table in which every cell of a column is the same text."""
    index = pa.array([0], pa.int32()).take(pa.array([0] * rows))
    columns = {name: [f"{name} " + "x" * width] for name in ("prompt", "chosen", "rejected")}
    return pa.table({name: pa.DictionaryArray.from_arrays(index, pa.array(text)) for name, text in columns.items()})


def with_cell(cell: pa.Array) -> pa.Table:
    """A table of good rows of which one has this cell as a note."""
    table = pa.Table.from_pylist(GOOD)
    note = pa.concat_arrays([pa.nulls(50, cell.type), cell, pa.nulls(49, cell.type)])
    return table.append_column("note", note)


def arrow(table: Callable[[], pa.Table], compression: str | None) -> Callable[[Path], object]:
    """A maker of an arrow file of one batch."""

    def make(folder: Path) -> None:
        whole = table().combine_chunks()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_file(folder / "in.arrow", whole.schema, options=options) as writer:
            writer.write_table(whole)

    return make


def text(name: str, parts: Callable[[], Iterable[bytes]]) -> Callable[[Path], object]:
    """A maker of a file of these bytes."""
    return lambda folder: (folder / name).write_bytes(b"".join(parts()))


def table(rows: Callable[[], Iterable[bytes]]) -> Callable[[Path], object]:
    """A maker of a table of text with these rows between good ones."""
    some = [b"question %d,good answer %d,bad %d\n" % (number, number, number) for number in range(100)]
    return text("in.csv", lambda: [b"prompt,chosen,rejected\n", *some[:50], *rows(), *some[50:]])


def many_bad_rows(folder: Path) -> None:
    """600 MB of rows that do not land."""
    with (folder / "in.jsonl").open("w") as file:
        for number in range(10_000):
            file.write(json.dumps(good(number, rejected="") | {"note": "x" * 60_000}) + "\n")


def wide_rows(folder: Path) -> None:
    """Rows as wide as they may be, of characters that take four bytes each in Python."""
    wide = "x" * 990_000 + "🍚"
    with (folder / "in.jsonl").open("w") as file:
        for number in range(120):
            row = {"prompt": f"{number} {wide}", "chosen": f"{number} {wide}", "rejected": f"{wide} {number}"}
            file.write(json.dumps(row | {"note": wide[:-20]}, ensure_ascii=False) + "\n")


ROW = json.dumps(good(0)).encode() + b"\n"

MAKERS: dict[str, Callable[[Path], object]] = {
    "8 lines of 32 MB among good ones": lines("in.jsonl", lambda: [good(n, note="x" * 32 * MB) for n in range(8)]),
    "a prompt of 30 MB": lines("in.jsonl", lambda: [good(0, prompt="word " * (6 * MB))]),
    "a prompt of 100,000 messages": lines(
        "in.jsonl",
        lambda: [good(0, prompt=[{"role": role, "content": "x"} for role in ("user", "assistant")] * 50_000)],
    ),
    "2 GB of long rows in gzip": repeated(
        "in.jsonl.gz", lambda: json.dumps(good(0, note="x" * 2 * MB)).encode() + b"\n", 1024
    ),
    "rows as wide as they may be": wide_rows,
    "600 MB of bad rows": many_bad_rows,
    "4 Gi blank lines in gzip": repeated("in.jsonl.gz", lambda: b"\n" * (64 * MB), 64),
    "40 million objects without keys in gzip": repeated("in.jsonl.gz", lambda: b"{}\n" * (4 * MB), 10),
    "a GB without a line end in gzip": repeated("in.jsonl.gz", lambda: b"{" * (64 * MB), 16),
    "100 million commas in an array in gzip": repeated("in.json.gz", lambda: b"[{}," + b"," * (100 * MB), 1),
    "a pair 200,000 times in gzip": repeated("in.jsonl.gz", lambda: ROW * 1000, 200),
    "a million objects in one line": lines("in.jsonl", lambda: [b"{}" * MB]),
    "a key of 30 MB": lines("in.jsonl", lambda: [{"k" * 30 * MB: 1}]),
    "100,000 keys in a row": lines("in.jsonl", lambda: [good(0, **{f"k{n}": n for n in range(100_000)})]),
    "other keys in each of 3,000 rows": lines(
        "in.jsonl", lambda: [good(n, **{f"k{n} {k}": 1 for k in range(100)}) for n in range(3000)]
    ),
    "a million brackets": lines("in.jsonl", lambda: [b'{"prompt": ' + b"[" * MB]),
    "3 million empty lists in a row": lines("in.jsonl", lambda: [good(0, note=[[]] * (2 * MB))]),
    "a number of a million digits": lines("in.jsonl", lambda: [b'{"prompt": ' + b"1" * MB + b"}"]),
    "4 million escapes in a text": lines("in.jsonl", lambda: [good(0, note="\n" * (4 * MB))]),
    "a response of 2 million end tokens": lines("in.jsonl", lambda: [good(0, chosen="x" + "</s>" * (2 * MB - 64))]),
    "a prompt of 8 million spaces": lines(
        "in.jsonl", lambda: [good(0, prompt="x" + " " * (8 * MB - 999) + "<extra_id_1>")]
    ),
    "HTML without a closed tag": lines(
        "in.jsonl",
        lambda: [
            {
                "qid": 1,
                "question": "<a b=" * 30_000,
                "metadata": ["u"],
                "date": "",
                "answers": [{"answer_id": n, "text": f'{n}<a b="' * 20_000, "pm_score": n} for n in range(9)],
            }
        ],
    ),
    "keys that stand twice": lines(
        "in.jsonl", lambda: [b'{"prompt":"q","chosen":"a","rejected":"b","chosen":"c"}'] * 1000
    ),
    "an element of 100 MB in an array": text(
        "in.json", lambda: [b"[", ROW, b',{"prompt": "', b"x" * 100 * MB, b'"},', ROW, b"]"]
    ),
    "an array that does not end": text("in.json", lambda: [b"[", b'{"prompt":"' * (10 * MB)]),
    "UTF-16 with lines of 32 MB": text(
        "in.jsonl",
        lambda: ["".join(f"{json.dumps(good(n))}\n{'x' * 32 * MB}\n" for n in range(4)).encode("utf-16")],
    ),
    "a cell of 100 MB in a table": table(lambda: [b'q,"' + b"x" * 100 * MB + b'",no\n']),
    "a cell that is never closed": table(lambda: [b'q,"yes,no\n', *[b"x" * 99 + b"\n"] * 400_000]),
    "1,500 open quotes among 330,000 rows": table(
        lambda: [b'a","c\n'] * 1500 + [b"question %d,good answer,bad\n" % number for number in range(330_000)]
    ),
    "a table of 4 million columns": text("in.csv", lambda: [b"a," * (4 * MB), b"\n"]),
    "a row of 4 million cells": table(lambda: [b"," * (4 * MB) + b"\n"]),
    "100 million empty rows in gzip": repeated(
        "in.csv.gz", lambda: b"prompt,chosen,rejected\n" + b",,\n" * (25 * MB), 4
    ),
    "texts of 1 MB for every row, parquet": parquet(lambda: constant(2000, MB)),
    "20 million rows of nulls, parquet": parquet(
        lambda: pa.table({name: pa.nulls(20_000_000, pa.string()) for name in ("prompt", "chosen", "rejected")})
    ),
    "30 million equal rows, parquet": parquet(lambda: constant(30_000_000, 1)),
    "a cell of 1 GB, parquet": parquet(
        lambda: with_cell(pa.array([b"x" * 2**30], pa.large_binary())), compression="zstd", use_dictionary=False
    ),
    "a list of 100 million numbers in a cell, parquet": parquet(
        lambda: with_cell(
            pa.ListArray.from_arrays(
                [0, 10**8], pa.Array.from_buffers(pa.int8(), 10**8, [None, pa.py_buffer(bytes(10**8))])
            )
        ),
        compression="zstd",
    ),
    "a GB in one row group, parquet": parquet(
        lambda: pa.table({name: [f"{n} {name}" + "x" * 10_000 for n in range(35_000)] for name in good(0)}),
        compression="zstd",
        use_dictionary=False,
        data_page_size=2**30,
        row_group_size=10**9,
        write_batch_size=10**9,
    ),
    "10,000 columns, parquet": parquet(lambda: pa.table({f"c{n}": ["x"] for n in range(10_000)})),
    "a batch of 1 GB in zstd, arrow": arrow(
        lambda: pa.table({name: pa.array(["x" * MB] * 400, pa.large_string()) for name in good(0)}), "zstd"
    ),
    "a billion rows without columns that say anything, arrow": arrow(
        lambda: pa.table({"prompt": pa.nulls(10**9)}), None
    ),
    "a dictionary of 1 MB in every row, arrow": arrow(lambda: constant(5000, MB), None),
}
"""What to call an input, and how it is made."""

CASES = [Case(name, make, land) for name, make in MAKERS.items()]
