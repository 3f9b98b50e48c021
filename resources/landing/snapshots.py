"""Snapshots: naming all that has landed by its content, and writing it out as tables for the stages."""

import hashlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from resources.landing.database import add_view, open_database
from resources.landing.parts import PARTS
from resources.landing.store import DatasetStore
from ser.data import tables
from ser.data.pairs import Pair
from ser.data.role_assignment import Assignment, assign_roles
from ser.data.sorting import in_order
from ser.specs import Roles

# Where a pair was asked for more than once, the strictest counts, in whatever order the rows came.
_ASKED = """
CREATE TEMP VIEW asked AS SELECT pair_id, arg_min(role, list_position(
    ['unused', 'test', 'calibration', 'pool', 'seed', 'train'], role)) AS asked FROM asked_roles GROUP BY pair_id
"""

_SEVERAL = """
SELECT list(DISTINCT "group" ORDER BY "group") FROM groups GROUP BY pair_id HAVING count(DISTINCT "group") > 1
"""

_GROUPED = """
CREATE TEMP VIEW grouped AS SELECT pair_id, min(coalesce(m.name, g."group")) AS "group"
  FROM groups g LEFT JOIN merged_groups m USING ("group") GROUP BY pair_id
"""

_PAIRS = """
SELECT pair_id, prompt, response_a, response_b, source, "group", dialogue, asked
FROM pairs LEFT JOIN asked USING (pair_id) LEFT JOIN grouped USING (pair_id)
"""

# The identity of a pair covers its texts. Lengths stand before free texts: no two contents read the same. Of votes that
# nobody signs it counts how many there are, and not from which files.
_CONTENT = """
SELECT 'pair ' || pair_id || ' ' || coalesce(asked, '-')
    || ' ' || coalesce(strlen(source) || ':' || source, '-')
    || ' ' || coalesce(strlen("group") || ':' || "group", '-') AS line,
    pair_id AS place, '' AS annotator, 0 AS kind
  FROM pairs LEFT JOIN asked USING (pair_id) LEFT JOIN grouped USING (pair_id)
UNION ALL
SELECT 'label ' || pair_id || ' ' || preferred || ' ' || origin || ' ' || strlen(who) || ':' || who,
    pair_id, who || preferred, 1
  FROM (SELECT *, if(regexp_full_match(annotator, 'unnamed [0-9a-f]{12}/[0-9]+'), '', annotator) AS who FROM labels)
UNION ALL
SELECT 'judge ' || pair_id || ' ' || preferred, pair_id, annotator, 2 FROM judge_labels
ORDER BY kind, place, annotator
"""

# As people's labels decide it: a review before the votes, and a tied vote is no label.
_COUNTS = """
WITH points AS (SELECT pair_id, origin, CASE preferred WHEN 'a' THEN 1 ELSE -1 END AS point FROM labels),
  vote AS (SELECT coalesce(sum(point) FILTER (origin = 'landed'), 0) AS landed,
    coalesce(sum(point) FILTER (origin = 'review'), 0) AS review FROM points GROUP BY pair_id)
SELECT (SELECT count(*) FROM pairs),
  (SELECT count(*) FROM vote WHERE CASE review WHEN 0 THEN landed ELSE review END <> 0)
"""

_TOUCHED = f"""
SELECT count(DISTINCT pair_id) FROM ({
    " UNION ALL ".join(f"SELECT pair_id, landed_at FROM {kind}" for kind in PARTS)
}) WHERE $since::TIMESTAMPTZ IS NULL OR landed_at > $since::TIMESTAMPTZ
"""

_COLUMNS: dict[str, pa.Schema] = {
    "pairs": pa.schema([(name, pa.string()) for name in (*tables.PAIRS.names, "source", "group", "dialogue", "asked")]),
    "labels": pa.schema([(name, pa.string()) for name in ("pair_id", "preferred", "annotator", "origin")]),
    "judge_labels": tables.LABELS,
    "pair_times": pa.schema([PARTS["pairs"].field(name) for name in ("pair_id", "landed_at")]),
    "label_times": pa.schema([PARTS["labels"].field(name) for name in ("pair_id", "annotator", "landed_at")]),
}
_WIDE_ROWS, _NARROW_ROWS = 32, 4096
"""Rows that are in memory at once, with the texts of pairs (each of up to 1 MB) or without."""

_SNAPSHOTS = pa.schema(
    [
        ("snapshot", pa.string()),
        ("number", pa.int64()),
        ("n_pairs", pa.int64()),
        ("n_labelled", pa.int64()),
        PARTS["pairs"].field("landed_at"),
    ]
)


def snapshot_contents(store: DatasetStore, parts: Mapping[str, list[str]]) -> dict[str, Any]:
    """What a snapshot file says: the parts, the counts, and the digest of the content that names it.

    The digest covers pairs, asked roles, sources, groups and labels, and neither times nor how they came in.
    """
    digest = hashlib.sha256()
    with _tables(store, parts, store.folder / "staging" / "spill") as con:
        for batch in con.sql(_CONTENT).to_arrow_reader(_NARROW_ROWS):
            digest.update("".join(f"{line}\n" for line in batch.column("line").to_pylist()).encode())
        pairs, labelled = con.execute(_COUNTS).fetchall()[0]
    return {"digest": digest.hexdigest(), "pairs": pairs, "labelled": labelled, "parts": dict(parts)}


