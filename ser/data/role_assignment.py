"""Assigning roles to the pairs of a snapshot: units, ties between them, and the draw, for more pairs than memory holds.

A unit is what is drawn as one: a `group`, or the dialogue of a pair without one (the prompts that begin with the same
messages up to the first of the user). Units that share a dialogue are tied, and take the strictest of their draws: a
tie that comes later can only move them towards the test. Under `roles.fold` that draw is shifted as a whole, so that
the folds share the units out; there a later tie may move a unit to another fold.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ser.data.roles import DRAW, Fractions, Labelled, decide_fractions
from ser.specs import Roles

LARGE_UNIT = 0.05
"""Share of the pairs beyond which one unit decides too much by itself."""

_UNITS = """
CREATE TEMP TABLE placed AS SELECT pair_id, asked, 'd' || dialogue AS dialogue_key,
  'g' || substr(sha256("group"), 1, 24) AS group_key FROM pair;
CREATE TEMP TABLE component AS SELECT DISTINCT dialogue_key AS key, dialogue_key AS root FROM placed
    WHERE group_key IS NOT NULL
  UNION SELECT DISTINCT group_key, group_key FROM placed WHERE group_key IS NOT NULL;
CREATE TEMP TABLE tie AS SELECT DISTINCT dialogue_key AS one, group_key AS other FROM placed
  WHERE group_key IS NOT NULL;
INSERT INTO tie SELECT other, one FROM tie;
"""

# Every root with a smaller neighbour hooks itself to the least of them, and hooks of hooks are followed to their end.
# Roots without a smaller neighbour are no neighbours of each other: at least half of the tied roots go in each round.
_HOOKS = """
CREATE OR REPLACE TEMP TABLE hook AS SELECT a.root, min(b.root) AS target
  FROM tie t JOIN component a ON a.key = t.one JOIN component b ON b.key = t.other
  WHERE b.root < a.root GROUP BY a.root;
"""
_FOLLOW = """
CREATE OR REPLACE TEMP TABLE hook AS SELECT h.root, coalesce(n.target, h.target) AS target
  FROM hook h LEFT JOIN hook n ON n.root = h.target;
"""
_ROOTS = """
CREATE OR REPLACE TEMP TABLE component AS SELECT key, coalesce(h.target, c.root) AS root
  FROM component c LEFT JOIN hook h ON h.root = c.root;
"""

_VOTES = """
CREATE TEMP TABLE vote AS SELECT pair_id, count(*) FILTER (origin = 'landed') AS votes,
    coalesce(sum(points) FILTER (origin = 'landed'), 0) AS landed,
    coalesce(sum(points) FILTER (origin = 'review'), 0) AS review,
    min(points) < max(points) AS disputed
  FROM (SELECT pair_id, origin, CASE preferred WHEN 'a' THEN 1 ELSE -1 END AS points FROM label) GROUP BY pair_id;
CREATE TEMP TABLE rooted AS SELECT p.pair_id, p.asked, coalesce(c.root, p.dialogue_key) AS root,
    coalesce(p.group_key, p.dialogue_key) AS unit
  FROM placed p LEFT JOIN component c ON c.key = p.dialogue_key;
"""

_UNITS_BY_HASH = """
SELECT root, count(*) FROM rooted GROUP BY root ORDER BY sha256('max_pairs:' || root), root
"""

# `votes` decides what a pair may be used for, and never what the votes say: the vault's labels can be flipped.
_KNOWN = """
CREATE TEMP TABLE known AS SELECT r.*, coalesce(v.votes, 0) AS votes, coalesce(v.landed, 0) AS landed,
    coalesce(v.review, 0) AS review, coalesce(v.disputed, false) AS disputed
  FROM rooted r SEMI JOIN used USING (root) LEFT JOIN vote v USING (pair_id);
"""

_LABELLED = """
SELECT count(*), count(*) FILTER (votes > 0), count(*) FILTER (votes > 0 AND asked IS NULL),
  count(*) FILTER (votes > 0 AND asked = 'train'), count(*) FILTER (votes > 0 AND asked = 'test') FROM known
"""

_PURPOSES = """
CREATE TEMP TABLE purpose AS
WITH size AS (SELECT root, count(*) AS n, bool_or(votes > 0) AS labelled,
      bool_or(asked = 'test') AS test, bool_or(asked = 'calibration') AS calibration,
      bool_or(asked IN ('seed', 'pool')) AS train, bool_or(asked = 'train') AS no_test FROM known GROUP BY root),
  drawn AS (SELECT root, min({draw}) AS first FROM (SELECT DISTINCT root, unit FROM known) GROUP BY root),
  place AS (SELECT root, (first - {shift} + 1) % 1 AS drawn FROM drawn),
  placed AS (SELECT *, CASE WHEN no_test THEN {test} + drawn * (1 - {test}) ELSE drawn END AS place
    FROM size JOIN place USING (root))
