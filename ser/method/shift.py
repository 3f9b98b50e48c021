"""Whether two piles of pairs look alike: how well a classifier tells them apart by their texts and sources.

A classifier two-sample test (Lopez-Paz and Oquab, arXiv 1610.06545): logistic regression on hashed words,
the source and lengths, cross-validated by groups. Where the two piles have one distribution its AUC is 0.5.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser.method.calibration import sigmoids
from ser.method.stats import z_value

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS = 5
LEAST = 40
"""Pairs of each pile without which nothing is said: eight a fold."""
_WORDS = 2**13
"""Places that words are hashed to: some thousand pairs have not many more that are frequent enough to matter."""
_WORD = re.compile(r"\w+")


class PairTexts(NamedTuple):
    """The texts of a pair, and where it is from."""

    prompt: str
    response_a: str
    response_b: str
    source: str | None


class Auc(NamedTuple):
    """The area under the ROC curve with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def tell_apart(human: Sequence[PairTexts], pool: Sequence[PairTexts], groups: Sequence[str]) -> Auc | None:
    """How well a classifier that was trained on other groups tells `human` from `pool`; None if there are too few.

    The interval is that of the cross-validated scores: it allows for groups, and not for another training.

    Args:
        groups: what ties each pair to others, of `human` and then of `pool`. A group is in one fold, or else whoever
            remembers its prompt would tell its pairs.
    """
    if min(len(human), len(pool)) < LEAST:
        return None
    sides = np.array([True] * len(human) + [False] * len(pool))
    words, lengths = hashed_words([*human, *pool]), text_lengths([*human, *pool])
    numbers = {group: number for number, group in enumerate(sorted(set(groups)))}
    folds = np.array([numbers[group] % FOLDS for group in groups])
    scores = np.full(len(sides), np.nan)
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        if _has_both(sides[train]) and _has_both(sides[test]):
            scores[test] = _fit_and_score(words[train], lengths[train], sides[train], words[test], lengths[test])
    scored = ~np.isnan(scores)
    return clustered_auc(scores[scored], sides[scored], np.array(groups)[scored], folds[scored])


def clustered_auc(scores: np.ndarray, positive: np.ndarray, groups: np.ndarray, folds: np.ndarray) -> Auc | None:
    """The AUC over pairs of cases within a fold, whose models' scores may be compared; None if there are none.

    Its variance is that of the sums of placements by group (Obuchowski, 1997, which is DeLong's where every case is
    alone), so that cases of one group count as they should.
    """
    kept = [fold for fold in np.unique(folds) if _has_both(positive[folds == fold])]
    sizes = {fold: int(positive[folds == fold].sum()) * int((~positive[folds == fold]).sum()) for fold in kept}
    total, value, sums = sum(sizes.values()), 0.0, Counter[str]()
    for fold in kept:
        here = folds == fold
        placed, auc = _placements(scores[here], positive[here])
        value += auc * sizes[fold] / total
        for group, part in zip(groups[here], placed, strict=True):
            sums[group] += part * sizes[fold] / total
    if len(sums) < 2:
        return None
    variance = float(sum(part * part for part in sums.values())) * len(sums) / (len(sums) - 1)
    half = z_value() * variance**0.5
    return Auc(value, max(0.0, value - half), min(1.0, value + half))


def hashed_words(pairs: Iterable[PairTexts]) -> "csr_matrix":
    """[N, 2^13] the logarithms of 1 + how often a word stands in the prompt, or in the responses; rows of length 1.

    The source is one word more.
    """
    from scipy.sparse import csr_matrix

    values, places, ends = [], [], [0]
    for pair in pairs:
        told = Counter(f"p {word}" for word in _WORD.findall(pair.prompt.lower()))
        told.update(f"r {word}" for text in pair[1:3] for word in _WORD.findall(text.lower()))
        told.update([f"s {pair.source}"] if pair.source is not None else [])
        row = np.log1p(np.fromiter(told.values(), dtype=float, count=len(told)))
        values.append(row / (np.linalg.norm(row) or 1.0))
        places.append(np.array([zlib.crc32(word.encode()) % _WORDS for word in told], dtype=np.int64))
        ends.append(ends[-1] + len(told))
    return csr_matrix((np.concatenate(values), np.concatenate(places), ends), shape=(len(ends) - 1, _WORDS))


def text_lengths(pairs: Iterable[PairTexts]) -> np.ndarray:
    """[N, 3] the logarithms of 1 + the characters of the prompt, of the shorter and of the longer response."""
    return np.log1p([(len(one.prompt), *sorted((len(one.response_a), len(one.response_b)))) for one in pairs])


def _has_both(sides: np.ndarray) -> bool:
    return bool(sides.any()) and not bool(sides.all())


def _fit_and_score(
    words: "csr_matrix", lengths: np.ndarray, sides: np.ndarray, other_words: "csr_matrix", other_lengths: np.ndarray
) -> np.ndarray:
    """The scores of other pairs under a ridge logistic regression, whose weights have a standard normal prior."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix, hstack

    mean, scale = lengths.mean(axis=0), lengths.std(axis=0) + 1e-9
    table, other = (
        hstack([rows, csr_matrix(np.column_stack([(sizes - mean) / scale, np.ones(len(sizes))]))]).tocsr()
        for rows, sizes in ((words, lengths), (other_words, other_lengths))
    )
    signs = np.where(sides, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (table @ weights)
        slope = table.T @ (-signs * sigmoids(-margins)) + weights
        return float(np.logaddexp(0, -margins).sum() + weights @ weights / 2), slope

    fitted = minimize(loss, np.zeros(table.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(other @ fitted.x)


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """What each case adds to the AUC's deviation, and the AUC.

    Of a positive case that is (the share of negative ones below it - AUC) / the number of positive ones, and of a
    negative one likewise (DeLong, DeLong and Clarke-Pearson, 1988).
    """
    from scipy.stats import rankdata

    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks, placed = rankdata(scores), np.empty(len(scores))
    placed[positive] = (ranks[positive] - rankdata(scores[positive])) / n_negative
    placed[~positive] = 1 - (ranks[~positive] - rankdata(scores[~positive])) / n_positive
    auc = float(placed[positive].mean())
    return (placed - auc) / np.where(positive, n_positive, n_negative), auc
