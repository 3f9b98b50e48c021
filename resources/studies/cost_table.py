"""What self-training took, stage by stage, beside training on all labels."""

import re
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from resources import asset_keys as keys
from resources.studies.comparison import FULL, Row
from resources.studies.outcome import Outcome

SELF_TRAINING, FULL_LABELS, ALL = "the evolution", "all labels", "in all"
_KINDS = {
    SELF_TRAINING: {
        "states": r"states/.+",
        "seed RM": r"seed_rm(/member_\d+)?",
        "labelling": r"loop_\d+/(self_labels|status_report|filtered_pairs)",
        "retraining": r"loop_\d+/retrained_rm(/member_\d+)?",
        "held-out scoring": r"(seed_rm|loop_\d+/retrained_rm)\.heldout",
    },
    FULL_LABELS: {
        "states": r"states/.+",
        "training": rf"{keys.FULL_LABEL_RM}(/member_\d+)?",
        "held-out scoring": rf"{keys.FULL_LABEL_RM}\.heldout",
    },
}
"""Way to the kinds of its stages, and the asset keys of each."""


class StageCost(NamedTuple):
    """What the stages of a kind took together, a mean over draws; of memory the most. None where nobody knows it."""

    way: str
    kind: str
    seconds: float | None
    cpu_seconds: float | None
    peak_memory: float | None
    tokens: float | None
    flops: float | None


def stage_costs(row: Row) -> Iterator[StageCost]:
    """Of the evolutions of a row and of their training on all labels: each kind of stage, then all of them."""
    for way, kinds in _KINDS.items():
        outcomes = [one for one in row.outcomes if one.costs and (way == SELF_TRAINING or FULL in one.answers)]
        if not outcomes:
            continue
        for kind, pattern in kinds.items():
            yield _stage_cost(way, kind, outcomes, pattern)
        yield _stage_cost(way, ALL, outcomes, "|".join(f"({pattern})" for pattern in kinds.values()))


def labels_saved(row: Row) -> float:
    """The labels that training on all of them would have needed: one for each pair of the pool."""
    return fmean(one.pairs["pool"] for one in row.outcomes)


def _stage_cost(way: str, kind: str, outcomes: Sequence[Outcome], pattern: str) -> StageCost:
    made = [[key for key in one.costs if re.fullmatch(pattern, key)] for one in outcomes]
    pairs = list(zip(outcomes, made, strict=True))
    costs = [[one.costs[key] for key in keys_of] for one, keys_of in pairs]
    return StageCost(
        way=way,
        kind=kind,
        seconds=_mean([_whole([one.seconds.get(key) for key in keys_of]) for one, keys_of in pairs]),
        cpu_seconds=_mean([_whole([one.cpu_seconds for one in each]) for each in costs]),
        peak_memory=_mean([max(known) for each in costs if (known := _known(one.peak_memory for one in each))]),
        tokens=_mean([sum(known) for each in costs if (known := _known(one.tokens for one in each))]),
        flops=_mean([sum(known) for each in costs if (known := _known(one.flops for one in each))]),
    )


def _whole(values: Sequence[float | None]) -> float | None:
    """The sum; None where one is not known (that of states whose record is gone from the cache)."""
    known = _known(values)
    return sum(known) if known and len(known) == len(values) else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None
