"""Strata of the pool: pairs that are kept at one share each, so that a selection amplifies no bias between them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ser.data import tables
from ser.method.precision import Cut

_MUCH = 1.25
"""Times as long as the other: what is called longer or shorter."""


def length_stratum(preferred: str, other: str) -> str:
    """Whether a label prefers the longer response, the shorter one, or one of two that are about as long."""
    ratio = max(1, len(preferred)) / max(1, len(other))
    return "longer" if ratio > _MUCH else "shorter" if ratio < 1 / _MUCH else "alike"


def rank_within(confidence: np.ndarray, strata: Sequence[str]) -> np.ndarray:
    """[N] in (0, 1]: the share of a pair's own stratum that is as sure as it or surer."""
    names, ranks = np.asarray(strata), np.empty(len(confidence))
    for name in np.unique(names):
        here = names == name
        order = np.argsort(-confidence[here], kind="stable")
        place = np.empty(len(order))
        place[order] = (np.arange(len(order)) + 1) / len(order)
        ranks[here] = place
    return ranks


def cuts_of(confidence: np.ndarray, strata: Sequence[str], kept: np.ndarray) -> dict[str, float]:
    """Of each stratum, the confidence that its `kept` pairs exceed; 1 where none is kept."""
    names = np.asarray(strata)
    found = {}
    for name in np.unique(names):
        sure = confidence[(names == name) & kept]
        found[str(name)] = float(np.nextafter(sure.min(), 0)) if len(sure) else 1.0
    return found


def cut_strata(
    confidence: np.ndarray, strata: Sequence[str], choose: Callable[[np.ndarray | None], Cut]
) -> tuple[Cut, dict[str, float]]:
    """The cut of a pool, and of each of its strata, where there are any.

    Args:
        confidence: [N] of the pool's pairs.
        strata: [N], or none.
        choose: the cut where pairs come in the order of these ranks, or without ranks the surest first.
    """
    if not strata:
        return choose(None), {}
    cut = choose(ranks := rank_within(confidence, strata))
    if cut.confidence is None:
        return cut, {}
    return cut, cuts_of(confidence, strata, ranks <= np.sort(ranks)[cut.n - 1])


def length_strata(self_labels: Path, pool: Path) -> Iterator[str]:
    """The stratum of each self-label; both tables are in the order of pair_id, and the pool may hold more."""
    texts = tables.read(pool, ["pair_id", "response_a", "response_b"])
    for row in tables.read(self_labels, ["pair_id", "preferred"]):
        pair = next(one for one in texts if one["pair_id"] == row["pair_id"])
        responses = pair["response_a"], pair["response_b"]
        yield length_stratum(*(responses if row["preferred"] == "a" else responses[::-1]))
