"""The steps of a loop that are no arithmetic, timed one by one.

python -m bench.bookkeeping_steps PAIRS FOLDER MODEL      prints {step: {"seconds", "peak_bytes"}}
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assets.audit import audit_path
from bench.bookkeeping import pair_file
from resources.audit.database import AuditDatabase
from resources.audit.sync import sync
from resources.evolution import Evolution
from resources.landing.zone import Landing
from resources.settings import Backbone, Settings
from ser.data import tables
from ser.data.pairs import unit_interval
from ser.progress import silent
from ser.specs import Roles, Thresholds
from ser.stages.filter_pairs import FilterPairsSpec
from ser.stages.label import write_labels
from ser.stages.report_status import ReportStatusSpec
from ser.stages.split import SplitSpec


class Steps:
    """Seconds and peak memory of each step, in this process."""

    def __init__(self) -> None:
        self.measured: dict[str, dict[str, float]] = {}

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do and measure `work`."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (man 5 proc)
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        self.measured[name] = {"seconds": seconds, "peak_bytes": peak_bytes()}
        print(f"{name}: {seconds:.1f} s, {peak_bytes() / 1e6:.0f} MB", file=sys.stderr, flush=True)
        return result


def peak_bytes() -> int:
    """The largest resident memory of this process since it was last set back."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024


def bookkeep(size: int, root: Path, model: str) -> dict[str, dict[str, float]]:
    """Take `size` pairs through one loop whose scorer is a hash."""
    steps, file, settings = Steps(), root / "pairs.jsonl", Settings(backbone=Backbone(model=model))
    pair_file(file, size)
    landed = steps.step("land", lambda: Landing(root, settings).land([file], "many"))
    work = Evolution(root, settings, landed.snapshot)
    steps.step("landed_pairs", lambda: _built(work, "landed_pairs", lambda out: _write(work, out)))
    splits = steps.step("splits", lambda: _split(work))
    pool = splits.path / "pool.parquet"
    labels = steps.step(
        "self_labels, stub scorer",
        lambda: _built(
            work, "loop_1/self_labels", lambda out: write_labels(_stub(pool), out, temperature=1.0).model_dump()
        ),
    )
    inputs = {"self_labels": labels.part("self_labels.parquet"), "summary": labels.part("summary.json")}
    spec = ReportStatusSpec(loop=1, thresholds=Thresholds(), n_min=20, select="status")
    report = steps.step("status_report", lambda: work.make("loop_1/status_report", "report_status", spec, inputs))
    chosen = {"self_labels": inputs["self_labels"], "status": report.part("status.json")}
    rule = FilterPairsSpec(target="hard")
    steps.step("filtered_pairs", lambda: work.make("loop_1/filtered_pairs", "filter_pairs", rule, chosen))
    counts = steps.step("audit_sync", lambda: sync(AuditDatabase(audit_path(root)), work.record()))
    if counts["self_labels"] != tables.count(pool):
        raise AssertionError(f"{counts['self_labels']} labels of {tables.count(pool)} reached the audit")
    return steps.measured


def _built(work: Evolution, key: str, make: Callable[[Path], dict[str, Any]]) -> Any:
    version = hashlib.sha256(f"{key} {work.snapshot}".encode()).hexdigest()[:16]
    inputs = {"reward_model": {"version": "stub"}}
    artifact = work.store.build(key, version, make, {"stage": "bench", "inputs": inputs, "run_id": ""}, silent)
    work.heads.set(artifact)
    return artifact


def _write(work: Evolution, out: Path) -> dict[str, int]:
    return work.landing().write_snapshot(work.snapshot, out)


def _split(work: Evolution) -> Any:
    landed = work.heads.get("landed_pairs")
    parts = {name: landed.part(f"{name}.parquet") for name in ("pairs", "labels", "judge_labels")}
    return work.make("splits", "split", SplitSpec(roles=Roles()), parts)


def _stub(pool: Path) -> Iterator[dict[str, Any]]:
    for row in tables.read(pool, columns=["pair_id"]):
        rewards = {f"reward_{side}": 4 * unit_interval(side, row["pair_id"]) for side in "ab"}
        yield row | rewards | {"spread": None}


if __name__ == "__main__":
    print(json.dumps(bookkeep(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
