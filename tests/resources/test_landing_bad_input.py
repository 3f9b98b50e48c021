"""Bad input: it goes to quarantine with its reason, and everything else lands."""

import base64
import gzip
import json
import os
import tracemalloc
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_fakes import jsonl, landing, numbers, pair, quarantined, table

from resources.landing.files import UnreadableError, read_rows
from resources.landing.quarantine import Quarantine
from resources.landing.reading import rows as reading_rows
from ser.errors import SerError

CUT = gzip.compress(b'{"prompt": "q", "chosen": "y", "rejected": "n"}\n' * 9, mtime=0)[:-9]


def reasons(root: Path) -> dict[int | None, str]:
    return {row["line"]: row["reason"] for row in quarantined(root)}


def test_each_bad_line_of_a_jsonl_file_costs_itself_only(tmp_path: Path):
    lines = [
        b"\xef\xbb\xbf" + b'{"prompt": "q", "chosen": "yes", "rejected": "no"}',
        '{"prompt": "cut off',
        "",
        "[1, 2]",
        b'{"prompt": "caf\xe9", "chosen": "yes", "rejected": "no"}',
        {"prompt": "q", "chosen": "yes"},
        {"prompt": " ", "chosen": "yes", "rejected": "no"},
        {"prompt": "q", "chosen": "", "rejected": "no"},
        {"prompt": "q", "chosen": "no", "rejected": "no "},
        {"prompt": "q", "chosen": True, "rejected": "no"},
        {"prompt": "q", "chosen": "word " * 220_000, "rejected": "no"},
        {"prompt": "q", "chosen": "word " * 600, "rejected": "no"},
        b'{"prompt": "q\\ud800", "chosen": "yes", "rejected": "no"}',
        {"prompt": "q", "chosen": "no", "rejected": "yes"},
        {"prompt": "long " * 5000, "chosen": "yes", "rejected": "no"},
    ]
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", lines)], "demo")
    assert numbers(done) == (14, 4, 1, 0, 10, 2, 1)
    why = reasons(tmp_path)
    assert set(why) == {2, 4, 5, 6, 7, 8, 9, 10, 11, 13}
    assert why[2].startswith("malformed JSON: ")
    assert why[4] == "not a JSON object"
    assert why[5] == "undecodable text: not UTF-8"
    assert why[6] == "no 'rejected': nothing to compare"
    assert why[7] == "the prompt is empty"
    assert why[8] == "'chosen' is empty"
    assert why[9] == "equal responses"
    assert "'chosen'" in why[10]
    assert "no model could be meant" in why[11]
    assert "lone surrogate" in why[13]
    rows = {row["line"]: row for row in quarantined(tmp_path)}
    assert {row["file"] for row in rows.values()} == {"in.jsonl"}
    assert rows[2]["raw"] == '{"prompt": "cut off'
    assert base64.b64decode(rows[5]["raw_base64"]) == lines[4]
    whole = json.dumps(lines[10])
    assert rows[11]["raw"] == whole[:65536]
    assert (rows[11]["raw_bytes"], rows[11]["raw_sha256"]) == (len(whole), sha256(whole.encode()).hexdigest())
    assert set(rows[2]) == {"file", "line", "raw", "reason"}


def test_bad_rows_of_a_csv(tmp_path: Path):
    file = tmp_path / "in.csv"
    file.write_bytes(
        b"prompt,chosen,rejected,note\r\n"
        b"q1,yes,no,\r\n"
        b"q2,yes,no\r\n"
        b"q3,y\xe9s,no,caf\xc3\xa9\r\n"
        b'q4,"open,no,\r\n'
        b'"q5, or","two\r\nlines",no,\r\n'
        b"\r\n"
        b"q6,,no,x\r\n"
        b"q7,yes,no,\r\n" + b"q8," + b"yes " * 300_000 + b",no,\r\n"
    )
    done = landing(tmp_path).land([file], "demo")
    assert (done.read, done.landed, done.quarantined) == (8, 3, 5)
    why = reasons(tmp_path)
    assert why[3] == "has 3 columns, the header 4"
    assert why[4] == "undecodable text: not UTF-8"
    assert why[5].startswith("malformed CSV")
    assert why[9] == "no 'chosen': nothing to compare"
    assert "no model could be meant" in why[11]
    assert next(row for row in quarantined(tmp_path) if row["line"] == 9)["raw"] == "q6,,no,x"


