"""The sandbox of the audit: SQL reads the tables and nothing else, also where the file itself is somebody's trick."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import duckdb
import pytest
from audit_fakes import EVOLUTION, record

from resources.audit import sandbox
from resources.audit.comparison import compare_evolutions
from resources.audit.database import AuditDatabase, query
from resources.audit.queries import audited_evolutions, find_evolution, run_named
from resources.audit.sandbox import memory_limit
from resources.audit.sync import matches_parquet, rebuild, sync
from resources.reporting.index import render_index
from resources.reporting.report_data import gather
from ser.errors import SerError

REFUSED = [
    "COPY pairs TO '{out}'", "COPY (SELECT 1) TO '{out}' (FORMAT parquet)", "COPY pairs FROM '/etc/passwd'",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM read_parquet('{out}')", "SELECT * FROM glob('/*')",
    "SELECT * FROM read_json('/etc/hosts')", "SELECT * FROM sniff_csv('/etc/passwd')",
    "ATTACH '{out}' AS other", "ATTACH ':memory:' AS other", "DETACH audit", "USE audit",
    "INSTALL httpfs", "LOAD httpfs", "LOAD json", "FORCE INSTALL httpfs",
    "SET threads = 1", "SET enable_external_access = true", "RESET threads", "SET VARIABLE x = 1",
    "PRAGMA threads = 1", "PRAGMA database_list", "PRAGMA enable_profiling", "CALL enable_logging()",
    "EXPORT DATABASE '{out}'", "IMPORT DATABASE '{out}'", "CHECKPOINT", "VACUUM", "BEGIN", "COMMIT",
    "CREATE TABLE x (a INTEGER)", "CREATE TEMP TABLE x (a INTEGER)", "CREATE OR REPLACE VIEW pairs AS SELECT 1",
    "CREATE MACRO f() AS 1", "CREATE SECRET s (TYPE s3)",
    "INSERT INTO pairs SELECT * FROM pairs", "DELETE FROM pairs", "UPDATE pairs SET source = 'x'", "DROP TABLE pairs",
    "ALTER TABLE pairs ADD COLUMN x INTEGER", "TRUNCATE pairs", "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM pairs", "SELECT 1; DELETE FROM pairs", "SELECT 1; SELECT 2", "", "-- nothing",
    "WITH gone AS (DELETE FROM pairs RETURNING *) SELECT * FROM gone",
    "SELECT * FROM secret_rows",
    # Functions that read, write, or change settings, where a SELECT may call them.
    "FROM enable_logging('QueryLog')", "FROM enable_logging(storage='file', storage_path='{out}')",
    "FROM enable_profiling()", "FROM enable_profiling('json', save_location='{out}')", "FROM disable_logging()",
    "FROM disable_profiling()", "FROM force_checkpoint()", "FROM read_duckdb('{out}')",
    "FROM parquet_metadata('/etc/passwd')", "FROM parquet_kv_metadata('/etc/passwd')",
    "SELECT getenv('HOME')", "FROM python_arrow_scan(1)", "FROM arrow_scan(1::UBIGINT, 2::UBIGINT, 3::UBIGINT)",
    "FROM pandas_scan(1)", "FROM create_external_resource('x')", "FROM read_csv('/dev/stdin')",
    "FROM read_text(['/etc/passwd'])", "FROM read_text('file:///etc/passwd')", "FROM 'https://example.com/x.csv'",
    "SUMMARIZE FROM read_csv('/etc/passwd')", "DESCRIBE FROM '/etc/passwd'", "FROM sqlite_scan('x', 'y')",
    "FROM st_read('/etc/passwd')", "FROM read_xlsx('{out}')",
    # SQL inside of a value.
    "FROM query('COPY pairs TO ''{out}''')", "FROM query('SELECT 1; DROP TABLE pairs')",
    "FROM query('FROM read_text(''/etc/passwd'')')", "FROM query_table('/etc/passwd')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''/etc/passwd'')'))",
    # Statements behind comments, and several in one.
    "/* SELECT */ COPY pairs TO '{out}'", "--\nATTACH '{out}'", "SELECT 1 /* ; */; COPY pairs TO '{out}'",
    "SELECT 1;--\n;DROP TABLE pairs", "/* /* */ SET threads = 1 -- */", "SELECT $$;$$; SET threads = 1",
    "EXPLAIN ANALYZE COPY pairs TO '{out}'", "EXPLAIN ATTACH '{out}'", "CALL pragma_version()", "EXECUTE p",
    "PIVOT pairs ON source", "COPY FROM DATABASE audit TO other", "LOAD '{out}'", "SET SESSION threads = 1",
    "PRAGMA add_parquet_key('x', '0123456789112345')", "SHOW; COPY pairs TO '{out}'", "\ufeffDROP TABLE pairs",
    # The database's own names, at which a link may lie.
    "FROM read_blob('{database}')", "FROM read_text('{database}.wal')", "FROM read_csv('{database}.wal')",
    "FROM '{database}.wal'", "FROM glob('{database}*')", "FROM read_text('{database}.wal.recovery')",
    "FROM read_text('{database}.tmp/x')", "FROM parquet_metadata('{database}.wal')", "FROM sniff_csv('{database}.wal')",
    "FROM query('FROM read_blob(''{database}'')')", "COPY pairs TO '{database}.wal'", "ATTACH '{database}' AS again",
    "FROM read_duckdb('{database}', table_name='pairs')", "SELECT (SELECT content FROM read_text('{database}'))",
    "FROM (VALUES ('{database}')) t(f), read_text(f)", "FROM read_text(getvariable('x'))",
    # What would open the sandbox again.
    "SET disabled_filesystems = ''", "RESET disabled_filesystems", "SET GLOBAL lock_configuration = false",
    "SET memory_limit = '1TB'", "RESET memory_limit", "SET temp_directory = '/tmp'", "SET allowed_paths = ['/']",
    "PRAGMA disable_checkpoint_on_shutdown", "FORCE CHECKPOINT", "FROM pragma_storage_info('/etc/passwd')",
]  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> AuditDatabase:
    folder = tmp_path_factory.mktemp("sandbox")
    made = AuditDatabase(folder / "audit.duckdb", patience=0.3)
    sync(made, record(folder))
    return made


@pytest.fixture
def own(database: AuditDatabase, tmp_path: Path) -> AuditDatabase:
    """A copy that the test may spoil."""
    (tmp_path / "audit.duckdb").write_bytes(database.path.read_bytes())
    return AuditDatabase(tmp_path / "audit.duckdb", patience=0.3)


@pytest.mark.parametrize("sql", REFUSED)
def test_the_sandbox_refuses(database: AuditDatabase, tmp_path: Path, sql: str) -> None:
    secret_rows = [{"a": 1}]  # SQL must not find the variables of this process either
    out, before = tmp_path / "out", database.path.read_bytes()
    with pytest.raises(SerError) as refusal:
        query(database.path, sql.replace("{out}", str(out)).replace("{database}", str(database.path)))
    assert len(str(refusal.value).splitlines()) <= 2
    assert not out.exists()
    assert secret_rows
    assert database.path.read_bytes() == before


def test_the_sandbox_knows_no_secrets(database: AuditDatabase) -> None:
    assert query(database.path, "FROM duckdb_secrets()")[1] == []
    assert query(database.path, "FROM duckdb_temporary_files()")[1] == []


def test_memory_is_bounded(database: AuditDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < memory_limit() <= 4 * 2**30
    monkeypatch.setattr(sandbox, "memory_bytes", lambda: 2**27)
    assert query(database.path, "SELECT current_setting('memory_limit')")[1] == [("64.0 MiB",)]
    with pytest.raises(SerError, match=r"^The query needs more than the 0\.1 GB of memory.*\nAsk for less") as error:
        query(database.path, "SELECT * FROM range(20000000) ORDER BY hash(range)")
    assert len(str(error.value).splitlines()) == 2


def test_time_is_bounded(database: AuditDatabase) -> None:
    slow = "SELECT count(*) FROM range(1000000) a, range(1000000) b"
    short = AuditDatabase(database.path, seconds=0.2)
    said = r"^The query was ended after 0 seconds\.\nAsk for less .*duckdb -readonly"
    with pytest.raises(SerError, match=said), short.reading(sandbox=True) as connection:
        connection.execute(slow).fetchall()


TRICKS: MappingProxyType[str, str] = MappingProxyType(
    {
        "view": "DROP VIEW roles; CREATE VIEW roles AS SELECT content AS role FROM read_text('/etc/passwd')",
        "own view": "CREATE VIEW mine AS SELECT * FROM read_text('/etc/passwd')",
        "macro": "CREATE MACRO mine() AS TABLE SELECT * FROM read_text('/etc/passwd')",
        "blob": "CREATE VIEW mine AS SELECT * FROM read_blob('{database}')",
    }
)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_file_that_was_handed_over_reads_no_other(own: AuditDatabase, trick: str) -> None:
    with duckdb.connect(str(own.path)) as connection:
        connection.execute(TRICKS[trick].replace("{database}", str(own.path)))
    for sql in ("FROM roles", "FROM mine", "FROM mine()"):
        try:
            found = query(own.path, sql)
        except SerError as refusal:
            assert len(str(refusal).splitlines()) <= 2
        else:
            assert "root:" not in str(found)


def doors(path: Path) -> list[Callable[[], object]]:
    """All that reads the database."""
    return [
        lambda: query(path, "FROM pairs"),
        lambda: find_evolution(path),
        lambda: audited_evolutions(path),
        lambda: run_named(path, "loops", EVOLUTION),
        lambda: gather(path, EVOLUTION),
        lambda: render_index(path),
        lambda: compare_evolutions(path, [EVOLUTION, EVOLUTION]),
    ]


@pytest.mark.parametrize(
    ("trick", "named"),
    [
        ("DROP TABLE human_labels; CREATE VIEW human_labels AS FROM read_text('/etc/passwd')", "another version"),
        ("CREATE MACRO count(x) AS (SELECT content FROM read_text('/etc/passwd'))", "its functions count"),
        ("CREATE MACRO sum(x) AS 1; CREATE MACRO round(x, y) AS 2", "its functions round, sum"),
        ("CREATE MACRO bool_or(x) AS false; CREATE MACRO sum(x) AS 42", "its functions bool_or, sum"),
        (
            "CREATE MACRO duckdb_functions() AS TABLE SELECT 'x' AS function_name, true AS internal; "
            "CREATE MACRO sum(x) AS 42",
            "its functions duckdb_functions, sum",
        ),
        ("CREATE SCHEMA system; CREATE MACRO sum(x) AS 42", "its functions sum"),
    ],
)
def test_what_is_not_as_we_make_it_is_refused_at_every_door(
    own: AuditDatabase, tmp_path: Path, trick: str, named: str
) -> None:
    with duckdb.connect(str(own.path)) as connection:
        for view, *_ in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
            connection.execute(f'DROP VIEW IF EXISTS "{view}"')
        connection.execute(trick)
    run = record(tmp_path)
    for door in [*doors(own.path), lambda: sync(own, run), lambda: matches_parquet(own, run)]:
        with pytest.raises(SerError, match=named):
            door()
    rebuild(own.path, [run])
    assert matches_parquet(own, run) == []


@pytest.mark.parametrize(
    ("trick", "named"),
    [
        ("DROP VIEW roles; CREATE VIEW roles AS SELECT levenshtein(repeat('a', 200000), 'b') AS role", "'s roles are"),
        ("CREATE OR REPLACE MACRO wilson_low(k, n) AS 0.99", r"'s wilson_low\(\) are"),
        (
            "DROP TABLE selection_facts; CREATE TABLE selection_facts (version VARCHAR, "
            "n_kept INTEGER GENERATED ALWAYS AS (levenshtein(version, version)))",
            "'s selection_facts are",
        ),
        ("DROP VIEW loop_summary; CREATE TABLE loop_summary AS SELECT 1 AS loop", "'s loop_summary are"),
    ],
)
def test_views_and_functions_that_are_not_ours_are_not_asked(
    own: AuditDatabase, tmp_path: Path, trick: str, named: str
) -> None:
    with duckdb.connect(str(own.path)) as connection:
        connection.execute(trick)
    for door in doors(own.path):
        with pytest.raises(SerError, match=named):
            door()
    rebuild(own.path, [record(tmp_path)])
    for door in doors(own.path):
        door()


PLACES = ("", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp")


@pytest.mark.parametrize("ending", PLACES)
@pytest.mark.parametrize("kind", ["a link", "a FIFO", "a socket", "a folder", "a file", "a dangling link"])
def test_what_lies_at_the_place_of_a_file_is_not_opened(own: AuditDatabase, ending: str, kind: str) -> None:
    place = own.path.with_name(own.path.name + ending)
    usual = "a folder" if ending == ".tmp" else "a file"
    if kind == usual:
        return
    place.unlink(missing_ok=True)
    match kind:
        case "a link":
            place.symlink_to("/etc" if usual == "a folder" else "/etc/passwd")
        case "a dangling link":
            place.symlink_to(own.path.with_name("nowhere"))
        case "a FIFO":
            os.mkfifo(place)
        case "a folder":
            place.mkdir()
        case "a file":
            place.touch()
        case "a socket":
            with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(own.path.parent):
                listener.bind(place.name)  # by its name: a whole path may be too long for one
    run = record(own.path.parent)
    for door in [*doors(own.path), lambda: sync(own, run), lambda: rebuild(own.path, [run])]:
        with pytest.raises(SerError, match=f"{place.name} is {kind.replace('dangling ', '')}, where only {usual}"):
            door()
    assert not own.path.with_name("nowhere").exists()


def test_a_planted_folder_for_what_is_being_written_is_not_emptied(own: AuditDatabase) -> None:
    kept = own.path.parent / "kept"
    kept.mkdir()
    (kept / "letter").touch()
    own.path.with_name(".audit.duckdb.tmp").symlink_to(kept)
    with pytest.raises(SerError, match="is a link, where only a folder"):
        rebuild(own.path, [record(own.path.parent)])
    assert (kept / "letter").exists()


def test_a_sparse_file_is_no_database(tmp_path: Path) -> None:
    with (tmp_path / "audit.duckdb").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SerError, match="ser audit --rebuild"):
        query(tmp_path / "audit.duckdb", "FROM pairs")
