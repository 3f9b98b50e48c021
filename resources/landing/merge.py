"""The second step of a landing: the staged rows against each other and against what landed before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.landing.database import add_latest_roles, add_view, open_database, record_batches
from resources.landing.roles import SETTLE_KEYS, component_keys
from resources.landing.stage import SCHEMA, Staged
from resources.landing.store import PARTS, write_parquet
from resources.landing.token_counts import TokenCounter
from ser.roles import decide_purpose, first_role, first_unit, later_role, seed_fraction_of
from ser.rows import JUDGE
from ser.sorting import in_order

_BATCH = 1024

_SETUP = f"""
CREATE TABLE candidate AS SELECT seq, pair_id, prompt_key, group_key, preferred, annotator, role
  FROM staged WHERE reason IS NULL;
CREATE TABLE rejected AS SELECT seq, reason FROM staged WHERE reason IS NOT NULL;
CREATE TABLE known AS SELECT p.pair_id, coalesce(c.role, p.role) AS role, p.fixed
  FROM known_pairs p LEFT JOIN known_role_changes c USING (pair_id);
CREATE TABLE known_label AS SELECT pair_id, preferred, annotator FROM known_labels
  UNION ALL SELECT pair_id, preferred, '{JUDGE}' FROM known_judge_labels;
"""

_NEW_TEXTS = """
SELECT s.pair_id, s.prompt, s.response_a, s.response_b FROM staged s JOIN (
  SELECT min(seq) AS seq FROM candidate ANTI JOIN known USING (pair_id) GROUP BY pair_id) USING (seq)
"""

_TOO_LONG = """
INSERT INTO rejected SELECT seq,
    'too long to keep the responses: ' || longest || ' tokens, max_length allows {limit}'
  FROM candidate JOIN counted USING (pair_id) WHERE longest > {limit};
DELETE FROM candidate WHERE seq IN (SELECT seq FROM rejected);
"""

_EVERY_KEY = """
CREATE TABLE new_key AS SELECT c.key, s.unit, s.purpose FROM component c JOIN settled s USING (root);
CREATE TABLE every_key AS SELECT key, unit, purpose FROM node WHERE purpose IS NOT NULL
  UNION ALL SELECT key, unit, purpose FROM new_key;