def test_an_open_quote_at_the_end_costs_one_row(tmp_path: Path):
    file = tmp_path / "in.csv"
    file.write_text('prompt,chosen,rejected\nq1,"yes,no\nq2,yes,no\nq3,yes,no\n')
    done = landing(tmp_path).land([file], "demo")
    assert (done.read, done.landed, done.quarantined) == (3, 2, 1)


def test_bad_rows_of_a_parquet_file(tmp_path: Path):
    rows = [pair(1), pair(2, response_a=None), pair(3, "maybe"), pair(4, None)]
    done = landing(tmp_path).land([table(tmp_path / "in.parquet", rows)], "demo")
    assert (done.read, done.landed, done.quarantined) == (4, 2, 2)
    why = reasons(tmp_path)
    assert why[2] == "no 'response_a': nothing to compare"
    assert why[3].startswith("'preferred' says 'maybe'")
    numbers_as_text = [{"prompt": "q", "chosen": 1, "rejected": 2}]
    assert landing(tmp_path).land([table(tmp_path / "numbers.parquet", numbers_as_text)], "other").landed == 1


def test_text_that_parquet_holds_although_it_is_none(tmp_path: Path):
    buffers = pa.array([b"fine", b"caf\xe9"], pa.binary()).buffers()
    broken = pa.Array.from_buffers(pa.string(), 2, buffers)
    columns = {"prompt": broken, "chosen": pa.array(["yes"] * 2), "rejected": pa.array([b"no"] * 2)}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    done = landing(tmp_path).land([tmp_path / "in.parquet"], "demo")
    assert (done.read, done.landed, done.quarantined) == (2, 1, 1)
    assert reasons(tmp_path) == {2: "undecodable text: not UTF-8"}


