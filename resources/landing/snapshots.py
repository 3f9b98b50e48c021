"""Snapshots: naming all that has landed by its content, and writing it out as tables for the stages."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from resources.landing.database import add_view, open_database
from resources.landing.store import PARTS, DatasetStore, write_parquet

_PAIRS = """
SELECT p.pair_id, p.prompt, p.response_a, p.response_b, p.source, p."group", p.tokens,
  coalesce(c.role, p.role) AS role FROM pairs p LEFT JOIN role_changes c USING (pair_id)
"""

# The identity of a pair covers its texts. Lengths stand before free texts: no two contents read the same.
_CONTENT = """
SELECT 'pair ' || p.pair_id || ' ' || coalesce(c.role, p.role)
    || ' ' || coalesce(strlen(p.source) || ':' || p.source, '-')
    || ' ' || coalesce(strlen(p."group") || ':' || p."group", '-') AS line,
    p.pair_id AS place, '' AS annotator, 0 AS kind
  FROM pairs p LEFT JOIN role_changes c USING (pair_id)
UNION ALL
SELECT 'label ' || pair_id || ' ' || preferred || ' ' || strlen(annotator) || ':' || annotator,
    pair_id, annotator, 1
  FROM labels
UNION ALL
SELECT 'judge ' || pair_id || ' ' || preferred, pair_id, annotator, 2 FROM judge_labels
ORDER BY kind, place, annotator
"""
_COUNTS = "SELECT (SELECT count(*) FROM pairs), (SELECT count(DISTINCT pair_id) FROM labels)"


def snapshot_contents(store: DatasetStore, parts: Mapping[str, list[str]]) -> dict[str, Any]:
    """What a snapshot file says: the parts, the counts, and the digest of the content that names it.

    The digest covers pairs, roles, sources, groups and labels, and neither times nor how they came in.
    """
    digest = hashlib.sha256()
    with _tables(store, parts, store.folder / "staging" / "spill") as con:
        for batch in con.sql(_CONTENT).to_arrow_reader(65536):
            digest.update("".join(f"{line}\n" for line in batch.column("line").to_pylist()).encode())
        pairs, labelled = con.execute(_COUNTS).fetchall()[0]
    return {"digest": digest.hexdigest(), "pairs": pairs, "labelled": labelled, "parts": dict(parts)}


def write_tables(store: DatasetStore, parts: Mapping[str, list[str]], out: Path) -> dict[str, int]:
    """Write a snapshot's tables into `out`, sorted by pair_id, and return how many rows each has.

    Times stand in tables of their own: what is made from the others must not depend on when they came.
    """
    tables = {
        "pairs": (f"({_PAIRS})", "pair_id prompt response_a response_b source group tokens role"),
        "labels": ("labels", "pair_id preferred annotator"),
        "judge_labels": ("judge_labels", "pair_id preferred"),
    }
    times = {"pair_times": ("pairs", "pair_id landed_at"), "label_times": ("labels", "pair_id annotator landed_at")}
    with _tables(store, parts, out / ".spill.tmp") as con:
        for name, (source, columns) in times.items():
            _write(con, source, columns, out / f"{name}.parquet")
        return {name: _write(con, *table, out / f"{name}.parquet") for name, table in tables.items()}


def _write(con: duckdb.DuckDBPyConnection, source: str, columns: str, path: Path) -> int:
    fields = {field.name: field for schema in PARTS.values() for field in schema}
    schema = pa.schema([fields[name] for name in columns.split()])
    chosen = ", ".join(f'"{name}"' for name in schema.names)
    order = "pair_id, annotator" if "annotator" in schema.names else "pair_id"
    return write_parquet(path, schema, con.sql(f"SELECT {chosen} FROM {source} ORDER BY {order}").to_arrow_reader(4096))


@contextmanager
def _tables(store: DatasetStore, parts: Mapping[str, list[str]], spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which every kind of part is a table; a killed process leaves `spill` where it will be cleared."""
    con = open_database(spill)
    try:
        for kind in PARTS:
            add_view(con, kind, store.files(kind, parts), PARTS[kind])
        yield con
    finally:
        con.close()
