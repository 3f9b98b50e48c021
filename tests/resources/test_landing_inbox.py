"""Files are fetched from anywhere that fsspec reaches, each once, and under names that stay in their folder."""

from pathlib import Path

import fsspec
import pytest
from landing_fakes import fetch_all, jsonl, landing, pair

from resources.landing.inbox import datasets_in, fetch
from ser.errors import SerError


@pytest.fixture
def remote() -> fsspec.AbstractFileSystem:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    return files


def put(remote: fsspec.AbstractFileSystem, name: str, tmp_path: Path, *numbers: int) -> None:
    remote.pipe(f"/inbox/{name}", jsonl(tmp_path / "x.jsonl", [pair(number) for number in numbers]).read_bytes())


def test_each_file_is_fetched_once_and_again_when_it_was_replaced(
    tmp_path: Path, remote: fsspec.AbstractFileSystem
) -> None:
    put(remote, "demo/a.jsonl", tmp_path, 1, 2)
    put(remote, "other/b.jsonl", tmp_path, 3)
    zone = landing(tmp_path)
    assert len(fetch_all("memory://inbox", tmp_path)) == 2
    assert fetch_all("memory://inbox", tmp_path) == []
    assert [zone.land_waiting(name).landed for name in ("demo", "other")] == [2, 1]
    put(remote, "demo/a.jsonl", tmp_path, 1, 2, 4)
    [copy] = fetch_all("memory://inbox", tmp_path)
    assert copy.name.endswith("-a.jsonl")
    done = zone.land_waiting("demo")
    assert (done.landed, done.labels_added) == (3, 2)


def test_unfinished_files_and_folders_that_are_no_dataset_stay_there(
    tmp_path: Path, remote: fsspec.AbstractFileSystem
) -> None:
    for name in ("demo/.a.jsonl", "demo/a.jsonl.tmp", "No Name/a.jsonl", ".hidden/a.jsonl", "loose.jsonl"):
        put(remote, name, tmp_path, 1)
    put(remote, "demo/sub/a.jsonl", tmp_path, 1)
    told: list[str] = []
    assert fetch_all("memory://inbox", tmp_path, told.append) == []
    assert landing(tmp_path).folders() == ["demo"]
    assert sorted(told) == [
        "No Name: No Name cannot be the name of a dataset; rename it",
        "demo/sub: a folder in a dataset's folder is not looked into; put its files beside it",
        "loose.jsonl: put it into a dataset's folder",
    ]


def test_many_things_in_wrong_places_are_counted(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    for number in range(15):
        put(remote, f"{number}.jsonl", tmp_path, 1)
    told: list[str] = []
    fetch_all("memory://inbox", tmp_path, told.append)
    assert (len(told), told[-1]) == (11, "and 5 more in wrong places")


def test_strange_names_stay_in_their_folder_and_land(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    names = ["x" * 300 + ".jsonl", "a\0b.jsonl", "c\\..\\..\\c.jsonl", "ünï\ncode.jsonl"]
    for number, name in enumerate(names):
        put(remote, f"demo/{name}", tmp_path, number)
    copies = fetch_all("memory://inbox", tmp_path)
    assert {copy.parent for copy in copies} == {tmp_path / "landing" / "demo"}
    assert landing(tmp_path).land_waiting("demo").landed == 4


def test_a_copy_that_was_cut_off_is_made_again(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    put(remote, "demo/a.jsonl", tmp_path, 1)
    [copy] = fetch_all("memory://inbox", tmp_path)
    whole = copy.read_bytes()
    copy.unlink()
    (copy.parent / f".{copy.name}.tmp").write_bytes(whole[:9])
    assert fetch_all("memory://inbox", tmp_path) == [copy]
    assert copy.read_bytes() == whole
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_folder_that_cannot_be_fetched_keeps_no_other_here_from_coming(
    tmp_path: Path, remote: fsspec.AbstractFileSystem
) -> None:
    for name in ("a", "b", "c"):
        put(remote, f"{name}/a.jsonl", tmp_path, 1)
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "b").write_text("no folder")
    with pytest.raises(SerError, match=r"the inbox .*/b cannot be read, or not all of it: FileExistsError"):
        fetch("memory://inbox", tmp_path, "b")
    assert [len(fetch("memory://inbox", tmp_path, name)) for name in ("a", "c")] == [1, 1]


@pytest.mark.parametrize("uri", ["memory://nowhere", "nonsense://x", "file:///no/such/folder"])
def test_an_inbox_that_is_not_there_is_named(tmp_path: Path, remote: fsspec.AbstractFileSystem, uri: str) -> None:
    with pytest.raises(SerError, match=r"the inbox .* cannot be read.*automation\.inbox"):
        datasets_in(uri)