UNREADABLE = {
    "broken.parquet": (b"PAR1 and no more", "cannot be read"),
    "zeros.parquet": (bytes(100), "not a parquet file"),
    "broken.jsonl.gz": (b"not gzip", "not compressed with gzip, although its name says so"),
    "cut.jsonl.gz": (CUT, "cannot be read"),
    "binary.jsonl": (bytes(range(256)) * 9, "not a text file"),
    "binary.csv": (bytes(range(256)) * 9, "not a text file"),
    "utf16-without-mark.jsonl": ('{"prompt": "q"}\n'.encode("utf-16-be"), "not a text file"),
    "notes.txt": (b"hello", "unknown kind of file; accepted are .json, .jsonl, .ndjson, .csv, .tsv, .parquet, .arrow"),
    "twice.csv": (b"prompt,prompt\na,b\n", "two columns have the same name"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_kept_whole(tmp_path: Path, name: str):
    data, reason = UNREADABLE[name]
    (tmp_path / name).write_bytes(data)
    good = jsonl(tmp_path / "good.jsonl", [pair(1)])
    done = landing(tmp_path).land([tmp_path / name, good], "demo")
    assert (done.read, done.landed, done.quarantined) == (1, 1, 0)
    assert done.files[0].unread and reason in done.files[0].unread
    (row,) = quarantined(tmp_path)
    assert (row["file"], row["line"], row["raw"]) == (name, None, None)
    assert reason in row["reason"]
    assert (tmp_path / "quarantine" / "demo" / row["copy"]).read_bytes() == data


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.csv", "empty.parquet"])
def test_an_empty_file(tmp_path: Path, name: str):
    zone = landing(tmp_path / "data")
    (tmp_path / name).touch()
    nothing = zone.land([tmp_path / name], "demo")
    assert (nothing.nothing, nothing.snapshot, nothing.files[0].unread) == (True, None, "empty file")
    assert zone.datasets() == zone.folders() == []
    done = zone.land([tmp_path / name, jsonl(tmp_path / "good.jsonl", [pair(1)])], "demo")
    assert (done.read, done.landed, done.quarantined) == (1, 1, 0)
    (row,) = quarantined(tmp_path / "data")
    assert (row["file"], row["reason"]) == (name, "empty file")


@pytest.mark.parametrize(("name", "text"), [("in.jsonl", "x\n"), ("README.md", "# Pairs\n")])
def test_a_landing_of_which_nothing_lands_leaves_no_dataset(tmp_path: Path, name: str, text: str):
    zone = landing(tmp_path / "data")
    (tmp_path / name).write_text(text)
    done = zone.land([tmp_path / name], "demo")
    assert (done.landed, done.nothing, done.snapshot, done.labelled, done.unlabelled) == (0, True, None, 0, 0)
    assert zone.folders() == zone.datasets() == []
    assert not (tmp_path / "data" / "landing" / "demo").exists()
    assert len(quarantined(tmp_path / "data")) == 1
    with pytest.raises(SerError, match="unknown dataset"):
        zone.current_snapshot("demo")


def test_nothing_that_was_put_into_a_folder_goes_when_nothing_lands(tmp_path: Path):
    file = jsonl(tmp_path / "landing" / "demo" / "in.jsonl", ["x"])
    assert landing(tmp_path).land([file], "demo").nothing
    assert file.exists()


def test_reasons_are_counted_without_what_differs_from_row_to_row(tmp_path: Path):
    rows = [pair(i, response_b=f"good answer {i}") for i in range(5)]
    rows += [pair(1, "a", annotator=name) for name in "xy"] + [pair(1, "b", annotator=name) for name in "xy"]
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", rows)], "demo")
    assert done.reasons == [
        {"reason": "equal responses", "rows": 5},
        {"reason": "the label contradicts an earlier one by annotator 'x'", "rows": 2},
    ]
    held = Quarantine(tmp_path, "demo").reasons()
    assert [(one.reason, one.rows, len(one.examples)) for one in held] == [
        ("equal responses", 5, 3),
        ("the label contradicts an earlier one by annotator 'x'", 2, 2),
    ]


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_rows, "MAX_LINE", 1000)
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", ["x" * 5000, pair(1), pair(2)])], "demo")
    assert (done.read, done.landed, done.quarantined) == (3, 2, 1)
    (row,) = quarantined(tmp_path)
    assert row["line"] == 1 and "over 1000 characters" in row["reason"]


def test_values_of_parquet_that_python_cannot_say_cost_their_row(tmp_path: Path):
    late = pa.array([0, 2**61, 0], pa.int64()).cast(pa.timestamp("ms"))
    columns = {name: pa.array([f"{name} {row}" for row in range(3)]) for name in ("prompt", "chosen", "rejected")}
    pq.write_table(pa.table({**columns, "at": late}), tmp_path / "late.parquet")
    done = landing(tmp_path).land([tmp_path / "late.parquet"], "demo")
    assert (done.read, done.landed, done.quarantined) == (3, 2, 1)
    (row,) = quarantined(tmp_path)
    assert row["line"] == 2 and row["reason"].startswith("column 'at' cannot be read: ")
    assert '"prompt 1"' in row["raw"]


def test_a_struct_with_two_fields_of_one_name_costs_its_rows(tmp_path: Path):
    twice = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["x", "x"])
    columns = {name: pa.array([f"{name} {row}" for row in range(2)]) for name in ("prompt", "chosen", "rejected")}
    pq.write_table(pa.table({**columns, "note": twice}), tmp_path / "twice.parquet")
    done = landing(tmp_path).land([tmp_path / "twice.parquet", jsonl(tmp_path / "good.jsonl", [pair(1)])], "demo")
    assert (done.landed, done.quarantined) == (1, done.read - 1)


def test_a_files_name_need_not_be_text(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.jsonl")
    done = landing(tmp_path).land([jsonl(tmp_path / name, [pair(1), "bad"])], "demo")
    assert (done.read, done.landed, done.quarantined) == (2, 1, 1)
    assert quarantined(tmp_path)[0]["file"] == name


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_of_a_binary_file_without_line_ends_little_is_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(reading_rows, "MAX_LINE", 2**20)
    path = tmp_path / name
    data = b"\xff\xfe\n" + bytes(2**25)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if name.endswith(".gz") else data)
    del data
    tracemalloc.start()
    with pytest.raises(UnreadableError, match="not a text file of JSON lines"):
        list(read_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_rows_after_an_endless_binary_line_land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_rows, "MAX_LINE", 2**10)
    lines = [b"\xff" * 2500, b"\xff\n" + b"{" * 2500, pair(1), pair(2)]
    done = landing(tmp_path).land([jsonl(tmp_path / "in.jsonl", lines)], "demo")
    assert (done.read, done.landed, done.quarantined) == (5, 2, 3)
    why = reasons(tmp_path)
    assert [why[1], why[2], why[3]] == [
        "a line of over 1024 characters; its beginning is kept",
        "undecodable text: not UTF-8",
        "a line of over 1024 characters; its beginning is kept",
    ]
