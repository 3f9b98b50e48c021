"""Copying a run into the audit database, making that anew, and comparing it with the parquet files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from resources.audit.database import (
    AuditBusy,
    AuditDatabase,
    apply_schema,
    being_written,
    literal,
    prepare_for_bulk,
    put_in_place,
)
from resources.audit.parts import Part, parts
from resources.audit.record import AuditArtifact, RunRecord
from ser.data.pairs import readable_prompt

__all__ = ["AuditArtifact", "AuditBusy", "RunRecord", "matches_parquet", "rebuild", "sync"]


def sync(database: AuditDatabase, record: RunRecord) -> dict[str, int]:
    """Copy `record` into the database in one transaction and return how many rows each table has of it.

    Rows that are there already are left as they are, so syncing twice changes nothing; rows of an earlier run
    of the same recipe on the same snapshot are replaced.

    Raises:
        AuditBusy: another process held the file for longer than the database's patience; nothing was changed.
        SerError: the file is damaged or of another version.
    """
    with database.writing() as connection:
        _teach(connection)
        return _copy(connection, record, database.path.parent)


def rebuild(path: Path, records: Iterable[RunRecord]) -> None:
    """Make the database anew from `records` (oldest run first) beside the old file, and put it in its place.

    Readers of the old file keep what they have open. Nobody can sync into it meanwhile: that would be lost.

    Raises:
        AuditBusy: a process that is none of ours is writing the old file.
    """
    with being_written(path) as fresh:
        with duckdb.connect(str(fresh)) as connection:
            prepare_for_bulk(connection)
            apply_schema(connection)
            _teach(connection)
            for record in records:
                connection.execute("BEGIN")
                _copy(connection, record, path.parent)
                connection.execute("COMMIT")
        _wait_for_writer(path)
        put_in_place(fresh, path)


def matches_parquet(database: AuditDatabase, record: RunRecord) -> list[str]:
    """What differs between the database and the artifacts of `record`, a sentence each; empty if none.

    Counts and content checksums of every table and loop are compared.

    Raises:
        SerError: the database is missing, damaged, or (`AuditBusy`) being written.
    """
    found = []
    with database.reading() as connection:
        _teach(connection)
        for part in parts(record.without_leftovers(), database.path.parent):
            here, there = _held(connection, part), _meant(connection, part)
            if here[0] != there[0]:
                found.append(f"{part.name}: {here[0]} rows in the database, {there[0]} in the artifacts")
            elif here != there:
                found.append(f"{part.name}: the {here[0]} rows differ in content")
    return found


def _copy(connection: duckdb.DuckDBPyConnection, record: RunRecord, root: Path) -> dict[str, int]:
    """Write the parts of `record` that are not there yet."""
    record = record.without_leftovers()
    counts: dict[str, int] = {}
    for part in parts(record, root):
        if part.append:
            # NOT IN, because an anti join may gather the rows with all their texts, in memory and whatever its bound.
            new = f"SELECT * FROM ({part.source}) WHERE pair_id NOT IN (SELECT pair_id FROM {part.table})"
            connection.execute(f"INSERT INTO {part.table} BY NAME {new}")
            rows = _one(connection, f"SELECT count(*) FROM {part.table} WHERE {part.scope}")[0]
        else:
            rows = _replace(connection, part)
        counts[part.table] = counts.get(part.table, 0) + rows
    versions = ", ".join(literal(model.version) for model in record.reward_models()) or "NULL"
    connection.execute(
        "UPDATE reward_models SET promoted = false, why = 'a later run of this recipe took its place' "
        f"WHERE snapshot = {literal(record.snapshot)} AND recipe = {literal(record.recipe)} "
        f"AND promoted AND rm_version NOT IN ({versions})"
    )
    return counts


def _replace(connection: duckdb.DuckDBPyConnection, part: Part) -> int:
    meant = _meant(connection, part)
    if _held(connection, part) != meant:
        connection.execute(f"DELETE FROM {part.table} WHERE {part.scope}")
        if part.source:
            connection.execute(f"INSERT INTO {part.table} BY NAME {part.source}")
    return meant[0]


def _held(connection: duckdb.DuckDBPyConnection, part: Part) -> tuple[int, int]:
    """Count and checksum of the rows of a part that the database has."""
    return _digest(connection, part, f"SELECT * FROM {part.table} WHERE {part.scope}")


def _meant(connection: duckdb.DuckDBPyConnection, part: Part) -> tuple[int, int]:
    """Count and checksum of the rows of a part that it should have."""
    return _digest(connection, part, part.source) if part.source else (0, 0)


def _digest(connection: duckdb.DuckDBPyConnection, part: Part, rows: str) -> tuple[int, int]:
    """How many rows there are, and a sum over hashes of their content that does not depend on their order."""
    types = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE table_name = ? AND NOT internal ORDER BY column_index",
        [part.table],
    ).fetchall()
    cast = ", ".join(f'CAST("{name}" AS {kind})' for name, kind in types if not part.compared or name in part.compared)
    return _one(connection, f"SELECT count(*), coalesce(sum(CAST(hash({cast}) AS HUGEINT)), 0) FROM ({rows})")


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    row = connection.execute(sql).fetchone()
    if row is None:
        raise AssertionError(f"an aggregate gave no row: {sql}")
    return row[0], row[-1]


def _teach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let SQL call `readable_prompt`, a batch of prompts at a time."""

    def readable(prompts: pa.ChunkedArray) -> Any:
        return pa.array((readable_prompt(prompt) for prompt in prompts.to_pylist()), pa.string())

    connection.create_function("readable_prompt", readable, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)


def _wait_for_writer(path: Path) -> None:
    """Return when nobody writes the old file; a damaged or missing one has no writer.

    Raises:
        AuditBusy: somebody still writes it after the database's patience.
    """
    if not path.exists():
        return
    database = AuditDatabase(path)
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error as error:
        if not database.is_damage(error):
            with database.reading():
                return
