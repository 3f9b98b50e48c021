"""Snapshots: naming all that has landed by its content, and writing it out as tables for the stages."""

import hashlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from resources.landing.database import add_latest_roles, add_view, open_database, record_batches
from resources.landing.store import PARTS, DatasetStore, write_parquet
from ser import tables
from ser.pairs import Pair
from ser.sorting import in_order

_PAIRS = """
SELECT p.pair_id, p.prompt, p.response_a, p.response_b, p.source, p."group", p.tokens,
  coalesce(c.role, p.role) AS role FROM pairs p LEFT JOIN role_changes c USING (pair_id)
"""

# What the vault knew of a pair stays behind when a review takes the pair out of the pool: the pair was chosen without
# it, and a label that nobody was to see must not become one that is trained on.
_OPEN_LABELS = """
CREATE TEMP VIEW open_labels AS SELECT l.* FROM labels l LEFT JOIN role_changes c USING (pair_id)
  WHERE c.landed_at IS NULL OR l.landed_at >= c.landed_at
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
  FROM open_labels
UNION ALL
SELECT 'judge ' || pair_id || ' ' || preferred, pair_id, annotator, 2 FROM judge_labels
ORDER BY kind, place, annotator
"""
_COUNTS = "SELECT (SELECT count(*) FROM pairs), (SELECT count(DISTINCT pair_id) FROM open_labels)"

_TOUCHED = """
SELECT count(*) FROM (
  SELECT pair_id FROM pairs UNION SELECT pair_id FROM labels
  UNION SELECT pair_id FROM judge_labels UNION SELECT pair_id FROM role_changes
)
"""


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


def touched_pairs(store: DatasetStore, parts: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]) -> int:
    """How many pairs are in `parts` and not in `before`: new ones, and known ones with a new label or role."""
    added = {kind: [name for name in parts[kind] if name not in before[kind]] for kind in PARTS}
    with tempfile.TemporaryDirectory() as spill, _tables(store, added, Path(spill)) as con:
        return con.execute(_TOUCHED).fetchall()[0][0]


def write_tables(store: DatasetStore, parts: Mapping[str, list[str]], out: Path) -> dict[str, int]:
    """Write a snapshot's tables into `out`, sorted by pair_id, and return how many rows each has.

    Times stand in tables of their own: what is made from the others must not depend on when they came.
    """
    contents = {
        "pairs": (f"({_PAIRS})", "pair_id prompt response_a response_b source group tokens role"),
        "labels": ("open_labels", "pair_id preferred annotator"),
        "judge_labels": ("judge_labels", "pair_id preferred"),
    }
    times = {
        "pair_times": ("pairs", "pair_id landed_at"),
        "label_times": ("open_labels", "pair_id annotator landed_at"),
    }
    with _tables(store, parts, out / ".spill.tmp") as con:
        for name, (source, columns) in times.items():
            _write(con, source, columns, out / f"{name}.parquet")
        return {name: _write(con, *table, out / f"{name}.parquet") for name, table in contents.items()}


def find_pairs(store: DatasetStore, parts: Mapping[str, list[str]], pair_ids: Collection[str]) -> dict[str, Pair]:
    """Those of the pairs that a snapshot has, by their identity."""
    columns = ", ".join(tables.PAIRS.names)
    with tempfile.TemporaryDirectory() as spill, _tables(store, parts, Path(spill)) as con:
        con.register("wanted", pa.table({"pair_id": pa.array(sorted(pair_ids), pa.string())}))
        rows = con.execute(f"SELECT {columns} FROM pairs SEMI JOIN wanted USING (pair_id)").fetchall()
    return {row[0]: Pair(*row) for row in rows}


def _write(con: duckdb.DuckDBPyConnection, source: str, columns: str, path: Path) -> int:
    fields = {field.name: field for schema in PARTS.values() for field in schema}
    schema = pa.schema([fields[name] for name in columns.split()])
    chosen = ", ".join(f'"{name}"' for name in schema.names)
    order = ["pair_id", "annotator"] if "annotator" in schema.names else ["pair_id"]
    rows = in_order(con.sql(f"SELECT {chosen} FROM {source}").to_arrow_reader(1024), order, path.parent)
    return write_parquet(path, schema, record_batches(rows, schema))


@contextmanager
def _tables(store: DatasetStore, parts: Mapping[str, list[str]], spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which every kind of part is a table; a killed process leaves `spill` where it will be cleared."""
    con = open_database(spill)
    try:
        for kind in PARTS:
            add = add_latest_roles if kind == "role_changes" else add_view
            add(con, kind, store.files(kind, parts), PARTS[kind])
        con.execute(_OPEN_LABELS)
        yield con
    finally:
        con.close()
