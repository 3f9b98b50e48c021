"""A snapshot has one owner, and a dead owner owns nothing."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resources.locks import is_owned, only_writer, only_writer_of_file, own_evolution, own_snapshot, owner_of
from ser.errors import SerError


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused is refused at once."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("impatient")
def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with own_snapshot(tmp_path, "s-1", "run-1"):
        assert is_owned(tmp_path, "s-1")
        with pytest.raises(SerError, match=f"run-1 .process {os.getpid()}"), own_snapshot(tmp_path, "s-1", "run-2"):
            pytest.fail("two owners")
        with own_snapshot(tmp_path, "s-2", "run-3"):
            assert is_owned(tmp_path, "s-2")
    assert not is_owned(tmp_path, "s-1")


@pytest.mark.usefixtures("impatient")
def test_evolutions_share_their_snapshot_and_nobody_else_has_it_meanwhile(tmp_path: Path) -> None:
    with own_evolution(tmp_path, "s-1/a", "run-a"), own_evolution(tmp_path, "s-1/b", "run-b"):
        assert [owner_of(tmp_path, name) for name in ("s-1/a", "s-1/b", "s-1/c")] == ["run-a", "run-b", None]
        with pytest.raises(SerError, match="run-a"), own_snapshot(tmp_path, "s-1", "all"):
            pytest.fail("two owners")
        with pytest.raises(SerError, match="run-b"), own_evolution(tmp_path, "s-1/b", "run-c"):
            pytest.fail("two owners")
    with (
        own_snapshot(tmp_path, "s-1", "all"),
        pytest.raises(SerError, match="all"),
        own_evolution(tmp_path, "s-1/c", "run-c"),
    ):
        pytest.fail("two owners")


@pytest.mark.usefixtures("impatient")
def test_an_owner_that_reads_its_own_files_stays_the_owner(tmp_path: Path) -> None:
    """A lock of POSIX's other kind is lost when its process closes any handle of the file."""
    with own_evolution(tmp_path, "s-1/a", "run-a"):
        for path in (tmp_path / "heads").rglob(".owner"):
            path.read_bytes()
        assert owner_of(tmp_path, "s-1/a") == "run-a"
        with pytest.raises(SerError), own_snapshot(tmp_path, "s-1", "all"):
            pytest.fail("two owners")


def test_looking_whether_a_snapshot_is_owned_disturbs_nobody(tmp_path: Path) -> None:
    """Many look all the time, and everyone who wants the snapshot gets it."""
    stop = threading.Event()
    seen = []

    def looks() -> None:
        while not stop.wait(0.002):
            seen.append(is_owned(tmp_path, "s-1"))

    with own_snapshot(tmp_path, "s-1", "first"):
        pass
    watchers = [threading.Thread(target=looks) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for number in range(50):
            with own_snapshot(tmp_path, "s-1", f"run-{number}"):
                assert is_owned(tmp_path, "s-1")
        before = len(seen)
        while len(seen) < before + 20:
            time.sleep(0.01)
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
    assert not any(seen[before + 2 :])  # nobody owned it any more, and those who looked did not see each other


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from resources.locks import own_snapshot\n"
        "with own_snapshot(pathlib.Path(sys.argv[1]), 's-1', 'r'): print('mine', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "mine\n"
    assert is_owned(tmp_path, "s-1")
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    for _ in range(50):
        if not is_owned(tmp_path, "s-1"):
            break
        time.sleep(0.1)
    assert not is_owned(tmp_path, "s-1")


def test_whoever_only_looks_stops_no_owner(tmp_path: Path) -> None:
    with own_snapshot(tmp_path, "s-1", "run-1"):
        pass
    looking = (tmp_path / "heads" / "s-1" / ".owner").open("a+")
    fcntl.flock(looking, fcntl.LOCK_EX)
    threading.Timer(0.1, looking.close).start()
    with own_snapshot(tmp_path, "s-1", "run-2"):
        assert is_owned(tmp_path, "s-1")


def test_a_temporary_folder_may_go_while_another_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, true_open = tmp_path / ".v1.tmp", os.open
    vanished: list[Path] = []

    def open_after_the_other_renamed_it(path: Path, *arguments: int) -> int:
        if path == folder and not vanished:
            vanished.append(folder.rename(tmp_path / "v1"))
        return true_open(path, *arguments)

    monkeypatch.setattr(os, "open", open_after_the_other_renamed_it)
    with only_writer(folder):
        assert folder.is_dir()
        (folder / "mine").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".v1.tmp", "v1"]


def test_what_was_renamed_while_another_waited_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the finished file is no lock of the next temporary one."""
    temporary, true_open = tmp_path / ".x.tmp", os.open
    temporary.write_text("whole")
    finished: list[Path] = []

    def open_before_the_other_renames_it(path: Path, *arguments: int) -> int:
        handle = true_open(path, *arguments)
        if path == temporary and not finished:
            finished.append(temporary.rename(tmp_path / "x"))
        return handle

    monkeypatch.setattr(os, "open", open_before_the_other_renames_it)
    with only_writer_of_file(temporary):
        temporary.write_text("next")
        with temporary.open() as handle, pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert (tmp_path / "x").read_text() == "whole"