SELECT root, n,
  CASE WHEN test THEN 'test' WHEN calibration THEN 'calibration' WHEN train OR NOT labelled THEN 'train'
    WHEN place < {test} THEN 'test' WHEN place < {test} + {calibration} THEN 'calibration' ELSE 'train' END AS purpose,
  CASE WHEN place < {test} + {calibration} THEN place / ({test} + {calibration})
    ELSE (1 - place) / nullif(1 - {test} - {calibration}, 0) END < {seed} AS is_seed
FROM placed
"""

_ROLES = """
CREATE TEMP TABLE decided AS SELECT pair_id, root, asked, disputed, landed, review,
  CASE WHEN asked = 'unused' THEN 'unused'
    WHEN review <> 0 THEN CASE purpose WHEN 'train' THEN 'seed' ELSE 'unused' END
    WHEN asked = 'train' AND purpose = 'test' THEN 'unused'
    WHEN purpose <> CASE WHEN asked IN ('seed', 'pool') THEN 'train' WHEN asked = 'train' THEN purpose
      ELSE coalesce(asked, purpose) END THEN 'unused'
    WHEN asked IN ('seed', 'pool', 'calibration', 'test')
      THEN CASE WHEN asked <> 'pool' AND landed = 0 THEN 'unused' ELSE asked END
    WHEN purpose <> 'train' THEN CASE landed WHEN 0 THEN 'unused' ELSE purpose END
    WHEN landed <> 0 AND is_seed THEN 'seed' ELSE 'pool' END AS role
FROM known JOIN purpose USING (root);
CREATE TEMP TABLE assigned AS SELECT pair_id, CASE
    WHEN role IN ('test', 'calibration') AND place > {heldout_max} THEN 'unused' ELSE role END AS role,
  CASE WHEN sign(CASE review WHEN 0 THEN landed ELSE review END) = 0 THEN NULL
    WHEN CASE review WHEN 0 THEN landed ELSE review END > 0 THEN 'a' ELSE 'b' END AS preferred,
  substr(sha256(root), 1, 16) AS unit
FROM (SELECT * REPLACE (CASE WHEN role = 'seed' AND review = 0 AND of_root > {seed_per_group} THEN 'unused' ELSE role
      END AS role), row_number() OVER (PARTITION BY role ORDER BY sha256('heldout:' || root), pair_id) AS place
  FROM (SELECT *, row_number() OVER (PARTITION BY role, root ORDER BY sha256('seed:' || pair_id)) AS of_root
    FROM decided))
UNION ALL SELECT pair_id, 'unused', NULL, NULL FROM rooted ANTI JOIN used USING (root);
"""

_COUNTS = """
SELECT coalesce(map_from_entries(list((role, n))), map()), (SELECT count(*) FROM assigned WHERE role = 'pool'
    AND preferred IS NOT NULL)
FROM (SELECT role, count(*) AS n FROM assigned GROUP BY role)
"""

_ODD = ("disputed", "undecided", "contradictions", "beyond_max_pairs", "beyond_heldout_max", "beyond_seed_per_group")
_ODDITIES = """
SELECT count(*) FILTER (disputed), count(*) FILTER (disputed AND CASE review WHEN 0 THEN landed ELSE review END = 0),
  count(*) FILTER (d.role = 'unused' AND asked <> 'unused' AND review = 0),
  (SELECT count(*) FROM rooted ANTI JOIN used USING (root)), count(*) FILTER (a.role <> d.role AND d.role <> 'seed'),
  count(*) FILTER (a.role <> d.role AND d.role = 'seed')
