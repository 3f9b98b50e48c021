"""What is checked is what is read: files that turn into links, pipes and devices, and files that are written to."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import fetch_all, files_in, jsonl, landing, pair, quarantined

from resources.landing.files import read_opened
from resources.landing.folders import NotAllLandedError
from resources.landing.ignored_files import misplaced
from resources.landing.opened import NamedFile, OpenedFile
from ser.errors import SerError

SECRET = "the password is swordfish"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file, and a folder with it, that nobody put into the landing folder."""
    return jsonl(tmp_path / "outside" / "a.jsonl", [pair(99), SECRET])


@contextmanager
def going_on(action: Callable[[], object]) -> Iterator[None]:
    """Do something again and again beside the block."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def swap(one: Path, other: Path) -> None:
    """Let two names change places by way of a third."""
    third = one.with_name(".third")
    one.rename(third)
    other.rename(one)
    third.rename(other)


def test_a_file_that_turns_into_a_link_and_back_is_never_followed(tmp_path: Path, secret: Path) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    jsonl(folder / "a.jsonl", [pair(1)])
    (folder / ".link").symlink_to(secret)
    with going_on(lambda: swap(folder / "a.jsonl", folder / ".link")):
        for number in range(4):
            jsonl(folder / f"{number}.jsonl", [pair(number)])
            with suppress(NotAllLandedError):
                zone.land_waiting("demo")
    assert SECRET.encode() not in b"".join(files_in(tmp_path / "quarantine").values())
    assert zone.counts("demo")["pairs"] == 4


def test_a_folder_that_turns_into_a_link_while_it_lands_is_not_followed(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    jsonl(folder / "a.jsonl", [pair(1)])
    true_open = os.open

    def swapped(path: Any, flags: int, *more: Any, **where: Any) -> int:
        if path == "a.jsonl" and not folder.is_symlink():
            folder.rename(tmp_path / "landing" / ".aside")
            folder.symlink_to(secret.parent)
        return true_open(path, flags, *more, **where)

    monkeypatch.setattr(os, "open", swapped)
    with suppress(SerError, OSError):
        zone.land_waiting("demo")
    assert [path.name for path in secret.parent.iterdir()] == ["a.jsonl"]
    assert not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize("way", ["rows", "digest"])
def test_a_file_that_is_written_to_while_it_is_read_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    zone, path = landing(tmp_path), tmp_path / "landing" / "demo" / "a.jsonl"
    jsonl(path, [pair(1), pair(2)])
    jsonl(path.with_name("b.jsonl"), [pair(3), "bad"])
    true_digest = OpenedFile.digest

    def overwritten(file: OpenedFile) -> str:
        digest = true_digest(file)
        if file.name == "a.jsonl":
            with path.open("r+b") as target:  # as many bytes, perhaps within one tick of the clock
                target.write(path.read_bytes().replace(b"good", b"evil"))
        return digest

    with monkeypatch.context() as patched:
        patched.setattr(OpenedFile, "digest", overwritten)
        if way == "digest":
            with pytest.raises(SerError, match=r"a\.jsonl cannot be read: it changed while it was read\. Nothing has"):
                zone.land([path], "demo")
            assert zone.datasets() == []
            return
        with pytest.raises(NotAllLandedError, match=r"'a\.jsonl' cannot be read \(it changed while it was read\)"):
            zone.land_waiting("demo")
    assert zone.counts("demo")["pairs"] == 1
    done = zone.land_waiting("demo")
    assert done
    assert (done.read, done.landed) == (2, 2)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (make_pipe, r"a named pipe \(FIFO\), not a file"),
    "socket": (make_socket, "a socket, not a file"),
    "link to a pipe": (lambda path: (make_pipe(path.with_name(".p")), path.symlink_to(".p")), "not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
    "process": (lambda path: path.symlink_to("/proc/self/environ"), "made up by the operating system, not a file"),
    "nowhere": (lambda path: path.symlink_to("gone"), "No such file"),
    "round": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "folder": (lambda path: path.mkdir(), "is a directory"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_at_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    make, reason = ODD[kind]
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    jsonl(folder / "a.jsonl", [pair(1)])
    make(folder / "odd.jsonl")
    with pytest.raises(SerError, match=reason) as error:
        zone.land([folder / "odd.jsonl"], "demo")
    assert len(str(error.value).splitlines()) <= 2
    done = zone.land_waiting("demo")
    assert done
    assert done.landed == 1
    said = [*misplaced(tmp_path), *(row["file"] for row in quarantined(tmp_path))]
    assert any("odd.jsonl" in line for line in said) or kind == "folder"


def test_a_link_in_the_store_itself_is_refused(tmp_path: Path, secret: Path) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    jsonl(folder / "a.jsonl", [pair(1)])
    before = files_in(secret.parent)
    for name in ("staging", "parts", "snapshots", "current", "files.jsonl"):
        (folder / ".landed").mkdir(exist_ok=True)
        (folder / ".landed" / name).symlink_to(secret.parent)
        with pytest.raises(SerError, match=rf"{name} is a link, which ser has not made, and is not used") as error:
            zone.land_waiting("demo")
        assert len(str(error.value).splitlines()) == 2
        (folder / ".landed" / name).unlink()
    for name in ("current", "files.jsonl", "lock"):
        (folder / ".landed" / "lock").unlink(missing_ok=True)
        make_pipe(folder / ".landed" / name)
        assert zone.datasets() == (["demo"] if name == "current" else [])
        with pytest.raises(SerError, match=rf"{name} is a named pipe \(FIFO\), which ser has not made"):
            zone.land_waiting("demo")
        (folder / ".landed" / name).unlink()
    (folder / ".landed" / "lock").unlink(missing_ok=True)
    (folder / ".landed").rmdir()
    (folder / ".landed").symlink_to(secret.parent)
    with pytest.raises(SerError, match="landed is a link"):
        zone.land_waiting("demo")
    assert files_in(secret.parent) == before


def test_what_is_fetched_goes_through_no_link(tmp_path: Path, secret: Path) -> None:
    away, folder = tmp_path / "away" / "demo", tmp_path / "landing" / "demo"
    jsonl(away / "a.jsonl", [pair(1)])
    (away / "link.jsonl").symlink_to(secret)
    make_pipe(away / "pipe.jsonl")
    told: list[str] = []
    [copy] = fetch_all(f"file://{away.parent}", tmp_path, told.append)
    assert sorted(told) == [
        "demo/link.jsonl: a link is not followed; put the file itself there",
        "demo/pipe.jsonl: not a file",
    ]
    copy.unlink()
    before = secret.read_bytes()
    (folder / f".{copy.name}.tmp").symlink_to(secret)
    assert fetch_all(f"file://{away.parent}", tmp_path) == [copy]
    assert secret.read_bytes() == before
    assert copy.read_bytes() == (away / "a.jsonl").read_bytes()


def test_several_streams_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [pair(number) for number in range(9)])
    with NamedFile(path).open() as file, file.open() as first, file.open() as second:
        assert first.read(5) == second.read(5) == path.read_bytes()[:5]
        assert len(list(read_opened(file))) == 9
        second.seek(-5, os.SEEK_END)
        assert (second.read(), first.read(3)) == (path.read_bytes()[-5:], path.read_bytes()[5:8])
        path.write_bytes(b"")
        assert first.seek(0) == 0


@pytest.mark.parametrize("target", ["outside/a.jsonl", "saved/kept", "hub/blobs/0f"])
def test_a_saved_dataset_links_to_its_own_files_only(tmp_path: Path, secret: Path, target: str) -> None:
    folder = tmp_path / ("hub/snapshots/c0ffee" if target.startswith("hub") else "saved")
    folder.mkdir(parents=True)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data.jsonl"}]}')
    if not target.startswith("outside"):
        jsonl(tmp_path / target, [pair(1)])
    (folder / "data.jsonl").symlink_to(tmp_path / target)
    zone = landing(tmp_path / "root")
    if target.startswith("outside"):
        with pytest.raises(SerError, match=rf"data\.jsonl is a link out of the saved dataset, to {secret}") as error:
            zone.land([folder], "demo")
        assert len(str(error.value).splitlines()) == 2
    else:
        assert zone.land([folder], "demo").landed == 1


def test_the_description_of_a_saved_dataset_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    jsonl(tmp_path / "saved" / "dataset_dict.json", ["{}"]).rename(tmp_path / "saved" / "state.json")
    make_pipe(tmp_path / "saved" / "dataset_dict.json")
    with pytest.raises(SerError, match="incomplete saved dataset"):
        landing(tmp_path / "root").land([tmp_path / "saved"], "demo")


def test_a_file_of_a_saved_dataset_that_turns_into_a_link_is_not_followed(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, root = tmp_path / "saved", tmp_path / "root"
    folder.mkdir()
    (folder / "state.json").write_text('{"_data_files": [{"filename": "a.jsonl"}, {"filename": "b.jsonl"}]}')
    for name in "ab":
        jsonl(folder / f"{name}.jsonl", [pair(1)])
    true_open = os.open

    def swapped(path: Any, flags: int, *more: Any, **where: Any) -> int:
        if path == folder / "b.jsonl" and next(opened) == 1:  # the first time it is looked whether it can be
            path.unlink()
            path.symlink_to(secret)
        return true_open(path, flags, *more, **where)

    opened = count()
    monkeypatch.setattr("os.open", swapped)
    with pytest.raises(
        SerError, match=r"b\.jsonl cannot be read: a link out of the saved dataset\. Nothing has landed"
    ):
        landing(root).land([folder], "demo")
    assert SECRET.encode() not in b"".join(files_in(root).values())


def test_a_file_of_the_inbox_that_cannot_be_read_keeps_no_other_out(tmp_path: Path) -> None:
    away = tmp_path / "away" / "demo"
    jsonl(away / "z.jsonl", [pair(1)])
    with jsonl(away / "a.jsonl", []).open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "away" / "linked").symlink_to(away)
    told: list[str] = []
    [copy] = fetch_all(f"file://{away.parent}", tmp_path, told.append)
    assert copy.name.endswith("z.jsonl")
    assert told == [
        "linked: a link is not followed; put the file itself there",
        "demo/a.jsonl: a sparse file, of whose 1,099,511,627,776 bytes nearly all are holes",
    ]
