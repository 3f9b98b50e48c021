"""What the operating system and the libraries that store things say is told in two lines; a fault of ours is not."""

import builtins
import errno
import io
import os
import pkgutil
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlalchemy

from ser_dagster.cli import main
from ser_dagster.dagster_instance import instance
from ser_dagster.foreign_errors import recorded_in_two_lines
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

FOREIGN = (OSError, MemoryError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError, duckdb.Error, pa.ArrowException)
PLACE = "name another place: SER_DATA for all data, DAGSTER_HOME for Dagster's."


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What stands on standard error, without the `ser: ` before it."""
    said = capsys.readouterr().err
    assert "Traceback" not in said and said.startswith("ser: ")
    return said.removeprefix("ser: ").splitlines()


def in_a_file(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "file" / "below").mkdir()


def in_a_circle(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "link")
    (folder / "link").read_text()


def read_only(folder: Path) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder / "x"))


def forbidden(folder: Path) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder / "x"))


def over_a_folder(folder: Path) -> None:
    (folder / "target").mkdir()
    (folder / "file").touch()
    (folder / "file").replace(folder / "target")


def sqlite_read_only(folder: Path) -> None:
    sqlite3.connect(folder / "a.db").executescript("CREATE TABLE t (a)").close()
    sqlite3.connect(f"file:{folder / 'a.db'}?mode=ro", uri=True).execute("INSERT INTO t VALUES (1)")


def sqlalchemy_on_no_database(folder: Path) -> None:
    (folder / "runs.db").write_bytes(b"garbage" * 300)
    with sqlalchemy.create_engine(f"sqlite:///{folder / 'runs.db'}").connect() as connection:
        connection.execute(sqlalchemy.text("SELECT :secret FROM runs"), {"secret": "value"})


def sqlite_locked(folder: Path) -> None:
    sqlite3.connect(folder / "a.db").execute("CREATE TABLE t (a)").connection.execute("BEGIN EXCLUSIVE")
    sqlite3.connect(folder / "a.db", timeout=0).execute("SELECT * FROM t")


def duckdb_without_memory(folder: Path) -> None:
    with duckdb.connect(config={"memory_limit": "1MB", "max_temp_directory_size": "0B"}) as connection:
        connection.execute("SELECT list(range) FROM range(10000000)")


@pytest.mark.parametrize(
    ("fail", "first", "second"),
    [
        (in_a_file, "{folder}/file/below cannot be used: a file lies where a folder belongs.", PLACE),
        (in_a_circle, "{folder}/link cannot be used: its links lead in a circle.", PLACE),
        (read_only, "{folder}/x cannot be written to: the file system is read-only.", PLACE),
        (forbidden, "{folder}/x cannot be read or written: permission denied.", PLACE),
        (over_a_folder, "{folder}/target cannot be used: a folder lies where a file belongs.", PLACE),
        (lambda folder: (folder / ("x" * 300)).touch(), "cannot be used: its name is too long.", PLACE),
        (lambda folder: os.close(123456), "the operating system says: Bad file descriptor.", "--debug"),
        (sqlite_read_only, "Dagster's storage ({home}): attempt to write a readonly database", PLACE),
        (sqlalchemy_on_no_database, "Dagster's storage ({home}): file is not a database", "Move the folder away"),
        (sqlite_locked, "Dagster's storage ({home}): database is locked", "Another process holds it"),
        (duckdb_without_memory, "DuckDB has not enough memory: ", "Free some"),
        (lambda folder: duckdb.sql("SELECT CAST('x' AS INT)").fetchall(), "DuckDB: Conversion Error: ", "--debug"),
        (lambda folder: duckdb.connect(folder / "no" / "a.duckdb"), "DuckDB: IO Error: Cannot open file", "--rebuild"),
        (lambda folder: pa.ipc.open_file(b"no table"), "a table cannot be read or written: ", "--debug"),
        (lambda folder: bytearray(2**62), "there is not enough memory", "Free some"),
    ],
)  # fmt: skip
def test_each_is_told_by_what_it_concerns_and_what_to_do(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    fail: Callable[[Path], object], first: str, second: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(pkgutil, "resolve_name", lambda name: lambda parsed: fail(tmp_path))
    assert main(["status"]) == 1
    lines = told(capsys)
    assert len(lines) == 2 and second in lines[1]
    assert first.format(folder=tmp_path, home=data_root / "dagster") in lines[0]
    with pytest.raises(FOREIGN):
        main(["status", "--debug"])
    monkeypatch.delenv("SER_DEBUG")


@pytest.mark.parametrize("fault", [KeyError("a"), TypeError("b"), AssertionError("c"), RuntimeError("d")])
def test_a_fault_of_ours_is_raised(data_root: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def fail(parsed: Any) -> None:
        raise fault

    monkeypatch.setattr(pkgutil, "resolve_name", lambda name: fail)
    with pytest.raises(type(fault)) as raised:
        main(["status"])
    assert raised.value is fault


def as_a_file(root: Path) -> Path:
    root.write_text("no folder")
    return root


def as_a_circle(root: Path) -> Path:
    root.symlink_to(root)
    return root


def below_a_file(root: Path) -> Path:
    return as_a_file(root) / "below"


@pytest.mark.parametrize("make", [as_a_file, as_a_circle, below_a_file, lambda root: root.parent / ("x" * 300)])
@pytest.mark.parametrize("line", ["status", "audit loops", "quarantine", "run", "prune --keep 1", "forget tiny", "ui"])
def test_a_data_root_that_can_be_no_folder_is_named(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], Path], line: str,
) -> None:  # fmt: skip
    place = make(data_root)
    monkeypatch.setenv("SER_DATA", str(place))
    assert main(line.split()) == 1
    lines = told(capsys)
    assert lines[0].startswith(f"the data root {place} cannot be read: ") and len(lines) == 2 and "SER_DATA" in lines[1]


def opens_for_writing(mode: object = "r", *_: object) -> bool:
    """Whether a mode of `open`, or flags of `os.open`, write."""
    flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return bool(mode & flags) if isinstance(mode, int) else bool(set(str(mode)) & set("wax+"))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """A data root with a dataset, and with Dagster's databases."""
    folder = tmp_path_factory.mktemp("landed")
    with chain.project(folder, "", tiny_backbone) as (root, _), instance():
        chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(20)))
    return root


@pytest.fixture
def frozen(landed: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it on a file system that has become read-only: modes would not stop root."""
    shutil.copytree(landed, data_root)
    write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(20))

    def refuse(module: object, name: str, writes: Callable[..., bool] = lambda *rest: True) -> None:
        real = getattr(module, name)

        def call(path: Any, *rest: Any, **more: Any) -> Any:
            if str(path).startswith(str(data_root)) and writes(*rest):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return real(path, *rest, **more)

        monkeypatch.setattr(module, name, call)

    for name in ("mkdir", "replace", "rename", "unlink", "rmdir"):
        refuse(os, name)
    for module in (os, io, builtins):
        refuse(module, "open", opens_for_writing)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    return data_root


@pytest.mark.parametrize("line", ["status", "status --json", "quarantine", "land {file} --dry-run --dataset tiny"])
def test_what_reads_works_on_a_read_only_root(
    frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert main(line.format(file=tmp_path / "pairs.jsonl").split()) == 0
    assert "tiny" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["land {file} --dataset tiny", "run", "forget tiny", "ui --port 0", "demo"])
def test_what_writes_names_the_place_and_leaves_all_as_it_is(
    frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    before = sorted(path for path in frozen.rglob("*"))
    assert main(line.format(file=tmp_path / "pairs.jsonl").split()) == 1
    lines = told(capsys)
    assert len(lines) == 2 and str(frozen) in lines[0] and "cannot be written to" in lines[0] and PLACE in lines[1]
    assert sorted(path for path in frozen.rglob("*")) == before


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "OSError: [Errno 30] Read-only file system: '/data/heads/.owner'\n",
            f"/data/heads/.owner cannot be written to: the file system is read-only.\nGet the right to, or {PLACE}",
        ),
        (
            "IsADirectoryError: [Errno 21] Is a directory: '/data/a' -> '/data/b'\n",
            f"/data/b cannot be used: a folder lies where a file belongs.\nMove it away, or {PLACE}",
        ),
        (
            "_duckdb.OutOfMemoryException: Out of Memory Error: failed to pin\n\nmore\n",
            "DuckDB has not enough memory: Out of Memory Error: failed to pin\nFree some, or end what else runs, and "
            "try again.",
        ),
        ("KeyError: 'a'\n", None),
    ],
)
def test_what_a_run_failed_of_is_told_alike(data_root: Path, message: str, words: str | None) -> None:
    assert recorded_in_two_lines(message) == words


def test_where_heads_are_hidden_nothing_seems_to_be_nobodys(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = data_root / "heads" / "tiny-0123456789ab" / "settings" / "seed_rm.json"
    weights = data_root / "artifacts" / "seed_rm" / "0123456789abcdef" / "weights"
    for path, text in ((head, '{"key": "seed_rm", "version": "0123456789abcdef"}'), (weights, "heavy")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    hidden, scan = head.parents[1], os.scandir

    def refuse(path: Any = ".") -> Any:
        if Path(path) == hidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for line in ("prune --keep 1 --yes", "status"):
        assert main(line.split()) == 1
        assert told(capsys)[0] == f"{hidden} cannot be read or written: permission denied."
    assert weights.read_text() == "heavy"
