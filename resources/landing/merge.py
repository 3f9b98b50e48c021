"""The second step of a landing: the staged rows against each other and against what landed before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.landing.comparison import JUDGE
from resources.landing.database import add_view, open_database
from resources.landing.parts import PARTS
from resources.landing.reasons import VARIABLE
from resources.landing.stage import SCHEMA, Staged
from resources.landing.staged_rows import add_columns
from ser.data.sorting import in_order

_BATCH = 1024

# A vote that nobody signs is named by its file and its place among the file's votes on the pair: landing the file again
# adds none, and rows that repeat are votes.
_SETUP = f"""
CREATE TABLE candidate AS SELECT seq, pair_id, preferred, role,
    CASE WHEN preferred IS NULL OR annotator <> '' THEN annotator ELSE 'unnamed ' || f.digest || '/'
      || row_number() OVER (PARTITION BY file, pair_id, preferred IS NULL, annotator ORDER BY seq) END AS annotator
  FROM staged JOIN file_digest f USING (file) WHERE reason IS NULL;
CREATE TABLE rejected AS SELECT seq, reason FROM staged WHERE reason IS NOT NULL;
CREATE TABLE known_label AS SELECT pair_id, preferred, annotator FROM known_labels
  UNION ALL SELECT pair_id, preferred, '{JUDGE}' FROM known_judge_labels;
CREATE TABLE first_label AS SELECT pair_id, annotator, min(seq) AS seq, arg_min(preferred, seq) AS preferred
  FROM candidate WHERE preferred IS NOT NULL GROUP BY ALL;
