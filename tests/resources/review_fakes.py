"""Tables of loops as the stages write them, for tests of the review queue."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.review.ranking import Chosen, ScoredLoop, rank
from ser.data import tables
from ser.method.selection import PairRule
from ser.specs import Thresholds

Scores = Mapping[str, tuple[float, float, float]]
"""pair_id to (p_a, p_b, confidence) in one loop."""


def choose(
    folder: Path,
    loops: Sequence[Scores],
    n: int,
    statuses: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
    left_out: AbstractSet[str] = frozenset(),
) -> list[Chosen]:
    """The queue of a pool that is what the first loop scored; every status is 2 unless it is said."""
    scored = []
    for number, scores in enumerate(loops, start=1):
        path = folder / f"self_labels-{number}.parquet"
        rows = [
            {"pair_id": pair_id, "reward_a": p_a, "reward_b": p_b, "p_a": p_a, "p_b": p_b, "confidence": sure,
             "preferred": "a" if p_a >= p_b else "b"}
            for pair_id, (p_a, p_b, sure) in sorted(scores.items())
        ]  # fmt: skip
        tables.write(path, tables.SELF_LABELS, rows)
        status: Any = statuses[number - 1] if statuses else "2"
        scored.append(ScoredLoop(number, path, PairRule.of_loop("status", status, Thresholds())))
    ids = sorted(loops[0])
    prompt = '[{"role":"user","content":"ask"}]'
    texts = ({"pair_id": one, "prompt": prompt, "response_a": f"x {one}", "response_b": f"y {one}"} for one in ids)
    tables.write(folder / "pool.parquet", tables.PAIRS, texts)
    domains = pa.array([(sources or {}).get(one) for one in ids], pa.string())
    pq.write_table(pa.table({"pair_id": pa.array(ids, pa.string()), "source": domains}), folder / "landed.parquet")
    spill = folder / "spill"
    spill.mkdir(exist_ok=True)
    return rank(scored, folder / "pool.parquet", folder / "landed.parquet", n, spill, left_out)
