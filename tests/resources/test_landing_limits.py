"""Hostile files: what is too long, too much or too slow costs its row or its file, and everything else lands."""

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_fakes import jsonl, landing, numbers, pair, quarantined, roles, table
from reading_fakes import read, zstd

from resources.landing import quarantine
from resources.landing.files import UnreadableError, read_rows
from resources.landing.quarantine import Quarantine
from resources.landing.reading import limits
from resources.landing.reading import rows as reading_rows
from resources.landing.reading.arrow_rows import parquet_rows
from resources.landing.reading.columns import end_idle

GOOD = {"prompt": "q", "chosen": "yes", "rejected": "no"}
LONG = json.dumps({**GOOD, "note": "é" * 3000}, ensure_ascii=False)
CSV = "prompt,chosen,rejected,note\n"


def fact(row: Any) -> tuple[int, str]:
    return row.whole.bytes, row.whole.sha256


@pytest.mark.parametrize(
    ("name", "data", "long"),
    [
        ("in.jsonl", f"{json.dumps(GOOD)}\n{LONG}\n{json.dumps(GOOD)}\n", f"{LONG}\n"),
        ("in.json", f"[{json.dumps(GOOD)},{LONG},{json.dumps(GOOD)}]", LONG),
        ("in.csv", f"{CSV}q,yes,no,\nq,yes,no,{'é' * 3000}\nq,yes,no,\n", f"q,yes,no,{'é' * 3000}\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_row_that_is_too_long_costs_itself_and_is_kept_as_its_beginning_and_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: str, long: str, encoding: str
) -> None:
    monkeypatch.setattr(reading_rows, "MAX_LINE", 2000)
    found = read(tmp_path / name, data.encode(encoding))
    assert [fields is not None for fields in found.fields] == [True, False, True]
    assert "of over 2000 characters" in (found.reasons[1] or "")
    assert long.startswith(found.rows[1].raw) and found.rows[1].raw
    assert fact(found.rows[1]) == (len(long.encode()), sha256(long.encode()).hexdigest())


def test_a_quoted_row_over_many_lines_is_too_long_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_rows, "MAX_LINE", 2000)
    cells = ",".join('"' + "x\n" * 200 + '"' for _ in range(9))
    found = read(tmp_path / "in.csv", f"{CSV}{cells}\nq,yes,no,\n")
    assert found.reasons[0] == "malformed CSV: a row of over 2000 characters"
    assert found.fields[-1] == {**GOOD, "note": None}


def test_a_cell_of_parquet_that_is_too_long_costs_its_row(tmp_path: Path) -> None:
    rows = [GOOD | {"note": note} for note in ("x", "y" * (reading_rows.MAX_LINE + 1), "z")]
    found = read(table(tmp_path / "in.parquet", rows))
    assert [fields is not None for fields in found.fields] == [True, False, True]
    assert found.rows[1].raw.startswith('{"prompt": "q"') and len(found.rows[1].raw) == reading_rows.HEAD
    whole = json.dumps(rows[1]).encode()
    assert fact(found.rows[1]) == (len(whole), sha256(whole).hexdigest())


def test_many_objects_in_one_line_are_all_rows(tmp_path: Path) -> None:
    assert len(read(tmp_path / "in.jsonl", json.dumps(GOOD) * 20_000).rows) == 20_000


def test_texts_metadata_and_conversations_have_a_largest_size(tmp_path: Path) -> None:
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant")] * 500
    rows = [
        pair(0, prompt="x" * 1_000_001),
        pair(1, prompt=[*turns, {"role": "user", "content": "x"}]),
        pair(2, prompt="".join(f"\n\nHuman: {n}\n\nAssistant: {n}" for n in range(501)) + "\n\nHuman: x"),
        pair(3, note="x" * 1_000_001),
        pair(4, prompt="x" * 900_000, response_a="y" * 1_000_000, note="z" * 900_000),
        pair(5, prompt=[*turns[:998], {"role": "user", "content": "x"}]),
    ]
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", rows)], "demo")
    assert numbers(done)[:5] == (6, 2, 0, 0, 4)
    reasons = [row["reason"] for row in quarantined(tmp_path)]
    assert reasons == [
        "a prompt of 1000031 bytes: no model could be meant for it",
        "a prompt of 1001 messages: no model could be meant for it",
        "a prompt of 1003 messages: no model could be meant for it",
        "other columns of 1000013 bytes: leave out what says nothing about the pair",
    ]


def test_a_group_that_is_named_by_a_document_still_binds(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    names = ["word " * 20_000, "word " * 20_000 + "!"]
    rows = [pair(number, group=names[number % 2]) for number in range(40)]
    assert zone.land([jsonl(tmp_path / "in.jsonl", rows)], "demo").landed == 40
    groups = pq.read_table(next((tmp_path / "landing").rglob("groups-*.parquet"))).column("group").to_pylist()
    assert len(set(groups)) == 2 and max(map(len, groups)) < 1000
    assert sorted(roles(zone, "demo", tmp_path / "out").values()).count("test") in (0, 20, 40)


TWICE = [
    '{"prompt": "q", "chosen": "yes", "rejected": "no", "chosen": "yes"}',
    '{"prompt": [{"role": "user", "role": "system", "content": "q"}], "chosen": "yes", "rejected": "no"}',
    '{"prompt": "q", "chosen": "yes", "rejected": "no", "about": {"n": 1, "m": [{"n": 1, "n": 2}]}}',
]


@pytest.mark.parametrize("line", TWICE)
@pytest.mark.parametrize("layout", ["{0}\n{1}\n{0}\n", "[{0}, {1}, {0}]", '{{"data": [{0}, {1}, {0}]}}', "{0}{1}{0}"])
def test_a_key_that_stands_twice_costs_its_row(tmp_path: Path, line: str, layout: str) -> None:
    found = read(tmp_path / "in.json", layout.format(json.dumps(GOOD), line))
    assert found.fields == [GOOD, None, GOOD]
    key = "chosen" if line is TWICE[0] else "role" if line is TWICE[1] else "n"
    assert found.reasons[1] == f"the key {key!r} stands twice in one object: which value is meant?"
    assert found.rows[1].raw == line


def test_metadata_is_json_whatever_numbers_it_has(tmp_path: Path) -> None:
    line = json.dumps({**GOOD, "a": float("inf"), "b": [float("-inf"), {"c": float("nan")}], "d": 1.5})
    assert landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", [line])], "demo").landed == 1
    (text,) = pq.read_table(next((tmp_path / "landing").rglob("pairs-*.parquet"))).column("metadata").to_pylist()

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    found = json.loads(text, parse_constant=refuse)
    assert found == {"a": "Infinity", "b": ["-Infinity", {"c": None}], "d": 1.5}


BLANK = {
    "lines.jsonl": b"\n" * 60,
    "white.jsonl": b" \t\n" * 60,
    "commas.jsonl": b"{}\n" + b",\n" * 60,
    "array.json": b"[" + b"," * 60,
    "arrays.json": b"[]" * 60,
    "begin.csv": b"\n" * 60 + CSV.encode(),
    "rows.csv": CSV.encode() + b",,,\n" * 60,
}


@pytest.mark.parametrize("name", BLANK)
def test_a_file_of_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(limits, "MAX_BLANK", 50)
    with pytest.raises(UnreadableError, match=r"over 50 .* one after the other"):
        read(tmp_path / name, BLANK[name])
    few = "\n".join(["\n" * 30, json.dumps(GOOD)] * 4)
    assert len(read(tmp_path / "few.jsonl", few).rows) == 4


def test_a_parquet_file_of_rows_without_content_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BLANK", 50)
    pq.write_table(pa.table({"prompt": [None] * 50 + ["x"] + [None] * 51}), tmp_path / "in.parquet")
    found = parquet_rows((tmp_path / "in.parquet").open("rb"), 1024)
    assert [next(found).line for _ in range(101)][-1] == 101
    with pytest.raises(UnreadableError, match="over 50 rows without any content one after the other"):
        next(found)


COLUMNS: dict[str, Callable[[list[str]], bytes]] = {
    "in.csv": lambda names: ",".join(names).encode() + b"\n" + b"x," * (len(names) - 1) + b"x\n",
    "in.jsonl": lambda names: json.dumps(dict.fromkeys(names, "x")).encode(),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_so_many_and_their_names_so_long(tmp_path: Path, name: str) -> None:
    def fault(names: list[str]) -> str | None:
        try:
            return read(tmp_path / name, COLUMNS[name](names)).reasons[0]
        except UnreadableError as error:
            return str(error)

    assert fault([f"column {number}" for number in range(2000)]) is None
    assert fault([f"column {number}" for number in range(2001)]) == "over 2,000 columns"
    assert fault(["x" * 4000]) is None
    assert fault(["x" * 4001]) == "a name of a column of over 4,000 characters"


def test_columns_of_parquet_have_names_of_a_length(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="a name of a column of over 4,000 characters"):
        read(tmp_path / "in.parquet", _parquet(pa.table({"x" * 4001: ["x"]})))


def _parquet(rows: pa.Table) -> bytes:
    to = pa.BufferOutputStream()
    pq.write_table(rows, to)
    return to.getvalue().to_pybytes()


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.csv.zst", "in.parquet.gz", "in.parquet"])
def test_a_file_that_comes_to_much_more_than_its_size_is_unreadable_and_others_land(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(limits, "SMALL", 10**5)
    texts = {column: ["x" * 1000] * 3000 for column in ("prompt", "chosen", "rejected")}
    line = json.dumps(GOOD | {"note": "x" * 5000}).encode() + b"\n"
    data = {"jsonl": line * 400, "csv": CSV.encode() + b"q,yes,no,\n" * 90_000, "parquet": _parquet(pa.table(texts))}
    packed = data[name.split(".")[1]] + (bytes(10**6) if name == "in.parquet.gz" else b"")
    bomb = tmp_path / name
    bomb.write_bytes(gzip.compress(packed, 9) if name.endswith(".gz") else zstd(packed) if "zst" in name else packed)
    done = landing(tmp_path).land([bomb, jsonl(tmp_path / "good.jsonl", [pair(1)])], "demo")
    assert (done.landed, done.read) == (1, 1)
    size = bomb.stat().st_size
    assert (done.files[0].unread or "").startswith(f"a file of {size:,} bytes that comes to over ")
    assert (tmp_path / "quarantine" / "demo" / quarantined(tmp_path)[0]["copy"]).read_bytes() == bomb.read_bytes()


def test_a_file_that_takes_too_long_is_unreadable_and_pairs_give_it_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count(0, 0.0015)
    monkeypatch.setattr(limits, "thread_time", lambda: next(seconds))
    bad = jsonl(tmp_path / "bad.jsonl", [{"prompt": "q"}] * 400)
    good = jsonl(tmp_path / "good.jsonl", [pair(number) for number in range(1000)])
    monkeypatch.setattr(limits, "SECONDS", 0.5)
    done = landing(tmp_path).land([bad, good], "demo")
    assert (done.read, done.landed) == (1000, 1000)
    assert (done.files[0].unread or "").startswith("takes too long to read: 0 pairs in ")


def test_a_parquet_file_that_takes_too_long_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.05)
    pq.write_table(pa.table({"n": [0] * 200_000}), tmp_path / "in.parquet")
    with pytest.raises(UnreadableError, match="takes too long to read"):
        list(read_rows(tmp_path / "in.parquet"))


def test_columns_are_read_again_after_their_process_ended_or_was_left(tmp_path: Path) -> None:
    path = table(tmp_path / "in.parquet", [pair(number) for number in range(3000)])
    rows = read_rows(path)
    assert next(rows).line == 1
    del rows
    assert len(list(read_rows(path))) == 3000
    end_idle()
    one, other = read_rows(path), read_rows(path)
    assert [next(one).line, next(other).line, next(one).line] == [1, 1, 2]
    assert sum(1 for _ in one) == 2998 and sum(1 for _ in other) == 2999


def test_quarantine_of_a_landing_has_a_largest_size_and_counts_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "LANDING_BYTES", 3000)
    rows: list[dict[str, Any] | str | bytes] = [pair(n, response_b=None if n % 2 else "") for n in range(100)]
    files = [jsonl(tmp_path / f"{name}.jsonl", [*rows, pair(1)]) for name in "ab"]
    done = landing(tmp_path).land(files, "demo")
    assert (done.read, done.landed + done.duplicates, done.quarantined) == (202, 2, 200)
    kept = quarantined(tmp_path)
    assert sum(row.get("rows", 1) for row in kept) == 200
    assert sum(len(row["raw"] or "") for row in kept) < 3000
    rest = [row for row in kept if "rows" in row]
    assert [(row["file"], row["line"], row["raw"], row["rows"]) for row in rest[2:]] == [
        ("b.jsonl", 1, None, 50),
        ("b.jsonl", 2, None, 50),
    ]
    assert len({row["raw_sha256"] for row in rest}) == 4
    held = Quarantine(tmp_path, "demo").reasons()
    assert sorted((one.reason, one.rows) for one in held) == [
        ("'response_b' is empty", 100),
        ("no 'response_b': nothing to compare", 100),
    ]
    before = sorted((tmp_path / "quarantine").rglob("*"))
    landing(tmp_path).land(files, "demo")
    assert sorted((tmp_path / "quarantine").rglob("*")) == before


def test_texts_that_are_hard_to_look_through_are_rows(tmp_path: Path) -> None:
    html = {"qid": 1, "question": "<p>q", "metadata": ["u"], "date": ""}
    answers = [{"answer_id": n, "text": f"{n}" + '<a b="' * 30_000, "pm_score": n} for n in range(2)]
    rows: list[dict[str, Any] | str | bytes] = [
        pair(0, response_a="good" + "</s> <|im_end|>\n" * 60_000),
        pair(1, prompt="why?" + " " * 900_000 + "<extra_id_1>"),
        {**html, "answers": answers},
    ]
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", rows)], "demo")
    reasons = [reason["reason"][:20] for reason in done.reasons]
    assert (done.landed, reasons) == (1, ["turns of a chat temp", "HTML that cannot be "])
    pairs = pq.read_table(next((tmp_path / "landing").rglob("pairs-*.parquet"))).to_pylist()
    assert "good" in {row[name] for row in pairs for name in ("response_a", "response_b")}


def test_the_end_of_a_gzip_file_with_ordinary_text_is_reached(tmp_path: Path) -> None:
    rows = [json.dumps(pair(number, note=f"{number} " * 200)) for number in range(200)]
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode(), 9))
    assert landing(tmp_path).land([tmp_path / "in.jsonl.gz"], "demo").landed == 200