INSERT INTO rejected SELECT c.seq, CASE WHEN c.annotator LIKE 'unnamed ____________/%'
    THEN 'this file landed before with another label for this pair: ser forget the dataset, and land it anew'
    ELSE 'the label contradicts an earlier one by annotator ''' || c.annotator || '''' END
  FROM candidate c JOIN first_label f USING (pair_id, annotator)
    LEFT JOIN known_label k USING (pair_id, annotator)
  WHERE c.preferred <> coalesce(k.preferred, f.preferred);
DELETE FROM candidate WHERE seq IN (SELECT seq FROM rejected);
CREATE TABLE new_label AS SELECT * FROM first_label ANTI JOIN known_label USING (pair_id, annotator)
  SEMI JOIN candidate USING (seq);
CREATE TABLE new_pair AS SELECT pair_id, coalesce(min(seq) FILTER (s.source IS NOT NULL), min(seq)) AS seq
  FROM candidate JOIN staged s USING (seq, pair_id) ANTI JOIN known_pairs USING (pair_id) GROUP BY pair_id;
CREATE TABLE new_role AS SELECT pair_id, role, min(seq) AS seq FROM candidate
  WHERE role IS NOT NULL AND annotator <> '{JUDGE}' GROUP BY ALL;
DELETE FROM new_role WHERE (pair_id, role) IN (SELECT (pair_id, role) FROM known_asked_roles);
CREATE TABLE new_group AS SELECT c.pair_id, s."group", min(seq) AS seq FROM candidate c JOIN staged s USING (seq)
  WHERE s."group" IS NOT NULL GROUP BY ALL;
DELETE FROM new_group WHERE (pair_id, "group") IN (SELECT (pair_id, "group") FROM known_groups);
CREATE TABLE useful AS SELECT seq FROM new_pair UNION SELECT seq FROM new_label UNION SELECT seq FROM new_role
  UNION SELECT seq FROM new_group;
"""

_COUNTS = """
SELECT (SELECT count(*) FROM rejected), (SELECT count(*) FROM useful), (SELECT count(*) FROM candidate),
  (SELECT count(*) FROM new_label ANTI JOIN new_pair USING (seq)),
  (SELECT count(*) FROM new_label SEMI JOIN known_pairs USING (pair_id) WHERE annotator LIKE 'unnamed ____________/%')
"""

# Texts and metadata stay out of the database, which would hold those of a thousand rows at once.
_NEW_PAIRS = "SELECT seq FROM new_pair ORDER BY seq"
_OF_PAIRS = ("pair_id", "prompt", "response_a", "response_b", "source", "metadata", "dialogue")

_NEW_LABELS = f"""
SELECT seq, pair_id, preferred, annotator FROM new_label WHERE (annotator = '{JUDGE}') = {{}} ORDER BY seq
"""
_OF_LABELS = ("origin", "metadata")

_LAST_LANDING = """
SELECT epoch_us(max(landed_at)) FROM (SELECT landed_at FROM known_pairs UNION ALL SELECT landed_at FROM known_labels
  UNION ALL SELECT landed_at FROM known_judge_labels UNION ALL SELECT landed_at FROM known_asked_roles
  UNION ALL SELECT landed_at FROM known_groups)
"""

_REJECTED = "SELECT seq, reason FROM rejected ORDER BY seq"
_OF_REJECTED = ("file", "line", "raw", "raw_base64", "raw_bytes", "raw_sha256")

# What differs from row to row stands in quotes or is a number; the first such row is shown. What a label says is not
# folded: whoever maps one word has to know the others. More reasons than anybody reads are not kept in memory.
_REASONS = """
SELECT arg_min(reason, seq) AS reason, count(*) AS rows FROM rejected
GROUP BY CASE WHEN reason LIKE '% says %' THEN reason ELSE regexp_replace(reason, $variable, '…', 'g') END
ORDER BY rows DESC, min(seq) LIMIT 1000
"""


@dataclass(frozen=True)
class Counts:
    """Rows of a landing: read = landed + duplicates + quarantined; `labels_added` are among the landed.

    `unnamed_votes` are those of the added labels that nobody signed, for pairs of earlier landings.
    """

    quarantined: int
    landed: int
    labels_added: int
    duplicates: int
    unnamed_votes: int


class Merge:
    """One landing's tables.

    Attributes:
        landed_at: the time of this landing, which is after that of every earlier one, whatever the clock says.
        counts: what became of the rows.
    """

    def __init__(self, staged: Staged, known: Mapping[str, list[Path]], now: datetime):
        """Sort the staged rows into new, known and contradictory ones.

        Args:
            known: the parts, by kind, of all that landed before.
        """
        self._folder, self._table = staged.table.parent, staged.table
        self._con = open_database(self._folder / "spill")
        add_view(self._con, "read_rows", [self._table], SCHEMA)
        left_out = pa.table({"file": pa.array(staged.left_out, pa.int64())})
        self._con.register("left_out", left_out)
        self._con.execute("CREATE VIEW staged AS SELECT * FROM read_rows ANTI JOIN left_out USING (file)")
        digests = [digest[:12] for digest in staged.digests]
        numbers = pa.array(range(len(digests)), pa.int64())
        self._con.register("file_digest", pa.table({"file": numbers, "digest": pa.array(digests, pa.string())}))
        for kind, files in known.items():
            add_view(self._con, f"known_{kind}", files, PARTS[kind])
        self._con.execute(_SETUP)
        self.landed_at = self._after_the_last_landing(now)
        quarantined, landed, candidates, added, unnamed = self._con.execute(_COUNTS).fetchall()[0]
        self.counts = Counts(quarantined, landed, added, candidates - landed, unnamed)

    def __enter__(self) -> "Merge":
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def new_rows(self) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        """The rows that each kind of part gains, with the time of the landing."""
        labels = ["pair_id", "annotator"]
        queries: dict[str, tuple[str, tuple[str, ...], list[str]]] = {
            "pairs": (_NEW_PAIRS, _OF_PAIRS, ["pair_id"]),
            "labels": (_NEW_LABELS.format("false"), _OF_LABELS, labels),
            "judge_labels": (_NEW_LABELS.format("true"), _OF_LABELS, labels),
            "asked_roles": ("SELECT pair_id, role FROM new_role", (), ["pair_id", "role"]),
            "groups": ('SELECT pair_id, "group" FROM new_group', (), ["pair_id", "group"]),
        }
        for kind, (query, columns, by) in queries.items():
            rows = in_order(self._read(query, columns), by, self._folder)
            yield kind, ({**row, "landed_at": self.landed_at} for row in rows)

    def rejected_rows(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """The bad rows in their order, with the number and the name of their file."""
        for batch in self._read(_REJECTED, _OF_REJECTED):
            for row in batch.to_pylist():
                yield {**row, "number": row["file"], "file": names[row["file"]]}

    def reasons(self) -> list[dict[str, Any]]:
        """Why rows were rejected, the most frequent reason first, each with its `rows`."""
        return self._con.sql(_REASONS, params={"variable": VARIABLE}).to_arrow_table().to_pylist()

    def _after_the_last_landing(self, now: datetime) -> datetime:
        last = self._con.execute(_LAST_LANDING).fetchall()[0][0]
        return now if last is None else max(now, datetime.fromtimestamp(0, UTC) + timedelta(microseconds=last + 1))

    def _read(self, query: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """The rows of a query, which come by their `seq` if `columns` of the staged rows are to be added."""
        rows = self._con.sql(query).to_arrow_reader(_BATCH)
        return add_columns(rows, self._table, columns) if columns else rows