"""

_CONFLICTS = """
INSERT INTO rejected SELECT c.seq, CASE
    WHEN g.purpose <> p.purpose
    THEN 'its prompt is used for ' || p.purpose || ', but its group for ' || g.purpose
    ELSE 'role ''' || c.role || ''' contradicts: its prompt or group is used for ' || p.purpose END
  FROM candidate c JOIN every_key p ON p.key = c.prompt_key LEFT JOIN every_key g ON g.key = c.group_key
  WHERE g.purpose <> p.purpose OR p.purpose <> CASE
    WHEN c.role IN ('seed', 'pool') THEN 'train' WHEN c.role IN ('test', 'calibration') THEN c.role END;
DELETE FROM candidate WHERE seq IN (SELECT seq FROM rejected);
"""

_LABELS = f"""
CREATE TABLE first_label AS SELECT pair_id, annotator, min(seq) AS seq, arg_min(preferred, seq) AS preferred
  FROM candidate WHERE preferred IS NOT NULL GROUP BY ALL;
INSERT INTO rejected SELECT c.seq, 'the label contradicts an earlier one by '
    || CASE c.annotator WHEN '' THEN 'the same (unnamed) annotator' ELSE 'annotator ' || c.annotator END
  FROM candidate c JOIN first_label f USING (pair_id, annotator)
    LEFT JOIN known_label k USING (pair_id, annotator)
  WHERE c.preferred <> coalesce(k.preferred, f.preferred);
DELETE FROM candidate WHERE seq IN (SELECT seq FROM rejected);
CREATE TABLE new_label AS SELECT * FROM first_label ANTI JOIN known_label USING (pair_id, annotator)
  SEMI JOIN candidate USING (seq);
CREATE TABLE new_pair AS SELECT pair_id, min(seq) AS seq, any_value(prompt_key) AS prompt_key,
    arg_min(role, seq) FILTER (WHERE role IS NOT NULL) AS asked
  FROM candidate ANTI JOIN known USING (pair_id) GROUP BY pair_id;
CREATE TABLE first_human AS SELECT pair_id, any_value(c.prompt_key) AS prompt_key,
    arg_min(c.role, c.seq) FILTER (WHERE c.role IS NOT NULL) AS asked
  FROM (FROM new_label WHERE annotator <> '{JUDGE}') l JOIN candidate c USING (pair_id, seq)
    LEFT JOIN known k USING (pair_id) LEFT JOIN (SELECT DISTINCT pair_id FROM known_labels) b USING (pair_id)
  WHERE b.pair_id IS NULL OR (k.role = 'pool' AND c.role = 'seed') GROUP BY pair_id;
"""

_COUNTS = """
SELECT (SELECT count(*) FROM rejected), (SELECT count(*) FROM candidate), (SELECT count(*) FROM new_pair),
  (SELECT count(*) FROM new_label ANTI JOIN new_pair USING (seq)),
  (SELECT count(*) FROM new_pair ANTI JOIN first_human USING (pair_id))
"""

_NEW_PAIRS = """
SELECT s.pair_id, s.prompt, s.response_a, s.response_b, s.source, s."group", s.metadata,
  r.role, r.fixed, c.tokens
FROM staged s JOIN new_pair n USING (seq)
  JOIN new_role r ON r.pair_id = n.pair_id JOIN counted c ON c.pair_id = n.pair_id
"""

_NEW_LABELS = f"""
SELECT l.pair_id, l.preferred, l.annotator, s.metadata FROM new_label l JOIN staged s USING (seq)
WHERE (l.annotator = '{JUDGE}') = {{}}
"""

# A role changes with a label of the same landing: role changes have no later time.
_LAST_LANDING = """
SELECT epoch_us(max(landed_at)) FROM (SELECT landed_at FROM known_pairs UNION ALL
  SELECT landed_at FROM known_labels UNION ALL SELECT landed_at FROM known_judge_labels)
"""

_REJECTED = """
SELECT seq, s.file AS number, s.line, s.raw, s.raw_base64, r.reason FROM staged s JOIN rejected r USING (seq)
"""


class Merge:
    """One landing's tables. The steps are taken in the order in which the methods stand.

    Attributes:
        landed_at: the time of this landing, which is after that of every earlier one, whatever the clock says.
        quarantined, landed, labels_added, duplicates: rows, after `decide_labels`.
        seed_fraction: after `decide_labels`; None if no pair is new and none was decided before.
    """

    def __init__(self, staged: Staged, known: Mapping[str, list[Path]], now: datetime):
        """Begin with the staged rows and the parts, by kind, of all that landed before."""
        self._folder = staged.folder
        self._con = open_database(self._folder / "spill")
        add_view(self._con, "staged", staged.tables(), SCHEMA)
        for kind, files in known.items():
            add = add_latest_roles if kind == "role_changes" else add_view
            add(self._con, f"known_{kind}", files, PARTS[kind])
        self._con.execute(_SETUP)
        self.landed_at = self._after_the_last_landing(now)
        self.quarantined = self.landed = self.labels_added = self.duplicates = self.new_pairs = 0

    def __enter__(self) -> "Merge":
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def count_tokens(self, counter: TokenCounter, limit: int) -> None:
        """Count the tokens of every new pair, and reject those with a response of more than `limit`."""

        def counted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            counts = counter([(row["prompt"], row["response_a"], row["response_b"]) for row in rows])
            return [
                {"pair_id": row["pair_id"], "tokens": tokens, "longest": longest}
                for row, (tokens, longest) in zip(rows, counts, strict=True)
            ]

        schema = pa.schema([("pair_id", pa.string()), ("tokens", pa.int64()), ("longest", pa.int64())])
        self._map("counted", _NEW_TEXTS, schema, counted)
        self._con.execute(_TOO_LONG.format(limit=limit))

    def decide_purposes(self) -> None:
        """Decide what new prompts and groups are for, and reject rows that ask for something else."""
        component_keys(self._con)

        def settled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [_settled(row) for row in rows]

        schema = pa.schema([("root", pa.string()), ("unit", pa.string()), ("purpose", pa.string())])
        self._map("settled", SETTLE_KEYS, schema, settled)
        self._con.execute(_EVERY_KEY + _CONFLICTS)

    def decide_labels(self, seed_fraction: float | None) -> float | None:
        """Sort rows into landed, duplicate and contradictory, and decide the roles of the pairs that land.

        Args:
            seed_fraction: None: it is decided here. Returns the one that holds, None if no pair is new.
        """
        self._con.execute(_LABELS)
        rejected, accepted, new, added, unlabelled = self._con.execute(_COUNTS).fetchall()[0]
        self.quarantined, self.landed, self.labels_added = rejected, new + added, added
        self.duplicates, self.new_pairs = accepted - self.landed, new
        if seed_fraction is None and new:
            seed_fraction = seed_fraction_of(every_pair_labelled=unlabelled == 0)
        self._decide_roles(1.0 if seed_fraction is None else seed_fraction)
        return seed_fraction

    def _decide_roles(self, fraction: float) -> None:
        schema = pa.schema([("pair_id", pa.string()), ("role", pa.string()), ("fixed", pa.bool_())])
        self._map(
            "new_role",
            """SELECT n.pair_id, k.unit, k.purpose, n.asked, h.pair_id IS NOT NULL AS labelled FROM new_pair n
            JOIN every_key k ON k.key = n.prompt_key LEFT JOIN first_human h USING (pair_id)""",
            schema,
            lambda rows: [
                {
                    "pair_id": row["pair_id"],
                    "role": first_role(row["purpose"], row["unit"], row["labelled"], row["asked"], fraction),
                    "fixed": row["asked"] is not None,
                }
                for row in rows
            ],
        )
        self._map(
            "late_role",
            """SELECT h.pair_id, h.asked, k.purpose, o.role AS old, o.fixed FROM first_human h
            JOIN known o USING (pair_id) JOIN every_key k ON k.key = h.prompt_key""",
            schema.insert(1, pa.field("old", pa.string())),
            lambda rows: [
                {**row, "role": later_role(row["old"], row["purpose"], row["fixed"], row["asked"])} for row in rows
            ],
        )

    def new_rows(self) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
        """The rows that each kind of part gains, with the time of the landing."""
        queries = {
            "pairs": (_NEW_PAIRS, ["pair_id"]),
            "labels": (_NEW_LABELS.format("false"), ["pair_id", "annotator"]),
            "judge_labels": (_NEW_LABELS.format("true"), ["pair_id", "annotator"]),
            "role_changes": ("SELECT pair_id, role FROM late_role WHERE role <> old", ["pair_id"]),
            "keys": ("SELECT key, unit, purpose FROM new_key", ["key"]),
        }
        for kind, (query, by) in queries.items():
            rows = ({**row, "landed_at": self.landed_at} for row in in_order(self._read(query), by, self._folder))
            yield kind, record_batches(rows, PARTS[kind])

    def rejected_rows(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """The bad rows in their order, with the name of their file."""
        for row in in_order(self._read(_REJECTED), ["seq"], self._folder):
            del row["seq"]
            yield {"file": names[row["number"]], **row}

    def _after_the_last_landing(self, now: datetime) -> datetime:
        last = self._con.execute(_LAST_LANDING).fetchall()[0][0]
        return now if last is None else max(now, datetime.fromtimestamp(0, UTC) + timedelta(microseconds=last + 1))

    def _read(self, query: str) -> Iterator[pa.RecordBatch]:
        return self._con.sql(query).to_arrow_reader(_BATCH)

    def _map(
        self,
        name: str,
        query: str,
        schema: pa.Schema,
        function: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    ) -> None:
        """Make the table `name` from the rows of `query`, a batch at a time."""

        def batches() -> Iterable[pa.RecordBatch]:
            for batch in self._con.sql(query).to_arrow_reader(_BATCH):
                yield pa.RecordBatch.from_pylist(function(batch.to_pylist()), schema=schema)

        path = self._folder / f"{name}.parquet"
        write_parquet(path, schema, batches())
        add_view(self._con, name, [path], schema)


def _settled(row: dict[str, Any]) -> dict[str, Any]:
    units = {purpose: row[f"{purpose}_unit"] for purpose in ("test", "calibration", "train")}
    known = [purpose for purpose, unit in units.items() if unit]
    purpose = decide_purpose(row["root"], known, row["asked"] or [], row["labelled"])
    return {"root": row["root"], "unit": first_unit(units, purpose, row["root"]), "purpose": purpose}
