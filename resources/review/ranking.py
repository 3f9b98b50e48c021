"""Which pairs of the pool people should label next: those whose human label would teach most.

Every pair is judged by the last loop that scored it, and stands in up to three lists, one per reason:

- `against_seed`: the loop's rule would keep its label, and the seed RM (whose labels are loop 1's) said the opposite.
  One of two confident models is wrong. The most confident first.
- `flipped`: its label changed from one loop to the next. The largest change of the probability that `response_a`
  is the better one comes first.
- `near_cut`: the decision variable of the loop's rule is near its threshold, so that a little noise decides whether
  the pair is trained on. The nearest first. Every pair of the pool is in this list.

The reasons take turns, each with the first pair of its list that was not taken yet; within a list the domains
(`source`) take turns; within a domain the best comes first, and equals come in the order of `pair_id`. Nothing is
drawn at random, and nothing is read that a human label of the pool could have changed.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType
from duckdb.sqltypes import DOUBLE

from resources.landing.database import add_view, open_database
from ser.data import tables
from ser.data.database import pattern
from ser.data.pairs import Pair
from ser.method.selection import PairRule, distance_to_rule

Reason = Literal["against_seed", "flipped", "near_cut"]
REASONS: tuple[Reason, ...] = ("against_seed", "flipped", "near_cut")

_HISTORY = """
CREATE TABLE history AS SELECT pair_id, count(*) AS loops, max(loop) AS loop,
    arg_max(preferred, loop) AS preferred, arg_max(confidence, loop) AS confidence,
    arg_max(above_cut, loop) AS above_cut, arg_min(preferred, loop) AS seed_preferred,
    count(*) FILTER (preferred <> before) AS flips, max(swing) FILTER (preferred <> before) AS swing
  FROM (SELECT *, lag(preferred) OVER steps AS before, abs(p - lag(p) OVER steps) AS swing
    FROM (SELECT *, CASE preferred WHEN 'a' THEN confidence ELSE 1 - confidence END AS p FROM scored)
    WINDOW steps AS (PARTITION BY pair_id ORDER BY loop))
  GROUP BY pair_id;
"""

# Taking n pairs in turns passes over at most n of a list.
_LISTS = """
WITH listed AS (
    SELECT pair_id, 'against_seed' AS reason, confidence AS score FROM history
      WHERE preferred <> seed_preferred AND above_cut > 0
    UNION ALL SELECT pair_id, 'flipped', swing FROM history WHERE flips > 0
    UNION ALL SELECT pair_id, 'near_cut', -abs(above_cut) FROM history),
  domains AS (
    SELECT l.*, row_number() OVER (PARTITION BY reason, source ORDER BY score DESC, pair_id) AS round
      FROM listed l LEFT JOIN landed USING (pair_id) QUALIFY round <= $n)
SELECT reason, pair_id, row_number() OVER (PARTITION BY reason ORDER BY round, score DESC, pair_id) AS place
  FROM domains QUALIFY place <= $n ORDER BY reason, place
"""

_QUEUE = """
SELECT c.reason, h.*, source, t.prompt, t.response_a, t.response_b
  FROM chosen c JOIN history h USING (pair_id) JOIN pool t USING (pair_id) LEFT JOIN landed USING (pair_id)
  ORDER BY c.place
"""


@dataclass(frozen=True)
class ScoredLoop:
    """A loop that has labelled the pool: its number, its self-labels (parquet) and what its pairs had to meet."""

    loop: int
    self_labels: Path
    rule: PairRule


@dataclass(frozen=True)
class Chosen:
    """A pair of the queue, and what speaks for it. `preferred` is the machine's label, of the loop `loop`."""

    pair: Pair
    source: str | None
    reason: Reason
    loop: int
    loops: int
    preferred: str
    confidence: float
    above_cut: float
    seed_preferred: str
    flips: int
    swing: float | None

    @property
    def why(self) -> str:
        """The reason in words."""
        cut = (
            f"the rule of loop {self.loop} was {'met' if self.above_cut > 0 else 'missed'} by {abs(self.above_cut):.3f}"
        )
        if self.reason == "against_seed":
            return f"loop {self.loop} contradicts the seed RM with confidence {self.confidence:.3f}; {cut}"
        if self.reason == "flipped":
            times = "once" if self.flips == 1 else f"{self.flips} times"
            return f"its label changed {times} in {self.loops} loops, its probability by up to {self.swing:.3f}"
        return cut