def tables_version(snapshot: str, *code: str) -> str:
    """16 hex characters over what the tables of a snapshot are made by: its content, this module, and other `code`."""
    return hashlib.sha256("\n".join([snapshot, Path(__file__).read_text(), *code]).encode()).hexdigest()[:16]


def touched_pairs(store: DatasetStore, parts: Mapping[str, Sequence[str]], since: str | None) -> int:
    """How many pairs are new, or have a new label, role or group, in `parts` after the time `since` (or ever)."""
    with tempfile.TemporaryDirectory() as spill, _parts(store, parts, Path(spill)) as con:
        return con.execute(_TOUCHED, {"since": since}).fetchall()[0][0]


def reviewed_pairs(store: DatasetStore, parts: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The pairs that people have answered in a review, whatever they answered."""
    with tempfile.TemporaryDirectory() as spill, _tables(store, parts, Path(spill)) as con:
        found = con.execute("SELECT DISTINCT pair_id FROM labels WHERE origin = 'review'").fetchall()
    return frozenset(pair_id for (pair_id,) in found)


def assign_snapshot(store: DatasetStore, parts: Mapping[str, Sequence[str]], roles: Roles) -> Assignment:
    """What each pair of a snapshot would be used for under these settings, in numbers."""
    with tempfile.TemporaryDirectory() as spill, _tables(store, parts, Path(spill)) as con:
        con.execute(f"CREATE TEMP VIEW pair AS {_PAIRS}")
        con.execute("CREATE TEMP VIEW label AS SELECT pair_id, preferred, origin FROM labels")
        return assign_roles(con, roles)


def write_tables(store: DatasetStore, snapshot: str, out: Path) -> dict[str, Any]:
    """Write a snapshot's tables into `out`, sorted by pair_id, and return its number and counts of rows.

    Times, and the snapshots so far, stand in tables of their own: what is made from the others must not depend on when
    they came.
    """
    history = store.history(snapshot)
    _write_history(history, out / "snapshots.parquet")
    sources = {
        "pairs": f"({_PAIRS})",
        "labels": "labels",
        "judge_labels": "judge_labels",
        "pair_times": "pairs",
        "label_times": "labels",
    }
    with _tables(store, history[-1]["parts"], out / ".spill.tmp") as con:
        rows = {name: _write(con, source, _COLUMNS[name], out / f"{name}.parquet") for name, source in sources.items()}
    return {"number": history[-1]["number"]} | rows


def _write_history(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    rows = [
        {
            **{name: one[name] for name in ("snapshot", "number")},
            "n_pairs": one["pairs"],
            "n_labelled": one["labelled"],
            "landed_at": datetime.fromisoformat(one["landed_at"]),
        }
        for one in history
    ]
    tables.write(path, _SNAPSHOTS, rows)


def find_pairs(store: DatasetStore, parts: Mapping[str, list[str]], pair_ids: Collection[str]) -> dict[str, Pair]:
    """Those of the pairs that a snapshot has, by their identity."""
    columns = ", ".join(tables.PAIRS.names)
    with tempfile.TemporaryDirectory() as spill, _tables(store, parts, Path(spill)) as con:
        con.register("wanted", pa.table({"pair_id": pa.array(sorted(pair_ids), pa.string())}))
        rows = con.execute(f"SELECT {columns} FROM pairs SEMI JOIN wanted USING (pair_id)").fetchall()
    return {row[0]: Pair(*row) for row in rows}


def _write(con: duckdb.DuckDBPyConnection, source: str, schema: pa.Schema, path: Path) -> int:
    chosen = ", ".join(f'"{name}"' for name in schema.names)
    order = ["pair_id", "annotator"] if "annotator" in schema.names else ["pair_id"]
    rows = in_order(con.sql(f"SELECT {chosen} FROM {source}").to_arrow_reader(_WIDE_ROWS), order, path.parent)
    return tables.write(path, schema, rows)


@contextmanager
def _tables(
    store: DatasetStore, parts: Mapping[str, Sequence[str]], spill: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which every kind of part is a table, and what follows from them about roles and groups."""
    with _parts(store, parts, spill) as con:
        con.execute(_ASKED)
        _merge_groups(con)
        con.execute(_GROUPED)
        yield con


@contextmanager
def _parts(store: DatasetStore, parts: Mapping[str, Sequence[str]], spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which every kind of part is a table; a killed process leaves `spill` where it will be cleared."""
    con = open_database(spill)
    try:
        for kind in PARTS:
            add_view(con, kind, store.files(kind, parts), PARTS[kind])
        yield con
    finally:
        con.close()


def _merge_groups(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `merged_groups` (group, name): groups that share a pair are one, named by the first of them."""
    first: dict[str, str] = {}

    def name_of(group: str) -> str:
        while (name := first.get(group, group)) != group:
            first[group] = first.get(name, name)
            group = name
        return group

    for (groups,) in con.execute(_SEVERAL).fetchall():
        names = [name_of(group) for group in groups]
        first.update(dict.fromkeys(names, min(names)) | dict.fromkeys(groups, min(names)))
    merged = {"group": list(first), "name": [name_of(group) for group in list(first)]}
    con.register("merged_groups", pa.table({key: pa.array(column, pa.string()) for key, column in merged.items()}))
