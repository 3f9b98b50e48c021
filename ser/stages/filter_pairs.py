"""Stage: keep the self-labelled pairs that meet the rule of the loop's status."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.method.selection import PairRule, select_pair
from ser.progress import Progress
from ser.stages.specs import FilterPairsSpec


def run(spec: FilterPairsSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write `filtered.parquet` (every pair with its reason) and `kept.parquet` (what is trained on)."""
    status = json.loads(inputs["status"].read_text())["status"]
    pair_rule = PairRule.of_loop("status", status, spec.thresholds)

    def decided() -> Iterator[dict[str, Any]]:
        for row in tables.read(inputs["self_labels"]):
            scored = (row[name] for name in ("p_a", "p_b", "confidence", "preferred"))
            kept, rule, reason, _, weight = select_pair(pair_rule, "hard", *scored)
            yield {
                "pair_id": row["pair_id"],
                "preferred": row["preferred"],
                "rule": rule,
                "kept": kept,
                "reason": reason,
                "weight": weight,
            }

    total = tables.write(out / "filtered.parquet", tables.FILTERED, decided())
    kept = (row for row in tables.read(out / "filtered.parquet", columns=[*tables.LABELS.names, "kept"]) if row["kept"])
    n_kept = tables.write(
        out / "kept.parquet",
        tables.LABELS,
        ({"pair_id": row["pair_id"], "preferred": row["preferred"]} for row in kept),
    )
    return {"n_kept": n_kept, "n_left": total - n_kept, "rule": f"status_{status}"}
