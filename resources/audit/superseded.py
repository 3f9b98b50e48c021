"""What the artifacts of the store no longer say: which artifacts an evolution had before its present ones."""

from pathlib import Path

import duckdb

from resources.audit.database import AuditDatabase, literal
from resources.audit.writing import AuditBusy
from ser.data.database import pattern
from ser.errors import SerError

_LINKS = "evolution_artifacts"
FACTS = {
    "artifacts": ("version",),
    "role_facts": ("splits", "encoded"),
    "self_label_facts": ("labels", "decision", "earlier"),
    "heldout_facts": ("version",),
    "status_facts": ("version",),
    "selection_facts": ("version",),
    "reward_model_facts": ("version",),
    "training_facts": ("version",),
    "half_facts": ("version",),
    "evaluation_facts": ("version",),
    "promotion_facts": ("version",),
    "policy_facts": ("version",),
    "policy_step_facts": ("version",),
    "policy_sample_facts": ("version",),
    "temperature_facts": ("version",),
    "shift_facts": ("splits", "encoded"),
}
"""The tables of facts, each with the columns that name its artifacts."""


def carry_over(connection: duckdb.DuckDBPyConnection, old: AuditDatabase, spill: Path) -> None:
    """Take superseded artifacts of the evolutions that a new database has, and their facts, over from an older one.

    A file that is missing, damaged or of another version has nothing to give. What is taken passes through files in
    `spill`, so that damage of the old one cannot reach the new one.

    Raises:
        AuditBusy: somebody writes the old file.
    """
    if not old.path.exists():
        return
    try:
        taken = _saved(connection, old, spill)
    except AuditBusy:
        raise
    except (SerError, duckdb.BinderException, duckdb.CatalogException):
        return
    for table, file in taken.items():
        connection.execute(f"INSERT INTO {table} BY NAME FROM read_parquet({literal(pattern(file))})")


def _saved(connection: duckdb.DuckDBPyConnection, old: AuditDatabase, spill: Path) -> dict[str, Path]:
    """The files with what each table of the old database has to give."""
    taken = {table: spill / f"{table}.parquet" for table in (_LINKS, *FACTS)}
    with old.reading() as before:
        present = connection.sql(f"SELECT evolution, asset, version FROM {_LINKS}").to_arrow_table()
        before.register("present", present)
        superseded = (
            f"SELECT * REPLACE (false AS current) FROM {_LINKS} WHERE evolution IN (SELECT evolution FROM present) "
            "AND (evolution, asset, version) NOT IN (SELECT (evolution, asset, version) FROM present)"
        )
        before.execute(
            f"CREATE TEMP TABLE known AS SELECT '' AS version UNION SELECT version FROM present "
            f"UNION SELECT version FROM ({superseded})"
        )
        _write(before, superseded, taken[_LINKS])
        for table, names in FACTS.items():
            keys = ", ".join(names)
            known = " AND ".join(f"{name} IN (FROM known)" for name in names)
            before.register("there", connection.sql(f"SELECT DISTINCT {keys} FROM {table}").to_arrow_table())
            missing = f"SELECT DISTINCT {keys} FROM {table} WHERE {known} EXCEPT SELECT {keys} FROM there"
            _write(before, f"SELECT f.* FROM {table} f JOIN ({missing}) USING ({keys})", taken[table])
    return taken


def _write(connection: duckdb.DuckDBPyConnection, rows: str, path: Path) -> None:
    connection.execute(f"COPY ({rows}) TO {literal(str(path))} (FORMAT parquet)")
