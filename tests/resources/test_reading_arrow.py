"""Parquet and arrow files: every type arrives as plain Python, damage is found, and nothing is trusted."""

import datetime
import decimal
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading_fakes import read, zstd

from resources.landing.files import UnreadableError


def as_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def as_file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def as_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


Writer = Callable[[pa.Table, Path], None]
WRITERS: dict[str, Writer] = {"in.parquet": as_parquet, "in.arrow": as_stream, "file.arrow": as_file}

MESSAGES = [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]
COLUMNS: dict[str, tuple[pa.Array, Any]] = {
    "struct": (pa.array([{"a": 1, "b": {"c": ["x"]}}]), {"a": 1, "b": {"c": ["x"]}}),
    "messages": (pa.array([MESSAGES]), MESSAGES),
    "map": (pa.array([[("k", 1), ("l", 2)]], pa.map_(pa.string(), pa.int64())), {"k": 1, "l": 2}),
    "numbered map": (pa.array([[(1, b"x")]], pa.map_(pa.int64(), pa.binary())), {"1": "x"}),
    "dictionary": (pa.array(["x"]).dictionary_encode(), "x"),
    "categories": (pa.Array.from_pandas(pd.Series(["x"], dtype="category")), "x"),
    "large": (pa.array(["é"], pa.large_string()), "é"),
    "view": (pa.array(["x"], pa.string_view()), "x"),
    "bytes": (pa.array([b"caf\xc3\xa9"]), "café"),
    "nested bytes": (pa.array([[{"x": b"y"}]]), [{"x": "y"}]),
    "fixed list": (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), [1, 2]),
    "large list": (pa.array([["x"]], pa.large_list(pa.string())), ["x"]),
    "date": (pa.array([datetime.date(2026, 1, 2)]), "2026-01-02"),
    "decimal": (pa.array([decimal.Decimal("1.50")]), "1.50"),
    "null": (pa.nulls(1), None),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_type_arrives_as_plain_python(tmp_path: Path, name: str) -> None:
    WRITERS[name](pa.table({column: array for column, (array, _) in COLUMNS.items()}), tmp_path / name)
    found = read(tmp_path / name)
    assert found.fields == [{column: value for column, (_, value) in COLUMNS.items()}]
    assert found.told == [] and found.lines == [1]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("ending", [".gz", ".zst", ".json"])
def test_compressed_and_under_a_wrong_name(tmp_path: Path, name: str, ending: str) -> None:
    rows = [{"prompt": f"q{number}", "n": number} for number in range(3000)]
    WRITERS[name](pa.Table.from_pylist(rows), tmp_path / name)
    found = read(tmp_path / (name + ending), (tmp_path / name).read_bytes())
    assert found.fields == rows and found.lines == list(range(1, 3001))
    kind = "parquet" if "parquet" in name else "arrow"
    assert found.told == ([f"a {kind} file, in spite of its name"] if ending == ".json" else [])


def test_what_pandas_and_numpy_write(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"prompt": ["q", "r"], "chosen": [np.array(["a", "b"]), np.array([], object)], "n": np.int8([1, 2])}
    )
    frame.index = pd.Index(["x", "y"])
    frame.to_parquet(tmp_path / "in.parquet")
    assert read(tmp_path / "in.parquet").fields == [
        {"prompt": "q", "chosen": ["a", "b"], "n": 1},
        {"prompt": "r", "chosen": [], "n": 2},
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_text_that_is_none_costs_its_row(tmp_path: Path, name: str) -> None:
    for kind in (pa.string(), pa.large_string()):
        buffers = pa.array([b"fine", b"caf\xe9"], pa.binary() if kind == pa.string() else pa.large_binary()).buffers()
        WRITERS[name](pa.table({"prompt": pa.Array.from_buffers(kind, 2, buffers)}), tmp_path / name)
        assert read(tmp_path / name).reasons == [None, "undecodable text: not UTF-8"]


def test_offsets_that_lead_out_of_the_file_are_found(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.list_(pa.int32())):
        as_stream(
            pa.table({"prompt": pa.array(["fine", "AAAA"] if kind == pa.string() else [[1] * 4] * 2, kind)}),
            tmp_path / "in.arrow",
        )
        offsets, wrong = (np.array([0, 4, last], np.int32).tobytes() for last in (8, 2**30))
        data = (tmp_path / "in.arrow").read_bytes()
        assert data.count(offsets) == 1
        with pytest.raises(UnreadableError, match="cannot be read"):
            read(tmp_path / "in.arrow", data.replace(offsets, wrong))


def test_an_impossible_size_of_a_compressed_column_is_found(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["x" * 10_000]})
    with pa.ipc.new_stream(
        tmp_path / "in.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as to:
        to.write_table(table)
    said, impossible = (np.array([size], np.int64).tobytes() for size in (10_000, 2**60))
    data = (tmp_path / "in.arrow").read_bytes()
    place = data.rindex(said)
    with pytest.raises(UnreadableError, match=r"damaged, or larger than the .* of memory"):
        read(tmp_path / "in.arrow", data[:place] + impossible + data[place + 8 :])


def test_a_stream_that_is_cut_off(tmp_path: Path) -> None:
    as_stream(pa.table({"prompt": ["q"] * 9}), tmp_path / "in.arrow")
    data = (tmp_path / "in.arrow").read_bytes()
    assert read(tmp_path / "in.arrow", data[:-8]).told == ["without an end mark: the file may be cut off"]
    with pytest.raises(UnreadableError, match="cannot be read"):
        read(tmp_path / "in.arrow", data[:-20])


@pytest.mark.parametrize("name", WRITERS)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    WRITERS[name](pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]), tmp_path / name)
    with pytest.raises(UnreadableError, match="two columns have the same name: x"):
        read(tmp_path / name)


def test_no_copy_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    as_parquet(pa.table({"prompt": ["q"]}), tmp_path / "in.parquet")
    data = (tmp_path / "in.parquet").read_bytes()
    (tmp_path / "in.parquet.zst").write_bytes(zstd(data))
    assert read(tmp_path / "in.parquet.zst").fields == [{"prompt": "q"}]
    with pytest.raises(UnreadableError):
        read(tmp_path / "cut.parquet.gz", data[:-9])
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_full_disk_is_not_the_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_parquet(pa.table({"prompt": ["q"]}), tmp_path / "in.parquet")
    data = (tmp_path / "in.parquet").read_bytes()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda buffering: io.FileIO("/dev/full", "r+"))
    with pytest.raises(OSError, match=r"No space left on device in /\S+, where it is decompressed"):
        read(tmp_path / "in.parquet.gz", data)
