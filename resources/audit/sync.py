"""Copying an evolution into the audit database, making that anew, and comparing it with the parquet files."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from resources import asset_keys as keys
from resources.audit.database import AuditDatabase, literal
from resources.audit.derived import derive_facts
from resources.audit.evolutions import describe_artifacts, describe_evolution, link
from resources.audit.record import AuditArtifact, EvolutionRecord
from resources.audit.row_sql import AuditRows
from resources.audit.rows import audit_rows
from resources.audit.schema import apply_schema, connect, prepare_for_bulk
from resources.audit.superseded import carry_over
from resources.audit.writing import AuditBusy, being_written, put_in_place
from ser.data.pairs import readable_prompt

__all__ = ["AuditArtifact", "AuditBusy", "EvolutionRecord", "matches_parquet", "rebuild", "sync"]

SHOWN = (
    "roles",
    "self_labels",
    "heldout_scores",
    "status_reports",
    "reward_models",
    "evaluations",
    "policies",
    "policy_samples",
)
"""The views that show an evolution."""


def sync(database: AuditDatabase, record: EvolutionRecord) -> dict[str, int]:
    """Copy `record` into the database in one transaction and return how many rows each table shows of it.

    Facts of an artifact that are there already are left as they are, so syncing twice changes nothing, and other
    evolutions keep theirs.

    Raises:
        AuditBusy: another process held the file for longer than the database's patience; nothing was changed.
        SerError: the file is damaged or of another version.
    """
    with database.writing() as connection:
        _teach(connection)
        _copy(connection, record)
        _sign(connection)
        return _counts(connection, record)


def rebuild(path: Path, records: Iterable[EvolutionRecord]) -> None:
    """Make the database anew from `records` beside the old file, and put it in its place.

    What these evolutions had before is taken over from the old file, if that can be read. Readers of the old file keep
    what they have open. Nobody can sync into it meanwhile: that would be lost.

    Raises:
        AuditBusy: a process that is none of ours is writing the old file.
    """
    with being_written(path) as fresh:
        with connect(fresh) as connection:
            prepare_for_bulk(connection)
            apply_schema(connection)
            _teach(connection)
            for record in records:
                connection.execute("BEGIN")
                _copy(connection, record)
                connection.execute("COMMIT")
            _sign(connection)
            carry_over(connection, AuditDatabase(path), fresh.parent)
        put_in_place(fresh, path)


def matches_parquet(database: AuditDatabase, record: EvolutionRecord) -> list[str]:
    """What differs between the database and the artifacts of `record`, a sentence each; empty if none.

    Counts and content checksums of every table and loop are compared.

    Raises:
        SerError: the database is missing, damaged, or (`AuditBusy`) being written.
    """
    found = []
    record = record.without_leftovers()
    mine = f"evolution = {literal(record.evolution)}"
    with database.reading() as connection:
        _teach(connection)
        described = (
            AuditRows("evolutions", "evolutions", describe_evolution(connection, record)),
            AuditRows("evolution_artifacts", "evolution_artifacts", describe_artifacts(record)),
        )
        scopes = [(rows, mine if rows.table == "evolutions" else f"{mine} AND current") for rows in described]
        for rows, scope in [*((rows, rows.scope) for rows in audit_rows(record)), *scopes]:
            here = _digest(connection, rows, f"SELECT * FROM {rows.table} WHERE {scope}")
            there = _digest(connection, rows, rows.rows) if rows.source else (0, 0)
            if here[0] != there[0]:
                found.append(f"{rows.name}: {here[0]} rows in the database, {there[0]} in the artifacts")
            elif here != there:
                found.append(f"{rows.name}: the {here[0]} rows differ in content")
    return found


def _copy(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> None:
    """Write what the artifacts of `record` say and is not there yet, and that the evolution has them now."""
    record = record.without_leftovers()
    for rows in audit_rows(record):
        if rows.artifacts is None:
            _gather(connection, rows)
        elif not connection.execute(f"SELECT 1 FROM {rows.table} WHERE {rows.scope} LIMIT 1").fetchall():
            connection.execute(f"INSERT INTO {rows.table} BY NAME {rows.rows}")
    link(connection, record)
    derive_facts(connection, record)
    _drop_undecided(connection, record)


def _sign(connection: duckdb.DuckDBPyConnection) -> None:
    """Say which version of this package wrote the database last, and when."""
    connection.execute("UPDATE about SET tool_version = ?, synced_at = now()", [metadata.version("ser-dagster")])


def _gather(connection: duckdb.DuckDBPyConnection, rows: AuditRows) -> None:
    # NOT IN, because an anti join may gather the rows with all their texts, in memory and whatever its bound.
    names = ", ".join(rows.identity)
    names = names if len(rows.identity) == 1 else f"({names})"
    new = f"SELECT * FROM ({rows.source}) WHERE {names} NOT IN (SELECT {names} FROM {rows.table})"
    connection.execute(f"INSERT INTO {rows.table} BY NAME {new}")


def _drop_undecided(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> None:
    """Remove what said of these labels that nothing was decided yet, where no evolution shows it any more."""
    for loop in record.loops():
        labels = literal(record.artifacts[keys.self_labels(loop)].version)
        connection.execute(
            f"DELETE FROM self_label_facts WHERE labels = {labels} AND decision = '' AND earlier NOT IN "
            f"(SELECT earlier FROM labellings WHERE labels = {labels} AND decision = '')"
        )


def _counts(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> dict[str, int]:
    mine = f"WHERE evolution = {literal(record.evolution)}"
    counts = {"pairs": "pairs", "human_labels": "human_labels"} if keys.LANDED_PAIRS in record.artifacts else {}
    of = f"WHERE dataset = {literal(record.dataset)}"
    found = {table: _one(connection, f"SELECT count(*) FROM {table} {of}")[0] for table in counts}
    return found | {view: _one(connection, f"SELECT count(*) FROM {view} {mine}")[0] for view in SHOWN}


def _digest(connection: duckdb.DuckDBPyConnection, part: AuditRows, rows: str) -> tuple[int, int]:
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
