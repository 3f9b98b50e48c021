"""What a file is: its name, its first bytes, and clear words for what is no data at all."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from reading_fakes import read, written, zstd

from resources.landing.files import FORMATS, UnreadableError, accepted, files_of, read_rows
from ser.errors import SerError

LINE = b'{"prompt": "q"}\n'
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(UnreadableError) as error:
        list(read_rows(path))
    return str(error.value)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet", "x.arrow", "x.json.gz", "x.parquet.zst"])
def test_what_is_no_data_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert refusal(path, POINTER) == "a Git LFS pointer, not the data: run git lfs pull"
    assert refusal(path, b"\n <!DOCTYPE html><html>").startswith("a web page (HTML or XML), not the data")
    assert refusal(path, b'<?xml version="1.0"?><Error>').startswith("a web page (HTML or XML), not the data")
    assert refusal(path, b"%PDF-1.7 ...") == "a PDF document, not data"
    assert refusal(path, b"SQLite format 3\0...").startswith("an SQLite database")
    assert refusal(path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1").startswith("an old Excel workbook")
    assert refusal(path, b"\xfd7zXZ\0 ...").startswith("compressed with xz")
    assert refusal(path, gzip.compress(gzip.compress(LINE))) == "compressed twice: decompress it once"
    assert refusal(path, zstd(gzip.compress(LINE))) == "compressed twice: decompress it once"


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.xlsx", "x.zip"])
def test_workbooks_and_archives(tmp_path: Path, name: str) -> None:
    for entry, words in (("[Content_Types].xml", "an Excel workbook: save it as CSV"),
                         ("train.jsonl", "a zip archive: unpack it first")):  # fmt: skip
        with zipfile.ZipFile(tmp_path / "made", "w") as archive:
            archive.writestr(entry, "x")
        assert refusal(tmp_path / name, (tmp_path / "made").read_bytes()) == words


def test_text_that_is_no_json(tmp_path: Path) -> None:
    for content in ("prompt,chosen\nq,y\n", "# Title\n\nSome text\n", '"{}"\n', "Entry not found"):
        words = "not JSON: no line near the beginning starts with '{'"
        assert refusal(tmp_path / "x.jsonl", content.encode()) == words
    assert read(tmp_path / "x.jsonl", "log\nlog\n" + '{"a": 1}\n').fields == [None, None, {"a": 1}]
    assert read(tmp_path / "x.jsonl", " \n\n").rows == []


def test_names(tmp_path: Path) -> None:
    words = refusal(tmp_path / "README.md", b"# Data\n")
    assert words == (
        "unknown kind of file; accepted are .json, .jsonl, .ndjson, .csv, .tsv, .parquet, .arrow, "
        "each also as .gz or .zst"
    )
    assert all(accepted(f"a.b{ending.upper()}{more}") for ending in FORMATS for more in ("", ".gz", ".ZST"))
    assert not any(map(accepted, ["a.gz", "a.txt", "jsonl", "a.jsonl.bz2", "a.jsonl.gz.gz", "a.parquet.tmp"]))


@pytest.mark.parametrize(("ending", "method"), [(".gz", "gzip"), (".zst", "zstd")])
def test_what_is_not_compressed_as_its_name_says(tmp_path: Path, ending: str, method: str) -> None:
    assert refusal(tmp_path / f"x.jsonl{ending}", LINE) == f"not compressed with {method}, although its name says so"
    other = {"gzip": zstd, "zstd": gzip.compress}[method](LINE)
    (tmp_path / f"x.jsonl{ending}").write_bytes(other)
    assert len(read(tmp_path / f"x.jsonl{ending}").told) == 1
    (tmp_path / "x.csv").write_bytes(gzip.compress(b"prompt\nq\n"))
    assert read(tmp_path / "x.csv").told == ["compressed with gzip, in spite of its name"]
    assert read(tmp_path / "x.csv").fields == [{"prompt": "q"}]


def test_several_members_or_frames_one_after_the_other(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    for name, data in {
        "x.jsonl.gz": gzip.compress(LINE) + gzip.compress(LINE * 2) + bytes(100),
        "x.jsonl.zst": skippable + zstd(LINE) + skippable + zstd(LINE * 2),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name).fields == [{"prompt": "q"}] * 3


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_files_that_are_cut_or_damaged(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"x.jsonl{ending}", LINE * 99)
    data = path.read_bytes()
    assert refusal(path, data[:-3]).startswith("cannot be read: ")
    assert refusal(path, data + b"junk").startswith("cannot be read: ")
    assert read(written(tmp_path / f"empty.csv{ending}", b"")).rows == []


def saved(folder: Path, *names: str, listed: object = None) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    state = {"_data_files": [{"filename": name} for name in names] if listed is None else listed, "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def test_a_saved_dataset_is_its_files(tmp_path: Path) -> None:
    names = [f"data-0000{number}-of-00002.arrow" for number in range(2)]
    folder = saved(tmp_path / "set", *names)
    assert [file.path for file in files_of(folder)] == [folder / name for name in names]
    assert [file.path for file in files_of(folder / names[0])] == [folder / names[0]]
    assert [file.path for file in files_of(tmp_path / "nothing.csv")] == [tmp_path / "nothing.csv"]


def test_folders_that_cannot_land_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    folders = {
        tmp_path / "plain": f"{tmp_path}/plain is a directory. Name the files in it: {tmp_path}/plain/*.jsonl",
        tmp_path / "splits": f"{tmp_path}/splits holds the splits train, test.\nLand them one at a time: "
        f"`ser land {tmp_path}/splits/train …` and `ser land {tmp_path}/splits/test --role test …`",
        saved(tmp_path / "lost", listed=[{"filename": "a.arrow"}]): "without a.arrow",
        saved(tmp_path / "away", listed=[{"filename": "../a.arrow"}, {"filename": ".."}, 3]): "without data files",
        saved(tmp_path / "odd", listed="x"): "without data files",
    }
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "state.json").write_text("{")
    folders[tmp_path / "broken"] = "state.json cannot be read"
    for folder, words in folders.items():
        with pytest.raises(SerError) as error:
            files_of(folder)
        assert words in str(error.value)
