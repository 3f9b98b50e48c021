"""A file is written whole or not at all, and what a killed process left is in nobody's way."""

import errno
import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from resources import disk
from resources.disk import file_digest, is_full, is_of_the_disk, write_text, write_whole
from ser.errors import SerError


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".head.json.tmp").write_text("half of someth")
    write_text(tmp_path / "head.json", "é")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"head.json": "é".encode()}


def test_a_digest_is_read_again_only_when_the_file_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "weights", []
    path.write_bytes(b"one")
    monkeypatch.setattr(disk, "_read_digest", lambda path: read.append(path) or hashlib.sha256(path.read_bytes()))
    fresh = file_digest(path).hexdigest()
    path.write_bytes(b"two")  # in the same tick of the clock, perhaps, and as long
    assert file_digest(path).hexdigest() == hashlib.sha256(b"two").hexdigest() != fresh
    time.sleep(0.1)
    read.clear()
    assert {file_digest(path).hexdigest() for _ in range(3)} == {hashlib.sha256(b"two").hexdigest()}
    assert len(read) == 1
    path.write_bytes(b"six")
    os.utime(path, ns=(0, 0))
    assert file_digest(path).hexdigest() == hashlib.sha256(b"six").hexdigest()


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "head.json", "old")

    def full(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "head.json", full)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("head.json", "old")]


def write_many(path: Path, letter: str) -> None:
    """What each of several processes does."""
    for _ in range(200):
        write_text(path, letter * 5000)


def test_processes_that_write_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    write_text(path, "a" * 5000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in ("a" * 5000, "b" * 5000)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [one.name for one in tmp_path.iterdir()] == ["shared"]


def test_a_full_disk_is_known_in_every_librarys_words() -> None:
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full(RuntimeError("(sqlite3.OperationalError) database or disk is full"))
    outer = RuntimeError("failed")
    outer.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert is_full(outer)
    assert not is_full(OSError(errno.EACCES, "Permission denied"))


def test_where_there_is_no_room_any_error_is_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
    assert not is_full(error, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=0))
    assert is_full(error, tmp_path)
    assert is_full(error, tmp_path / "not" / "made" / "yet")
    assert not is_full(SerError("too few labels"), tmp_path)


def test_sqlite_speaks_of_the_disk_in_words_of_its_own() -> None:
    assert is_of_the_disk(RuntimeError("(sqlite3.OperationalError) disk I/O error"))
    assert is_of_the_disk(OSError())
    assert not is_of_the_disk(RuntimeError("no such table: runs"))


REFUSED = """
import resource, signal, sys
import duckdb
from resources.disk import is_of_the_disk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with duckdb.connect(sys.argv[1]) as connection:
        connection.execute("CREATE TABLE t AS SELECT uuid() AS a FROM range(100000)")
except duckdb.Error as error:
    assert is_of_the_disk(error), error
else:
    raise AssertionError("it was written")
"""


def test_a_write_that_a_database_is_refused_is_of_the_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, str(tmp_path / "a.duckdb")], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr
