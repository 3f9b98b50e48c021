"""The database file: other processes, damage; named queries and how rows are shown."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from audit_fakes import EVOLUTION, SNAPSHOT, named, record

from resources.audit.database import AuditDatabase, query
from resources.audit.queries import check_query, find_evolution, named_queries, run_named
from resources.audit.render import render
from resources.audit.sync import matches_parquet, rebuild, sync
from resources.audit.writing import AuditBusy
from resources.settings import Settings
from ser.errors import SerError

HOLD = "import duckdb, sys; c = duckdb.connect({path!r}, read_only={mode}); print(1, flush=True); sys.stdin.read()"


@pytest.fixture
def database(tmp_path: Path) -> AuditDatabase:
    made = AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)
    sync(made, record(tmp_path))
    return made


def test_what_an_auditor_asks_is_answered(database: AuditDatabase) -> None:
    assert query(database.path, "SELECT count(*) AS n FROM pairs") == (["n"], [(16,)])
    assert query(database.path, "FROM pairs LIMIT 0")[0][:2] == ["pair_id", "dataset"]
    for sql in (
        "DESCRIBE pairs",
        "SHOW TABLES",
        "SUMMARIZE self_labels",
        "EXPLAIN SELECT 1",
        "WITH a AS (SELECT 1) FROM a",
    ):
        assert query(database.path, sql)[1]
    assert query(database.path, "SELECT $x + 1", {"x": 1})[1] == [(2,)]


def test_wrong_sql_is_explained_in_two_lines(database: AuditDatabase) -> None:
    for sql in ("SELEC 1", "SELECT checksum FROM pairs", "SELECT * FROM self_lables", "SELECT 'x'::INTEGER"):
        with pytest.raises(SerError, match=r"^SQL: ") as error:
            query(database.path, sql)
        assert len(str(error.value).splitlines()) <= 2


def test_bytes_that_are_no_characters_are_no_sql(database: AuditDatabase) -> None:
    with pytest.raises(SerError, match=r"^SQL: \"SELECT '\\udcff'\" is not UTF-8"):
        query(database.path, "SELECT '\udcff'")
    with pytest.raises(SerError, match=r"^SQL: '\\udcff' is not UTF-8"):
        query(database.path, "SELECT $x", {"x": "\udcff"})


def test_a_database_that_may_not_be_opened(database: AuditDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise duckdb.IOException(f'IO Error: Cannot open file "{database.path}": Permission denied')

    monkeypatch.setattr("resources.audit.database.connect", refuse)
    remedy = "Permission denied\nMend that, or move the file away: `ser audit --rebuild`"
    with pytest.raises(SerError, match=remedy), database.reading():
        pass


def test_without_a_database_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(SerError, match="ser run"):
        query(tmp_path / "audit.duckdb", "SELECT 1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["True", "False"])
def test_another_process_that_holds_the_file_fails_nothing(database: AuditDatabase, tmp_path: Path, mode: str) -> None:
    run, before = record(tmp_path), query(database.path, "SELECT count(*) FROM self_labels")
    code = HOLD.format(path=str(database.path), mode=mode)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        with pytest.raises(AuditBusy, match=f"process {holder.pid}"):
            sync(database, run)
        if mode == "True":
            assert query(database.path, "SELECT count(*) FROM self_labels") == before
            rebuild(database.path, [run])  # readers keep the old file
        else:
            with pytest.raises(AuditBusy):
                query(database.path, "SELECT 1", patience=0.1)
            with pytest.raises(AuditBusy):
                matches_parquet(database, run)
        holder.stdin.close()
    sync(database, run)
    assert matches_parquet(database, run) == []


def test_a_sync_waits_for_a_reader_that_leaves_in_time(database: AuditDatabase, tmp_path: Path) -> None:
    code = HOLD.format(path=str(database.path), mode="True").replace(
        "sys.stdin.read()", "__import__('time').sleep(0.5)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert sync(AuditDatabase(database.path, patience=30), record(tmp_path))["pairs"] == 16


def test_a_connection_in_this_process_is_waited_for_too(database: AuditDatabase, tmp_path: Path) -> None:
    with database.reading(), pytest.raises(AuditBusy):
        sync(database, record(tmp_path))


@pytest.mark.parametrize("damage", ["garbage", "empty", "half", "flipped"])
def test_a_damaged_file_is_named_with_its_remedy(database: AuditDatabase, tmp_path: Path, damage: str) -> None:
    whole = database.path.read_bytes()
    middle = bytearray(whole)
    for place in range(20_000, len(middle), 1000):
        middle[place] ^= 0xFF
    bad = {"garbage": b"garbage" * 999, "empty": b"", "half": whole[: len(whole) // 2], "flipped": bytes(middle)}
    database.path.write_bytes(bad[damage])
    run = record(tmp_path)
    for call in (lambda: query(database.path, "SELECT * FROM self_labels"), lambda: sync(database, run)):
        with pytest.raises(SerError, match="ser audit --rebuild"):
            call()
    rebuild(database.path, [run])
    assert matches_parquet(database, run) == []


def test_a_killed_writer_leaves_a_whole_database(database: AuditDatabase, tmp_path: Path) -> None:
    code = (
        f"import duckdb, os, signal; c = duckdb.connect({str(database.path)!r}); c.execute('BEGIN'); "
        "c.execute('DELETE FROM pairs'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    run = record(tmp_path)
    assert matches_parquet(database, run) == []
    sync(database, run)


def test_an_error_inside_a_sync_changes_nothing(database: AuditDatabase) -> None:
    with pytest.raises(RuntimeError, match="stop"), database.writing() as connection:
        connection.execute("DELETE FROM pairs")
        raise RuntimeError("stop")
    assert query(database.path, "SELECT count(*) FROM pairs")[1] == [(16,)]


def test_named_queries_answer(database: AuditDatabase) -> None:
    expected = {"loops": 3, "flips": 2, "precision": 10, "confident-mistakes": 5, "history": 2, "bias": 12}
    expected |= {"policy": 1, "controls": 6, "watch": 3, "reliability": 7, "shift": 7}
    assert set(named_queries()) == set(expected)
    for name, n in expected.items():
        columns, rows = run_named(database.path, name, EVOLUTION, pair="p5" if name == "history" else None)
        assert len(rows) == n, name
        assert columns[0] == {"controls": "control", "shift": "measure"}.get(name, "loop")
    columns, rows = run_named(database.path, "confident-mistakes", EVOLUTION)
    assert (rows[0][columns.index("pair_id")], rows[0][columns.index("confidence")]) == ("p3", 0.85)
    columns, rows = run_named(database.path, "policy", EVOLUTION)
    assert (rows[0][columns.index("win_rate")], rows[0][columns.index("judge_accuracy")]) == (0.625, 0.75)


def test_an_evolution_is_found_by_what_people_know_of_it(database: AuditDatabase, tmp_path: Path) -> None:
    def found(wanted: str | None = None, dataset: str | None = None) -> str:
        return find_evolution(database.path, wanted, dataset)

    assert found() == EVOLUTION
    seed = record(tmp_path).artifacts["seed_rm"]
    mine = named({"seed_rm": seed}, "mine-0123", "mine", name="a first try")
    mine = replace(mine, executed_at="2026-04-01T00:00:00+00:00")
    other = named({"seed_rm": seed}, settings=Settings(random_seed=3))
    for one in (mine, other):
        sync(database, one)
    assert found() == found("a first try") == found("mine-") == found("mine-0123") == mine.evolution
    assert found(dataset="sample") == max(EVOLUTION, other.evolution)
    assert found(other.settings.digest[:6]) == found(other.evolution) == other.evolution
    assert found(EVOLUTION, "sample") == EVOLUTION
    with pytest.raises(SerError, match=rf"'{SNAPSHOT}' may be 2 evolutions: .*\nThey are: .*{other.evolution}"):
        found(SNAPSHOT)
    with pytest.raises(SerError, match=rf"no evolution 'x'\.\nIt knows: {mine.evolution} \(a first try\), sample-"):
        found("x")
    with pytest.raises(SerError, match="no evolution of dataset 'nope'"):
        found(dataset="nope")


def test_unknown_names_are_explained(database: AuditDatabase) -> None:
    with pytest.raises(SerError, match=r"Did you mean loops\?\nThere are: loops, flips"):
        check_query("loop", None)
    with pytest.raises(SerError, match="--pair ID"):
        check_query("history", None)
    with pytest.raises(SerError, match='no pair "p5\' OR 1=1"'):
        run_named(database.path, "history", EVOLUTION, pair="p5' OR 1=1")
    with pytest.raises(SerError, match="role seed"):
        run_named(database.path, "history", EVOLUTION, pair="s1")


def test_json_and_csv() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    columns, rows = ["a", "at", "list"], [(float("nan"), at, ["x", "y"]), (True, None, None)]
    assert json.loads(render(columns, rows, "json")) == [
        {"a": None, "at": "2026-01-02T00:00:00+00:00", "list": ["x", "y"]},
        {"a": True, "at": None, "list": None},
    ]
    assert json.loads(render(columns, [], "json")) == []
    parsed = list(csv.reader(io.StringIO(render(columns, rows, "csv"))))
    assert parsed == [columns, ["", "2026-01-02T00:00:00+00:00", '["x", "y"]'], ["true", "", ""]]
    columns, rows = ["a", "b", "a", "a_1", "a"], [(1, 2, 3, 4, 5)]
    assert json.loads(render(columns, rows, "json")) == [{"a": 1, "b": 2, "a_2": 3, "a_1": 4, "a_3": 5}]
    assert render(columns, rows, "csv") == "a,b,a_2,a_1,a_3\n1,2,3,4,5\n"
    assert render(columns, rows).split()[:5] == ["a", "b", "a_2", "a_1", "a_3"]
    with pytest.raises(SerError, match="table, csv, json"):
        render(columns, rows, "xml")


def test_what_killed_processes_left_beside_the_file_goes(tmp_path: Path) -> None:
    folder = tmp_path / ".audit.duckdb.tmp"
    (folder / "audit.duckdb.tmp").mkdir(parents=True)
    (folder / "audit.duckdb").write_bytes(b"half a database")
    (folder / "audit.duckdb.wal").write_bytes(b"half a log")
    run = record(tmp_path)
    database = AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)
    sync(database, run)
    assert not folder.exists()
    folder.mkdir()
    (folder / "audit.duckdb").write_bytes(b"half a database")
    rebuild(database.path, [run])
    assert not folder.exists()
    assert matches_parquet(database, run) == []


def test_the_log_of_a_deleted_file_is_not_replayed_into_a_new_one(tmp_path: Path) -> None:
    run, database = record(tmp_path), AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)
    sync(database, run)
    code = (
        f"import duckdb, os, signal; c = duckdb.connect({str(database.path)!r}); "
        "c.execute('CREATE TABLE zombie AS SELECT 1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert database.path.with_name("audit.duckdb.wal").stat().st_size > 0
    database.path.unlink()
    sync(database, run)
    assert matches_parquet(database, run) == []
    with pytest.raises(SerError, match="zombie"):
        query(database.path, "FROM zombie")
