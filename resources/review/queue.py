"""`ser review export`: from the artifacts of an evolution to a queue for people."""

import tempfile
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.review.files import write_queue
from resources.review.ranking import ScoredLoop, rank
from ser.data import tables
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.selection import PairRule


def export_queue(
    work: Evolution,
    n: int,
    folder: Path | None = None,
    known: AbstractSet[str] = frozenset(),
    *,
    skip_known: bool = False,
) -> dict[str, Any]:
    """Write the `n` pairs of the pool whose human label would teach most, and say what was written.

    The tables of the evolution are read, except that of the vault: no label of it can change the queue.

    Args:
        work: an evolution that has labelled its pool.
        folder: by default `review/<snapshot>/<settings digest>` in the data root, and another beside it if known pairs
            are skipped, or some were answered since.
        known: the pairs that have a human label already, whichever it is.
        skip_known: leave these out. Pairs that were answered in a review since are left out in any case.

    Raises:
        SerError: every pair has a label already, or the folder holds other files of these names.
    """
    loops, pool = scored_loops(work), work.pairs("pool").path
    landed = work.heads.get(keys.LANDED_PAIRS).part("pairs.parquet").path
    reviewed = work.landing().reviewed(work.dataset)
    answered = frozenset(row["pair_id"] for row in tables.read(pool, ["pair_id"]) if row["pair_id"] in reviewed)
    with tempfile.TemporaryDirectory() as spill:
        chosen = rank(loops, pool, landed, n, Path(spill), answered | (known if skip_known else frozenset()))
    if not chosen:
        raise _nobody_to_ask(work, skip_known)
    name = f"{work.identity}{'-skip-known' * skip_known}{f'-after-{len(answered)}' if answered else ''}"
    folder = folder or work.root / "review" / name
    write_queue(chosen, folder)
    return {
        "snapshot": work.snapshot,
        "evolution": work.identity,
        "recipe": work.settings.recipe,
        "settings": work.settings.digest,
        "loops": len(loops),
        "folder": str(folder),
        "n": len(chosen),
        "known": sum(one.pair.pair_id in known for one in chosen),
        "reasons": dict(sorted(Counter(one.reason for one in chosen).items())),
        "sources": dict(sorted(Counter(one.source or "" for one in chosen).items())),
    }


def _nobody_to_ask(work: Evolution, skip_known: bool) -> SerError:
    if skip_known:
        return SerError(
            f"every pair of the pool of {work.identity} has a human label already: there is none to ask for.\n"
            "Without --skip-known the queue asks for a second opinion."
        )
    return SerError(
        f"every pair of the pool of {work.identity} was answered already: there is none to ask for.\n"
        f"Run: ser run --dataset {work.dataset}"
    )


def ended_at_the_gate(work: Evolution) -> bool:
    """Whether no loop was run, because the seed RM is not shown to be better than a coin."""
    promotion = work.heads.find(keys.EVOLVED_RM)
    return promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN


def scored_loops(work: Evolution) -> list[ScoredLoop]:
    """The loops whose status is decided; heads after one that converged, or a closed gate, are an earlier run's."""
    loops: list[ScoredLoop] = []
    if ended_at_the_gate(work):
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
