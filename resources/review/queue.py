"""`ser review export`: from the artifacts of the current snapshot to a queue for people."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.review.files import write_queue
from resources.review.ranking import ScoredLoop, rank
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.selection import PairRule


def export_queue(root: Path, snapshot: str, n: int, folder: Path | None = None) -> dict[str, Any]:
    """Write the `n` pairs of the snapshot's pool whose human label would teach most, and say what was written.

    The artifacts are those of the latest run of the snapshot that has labelled the pool. Their tables are read,
    except that of the vault: no label of it can change the queue.

    Args:
        folder: by default `review/<snapshot>/<settings digest>` in the data root.

    Raises:
        SerError: no loop has labelled the pool yet, or the folder holds other files of these names.
    """
    work, loops = _latest_run(root, snapshot)
    pool = work.pairs("pool").path
    landed = work.heads.get(keys.LANDED_PAIRS).part("pairs.parquet").path
    with tempfile.TemporaryDirectory() as spill:
        chosen = rank(loops, pool, landed, n, Path(spill))
    folder = folder or root / "review" / work.identity
    write_queue(chosen, folder)
    return {
        "snapshot": snapshot,
        "recipe": work.settings.recipe,
        "settings": work.settings.digest,
        "loops": len(loops),
        "folder": str(folder),
        "n": len(chosen),
        "reasons": dict(sorted(Counter(one.reason for one in chosen).items())),
        "sources": dict(sorted(Counter(one.source or "" for one in chosen).items())),
    }


def _latest_run(root: Path, snapshot: str) -> tuple[Evolution, list[ScoredLoop]]:
    """The last run of the snapshot that has labelled its pool, and the loops that did."""
    runs = [open_evolution(root, one) for one in known_evolutions(root) if one.snapshot == snapshot]
    for work in reversed(runs):
        if loops := _scored_loops(work):
            return work, loops
    dataset = snapshot.rpartition("-")[0]
    ended = runs and _ended_at_the_gate(runs[-1])
    why = "because the run ended at its gate (see ser report)" if ended else "yet"
    raise SerError(
        f"the pool of {snapshot}, the current snapshot of {dataset}, has not been labelled {why}.\n"
        f"Run: ser run --dataset {dataset}{' --anyway' if ended else ''}"
    )


def _ended_at_the_gate(work: Evolution) -> bool:
    promotion = work.heads.find(keys.EVOLVED_RM)
    return promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN


def _scored_loops(work: Evolution) -> list[ScoredLoop]:
    """The loops whose status is decided; heads after one that converged, or a closed gate, are an earlier run's."""
    loops: list[ScoredLoop] = []
    if _ended_at_the_gate(work):
        return loops
    for loop in range(1, work.settings.loops + 1):
        labels, report = (work.heads.find(key(loop)) for key in (keys.self_labels, keys.status_report))
        if labels is None or report is None:
            break
        rule = PairRule.model_validate(report.summary["rule"])
        loops.append(ScoredLoop(loop, labels.part("self_labels.parquet").path, rule))
        if report.summary["ends"]:
            break
    return loops