FROM decided d JOIN assigned a USING (pair_id)
"""


@dataclass(frozen=True)
class Assignment:
    """What came of a draw: the fractions that held, and pairs by role.

    Attributes:
        counts: pairs of each role, and `vault`: pool pairs whose label is known.
        disputed: pairs whose raters disagree; undecided: those of them without a majority, which have no label.
        contradictions: pairs that ask for a role that what they are tied to rules out; they are unused.
        beyond_max_pairs, beyond_heldout_max, beyond_seed_per_group: pairs that these settings leave out.
        largest_unit: pairs of the largest group of tied units.
    """

    fractions: Fractions
    labelled: Labelled
    counts: dict[str, int]
    disputed: int
    undecided: int
    contradictions: int
    beyond_max_pairs: int
    beyond_heldout_max: int
    beyond_seed_per_group: int
    largest_unit: int

    def oddities(self) -> list[str]:
        """What a person should know of this draw, a sentence each."""
        pairs = self.labelled.pairs
        said = {
            f"raters disagree on {_pairs(self.disputed)}: the majority decides (a review before it); "
            f"{_pairs(self.undecided)} without one have no label.": self.disputed,
            f"{_pairs(self.contradictions)} asked for a role that contradicts what the group or prompt is used for: "
            "unused.": self.contradictions,
            f"{self.largest_unit:,} of {pairs:,} pairs share a group or a first message, and so all get one role.": (
                pairs >= 100 and self.largest_unit > LARGE_UNIT * pairs
            ),
            f"{_pairs(self.beyond_max_pairs)} beyond roles.max_pairs: unused.": self.beyond_max_pairs,
            f"{_pairs(self.beyond_heldout_max)} beyond roles.heldout_max: unused.": self.beyond_heldout_max,
            f"{_pairs(self.beyond_seed_per_group)} beyond roles.seed_per_group: unused.": self.beyond_seed_per_group,
            f"{_pairs(self.labelled.asked_test)} asked to be tested with, and others are drawn beside them; "
            "roles.test_fraction = 0 leaves a published test set alone.": (
                self.labelled.asked_test and self.counts["test"] > self.labelled.asked_test
            ),
        }
        return [sentence for sentence, due in said.items() if due]


def assign_roles(con: duckdb.DuckDBPyConnection, roles: Roles) -> Assignment:
    """Make the table `assigned` (pair_id, role, preferred: the label that counts, or null; unit) and describe it.

    Args:
        con: with the views `pair` (pair_id, dialogue, group, asked) and `label` (pair_id, preferred, origin), which
            holds people's labels only.
    """
    con.execute(_UNITS)
    _connect(con)
    unlimited = max(1, _count(con, "placed"))
    con.execute(_VOTES)
    _choose_used(con, roles.max_pairs)
    con.execute(_KNOWN)
    labelled = Labelled(*con.execute(_LABELLED).fetchall()[0])
    fractions = decide_fractions(roles, labelled)
    con.execute(
        _PURPOSES.format(
            draw=DRAW.format(draw=roles.draw, unit="unit"),
            shift=repr(roles.shift),
            **{name: repr(getattr(fractions, name)) for name in ("test", "calibration", "seed")},
        )
    )
    limits = {"heldout_max": roles.heldout_max or unlimited, "seed_per_group": roles.seed_per_group or unlimited}
    con.execute(_ROLES.format(**limits))
    return _assignment(con, fractions, labelled)


def _pairs(number: int) -> str:
    return f"{number:,} pair{'' if number == 1 else 's'}"


def _connect(con: duckdb.DuckDBPyConnection) -> None:
    """Let every key's root be the least key that a chain of ties leads to."""
    con.execute(_HOOKS)
    while _count(con, "hook"):
        while _count(con, "hook h JOIN hook n ON n.root = h.target"):
            con.execute(_FOLLOW)
        con.execute(_ROOTS)
        con.execute(_HOOKS)


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    return con.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]


def _choose_used(con: duckdb.DuckDBPyConnection, max_pairs: int | None) -> None:
    """Make the table `used`: whole units in the order of a hash, each that still fits."""
    con.execute("CREATE TEMP TABLE used AS SELECT DISTINCT root FROM rooted")
    if max_pairs is None:
        return
    left, beyond = max_pairs, []
    for root, pairs in con.execute(_UNITS_BY_HASH).fetchall():
        if pairs <= left:
            left -= pairs
        else:
            beyond.append(root)
    con.register("beyond", pa.table({"root": pa.array(beyond, pa.string())}))
    con.execute("DELETE FROM used WHERE root IN (SELECT root FROM beyond)")


def _assignment(con: duckdb.DuckDBPyConnection, fractions: Fractions, labelled: Labelled) -> Assignment:
    counts, vault = con.execute(_COUNTS).fetchall()[0]
    oddities = con.execute(_ODDITIES).fetchall()[0]
    largest = con.execute("SELECT coalesce(max(n), 0) FROM purpose").fetchall()[0][0]
    every = {role: counts.get(role, 0) for role in ("seed", "calibration", "test", "pool", "unused")}
    return Assignment(
        fractions, labelled, every | {"vault": vault}, **dict(zip(_ODD, oddities, strict=True)), largest_unit=largest
    )