def rank(
    loops: Sequence[ScoredLoop],
    pool: Path,
    landed: Path,
    n: int,
    spill: Path,
    left_out: AbstractSet[str] = frozenset(),
) -> list[Chosen]:
    """The first `n` pairs of the queue (fewer if the pool is smaller), best first.

    Args:
        loops: at least loop 1, in their order.
        pool: the table of pool pairs without labels.
        landed: a table with the `source` of each pair; no other column is read.
        spill: an empty folder for what does not fit into the memory that `open_database` allows.
        left_out: pairs that are not asked for, as if the pool had none of them.
    """
    with open_database(spill) as con:
        add_view(con, "pool", [pool], tables.PAIRS)
        con.read_parquet(pattern(landed)).project("pair_id, source").create_view("landed")
        con.register("left_out", pa.table({"pair_id": pa.array(sorted(left_out), pa.string())}))
        _add_scored(con, loops)
        con.execute(_HISTORY)
        lists: dict[str, list[str]] = {reason: [] for reason in REASONS}
        for reason, pair_id, _ in con.execute(_LISTS, {"n": n}).fetchall():
            lists[reason].append(pair_id)
        taken = _in_turns(lists, n)
        columns = {"pair_id": list(taken), "reason": list(taken.values()), "place": range(len(taken))}
        con.register("chosen", pa.table(columns))
        return [_chosen(row) for row in con.sql(_QUEUE).to_arrow_table().to_pylist()]


def _in_turns(lists: Mapping[str, list[str]], n: int) -> dict[str, str]:
    """Up to `n` pairs with their reason: each list in its turn gives its first pair that was not given before."""
    taken: dict[str, str] = {}
    waiting = {reason: iter(pairs) for reason, pairs in lists.items()}
    while waiting:
        for reason in list(waiting):
            pair = next((pair for pair in waiting[reason] if pair not in taken), None)
            if pair is None:
                del waiting[reason]
            elif len(taken) < n:
                taken[pair] = reason
            else:
                return taken
    return taken


def _add_scored(con: duckdb.DuckDBPyConnection, loops: Sequence[ScoredLoop]) -> None:
    """Make `scored` a view with a row per loop and pair; `above_cut` is the distance by which its rule is met.

    Pairs of the table `left_out` are not in it.
    """
    for one in loops:
        add_view(con, f"loop_{one.loop}", [one.self_labels], tables.SELF_LABELS)
        name, kind = f"above_cut_{one.loop}", PythonUDFType.ARROW
        con.create_function(name, _distance(one.rule), [DOUBLE] * 3, DOUBLE, type=kind)
    con.execute(
        "CREATE TEMP VIEW scored AS "
        + " UNION ALL ".join(
            f"SELECT pair_id, preferred, confidence, {one.loop} AS loop, "
            f"above_cut_{one.loop}(p_a, p_b, confidence) AS above_cut FROM loop_{one.loop} "
            "WHERE pair_id NOT IN (SELECT pair_id FROM left_out)"
            for one in loops
        )
    )


def _distance(rule: PairRule) -> Callable[..., pa.Array]:
    def distance(p_a: pa.Array, p_b: pa.Array, confidence: pa.Array) -> pa.Array:
        return pa.array(distance_to_rule(rule, p_a.to_numpy(), p_b.to_numpy(), confidence.to_numpy()))

    return distance


def _chosen(row: dict[str, Any]) -> Chosen:
    pair = Pair(**{name: row.pop(name) for name in tables.PAIRS.names})
    return Chosen(pair=pair, **row)
