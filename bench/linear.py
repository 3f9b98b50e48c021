"""`python -m bench.linear FILE`: self-training of a linear model, over as many draws as one likes.

A reward that is linear in what the frozen layers of the embedded model say has one best fit: it is never trained too
little, no random seed moves it, and an evolution takes a second. So it tells which choices of the method gain, apart
from how a network is trained, in many draws of seed and test pairs instead of six. What a network does with them
is for the studies to confirm.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t

from bench.linear_features import LinearPairs, linear_pairs
from bench.measure import table
from resources.stamp import machine, versions
from ser.method.calibration import confidence, fit_temperature, sigmoids
from ser.method.precision import calibrated_cut
from ser.method.selection import fold_of, human_weight
from ser.specs import Target

FOLDS, HUMAN_SHARE = 3, 0.3
PENALTIES = (0.1, 1.0)
"""Of the squared weights, where a pair has the mean squared length 1: a weak and a strong one."""


class Choice(NamedTuple):
    """What is trained on. `keeps`: a share of the pool, or how far from the seed's accuracy to 1 the promise lies."""

    target: Target
    by: Literal["share", "promise"]
    keeps: float


class Roles(NamedTuple):
    """Numbers of pairs."""

    seed: np.ndarray
    calibration: np.ndarray
    test: np.ndarray
    pool: np.ndarray


class Evolved(NamedTuple):
    """Of each loop the test accuracy less the seed's, how many pairs of the pool it kept, and how many were right."""

    gains: list[float]
    kept: list[int]
    right: list[int]


CHOICES = [
    *(Choice("hard", "share", share) for share in (0.15, 0.3, 0.6, 0.8, 1.0)),
    *(Choice("hard", "promise", way) for way in (0.0, 0.1, 0.25)),
    *(Choice("soft", "share", share) for share in (0.3, 0.6, 1.0)),
    Choice("soft", "promise", 0.25),
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.linear")
    parser.add_argument("file", type=Path)
    parser.add_argument("--labels", type=int, nargs="+", default=[40])
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--loops", type=int, default=3)
    parsed = parser.parse_args()
    if parsed.draws < 2:
        parser.error("--draws must be at least 2: one draw has no interval")
    if parsed.loops < 2:
        parser.error("--loops must be at least 2: the second is what the last columns are of")
    pairs = linear_pairs(parsed.file)
    print(f"{parsed.file.name}: {len(pairs.labels):,} pairs, {parsed.draws} draws; {machine()}; {versions()}\n")
    of_loops = [f"loop {loop}" for loop in range(1, parsed.loops + 1)]
    headings = ["labels", "penalty", "seed", "all labels", "targets", "kept by", *of_loops, "kept", "right", "worst"]
    rows = [
        row
        for labels in parsed.labels
        for penalty in PENALTIES
        for row in _rows(pairs, labels, penalty, range(parsed.draws), parsed.loops)
    ]
    print(table(rows, headings))


def _rows(pairs: LinearPairs, labels: int, penalty: float, draws: Sequence[int], loops: int) -> list[list[str]]:
    every = [_roles(pairs, labels, np.random.default_rng(draw)) for draw in draws]
    seeds = [_fit(pairs.x[one.seed], pairs.labels[one.seed], np.ones(labels), penalty) for one in every]
    full = [np.concatenate([one.seed, one.pool]) for one in every]
    ceilings = [
        _accuracy(pairs, one, [_fit(pairs.x[all_], pairs.labels[all_], np.ones(len(all_)), penalty)])
        for one, all_ in zip(every, full, strict=True)
    ]
    starts = [_accuracy(pairs, one, [seed]) for one, seed in zip(every, seeds, strict=True)]
    about = [f"{labels}", f"{penalty:g}", _percent(np.mean(starts)), _percent(np.mean(ceilings))]
    rows = []
    for choice in CHOICES:
        found = [_evolve(pairs, one, seed, choice, penalty, loops) for one, seed in zip(every, seeds, strict=True)]
        gains = np.array([one.gains for one in found])
        shares = np.mean([np.array(one.kept[:2]) / len(of.pool) for one, of in zip(found, every, strict=True)], axis=0)
        kept, right = (sum(sum(getattr(one, name)) for one in found) for name in ("kept", "right"))
        rows.append(
            [
                *about,
                choice.target,
                f"share {choice.keeps:.0%}" if choice.by == "share" else f"promise {choice.keeps:.0%}",
                *(_interval(gains[:, loop]) for loop in range(loops)),
                ", ".join(f"{share:.0%}" for share in shares),
                _percent(right / kept) if kept else "–",
                f"{100 * gains[:, 1].min():+.1f}",
            ]
        )
    return [[cell.replace("%", " %").replace("  %", " %").replace("-", "−") for cell in row] for row in rows]


def _roles(pairs: LinearPairs, labels: int, random: np.random.Generator) -> Roles:
    """42 % of the groups are tested, 14 % calibrate; each pair of the seed is of a group of its own."""
    groups = random.permutation(np.unique(pairs.groups))
    tests, calibrates = int(0.42 * len(groups)), int(0.56 * len(groups))
    of = {group: np.flatnonzero(pairs.groups == group) for group in groups}
    if len(groups) - calibrates < labels:
        raise SystemExit(f"{len(groups):,} groups leave no {labels} for a seed with a pair of each")
    seed = [random.choice(of[group]) for group in groups[calibrates : calibrates + labels]]
    test, calibration = (
        np.concatenate([of[one] for one in part]) for part in (groups[:tests], groups[tests:calibrates])
    )
    pool = np.concatenate([of[one] for one in groups[calibrates + labels :]])
    return Roles(np.array(seed), calibration, test, pool)


def _evolve(pairs: LinearPairs, roles: Roles, seed: np.ndarray, choice: Choice, penalty: float, loops: int) -> Evolved:
    """Loops as `robust` has them: fresh students, the whole pool, labels of those that they did not teach."""
    folds = np.array([fold_of(group, FOLDS) for group in pairs.groups])
    members, start = [seed] * FOLDS, _accuracy(pairs, roles, [seed])
    found = Evolved([], [], [])
    seed_accuracy = _accuracy(pairs, roles, [seed], roles.calibration)
    for _ in range(loops):
        margins, scored = (_unseen(pairs, members, folds, part) for part in (roles.pool, roles.calibration))
        signs = np.where(pairs.labels[roles.calibration] > 0.5, 1, -1)
        temperature = fit_temperature(scored * signs)
        heldout = Heldout(scored * signs, temperature, pairs.groups[roles.calibration], seed_accuracy)
        kept = _kept(choice, margins / temperature, heldout)
        if len(kept) == 0:
            rest = loops - len(found.gains)
            found.gains.extend([found.gains[-1] if found.gains else 0.0] * rest)
            found.kept.extend([0] * rest)
            found.right.extend([0] * rest)
            break
        chosen, probability = roles.pool[kept], sigmoids(margins[kept] / temperature)
        target = (probability > 0.5).astype(float) if choice.target == "hard" else probability
        members = [
            _student(pairs, roles.seed, chosen[folds[chosen] != fold], target[folds[chosen] != fold], penalty)
            for fold in range(FOLDS)
        ]
        found.gains.append(_accuracy(pairs, roles, members) - start)
        found.kept.append(len(kept))
        found.right.append(int(((probability > 0.5) == (pairs.labels[chosen] > 0.5)).sum()))
    return found


def _unseen(pairs: LinearPairs, members: list[np.ndarray], folds: np.ndarray, part: np.ndarray) -> np.ndarray:
    every = np.stack([pairs.x[part] @ member for member in members])
    return np.asarray(every[folds[part], np.arange(len(part))])


class Heldout(NamedTuple):
    """The margins of calibration pairs, positive where right, with what they say; and the seed's accuracy on them."""

    correct: np.ndarray
    temperature: float
    groups: np.ndarray
    seed_accuracy: float


def _kept(choice: Choice, scaled: np.ndarray, heldout: Heldout) -> np.ndarray:
    """The numbers, in the pool, of the pairs that are trained on."""
    if choice.by == "share":
        return np.argsort(-np.abs(scaled))[: round(choice.keeps * len(scaled))]
    confidences = sigmoids(np.abs(scaled))
    held = np.array([confidence(margin, heldout.temperature) for margin in heldout.correct])
    promised = heldout.seed_accuracy + (1 - heldout.seed_accuracy) * choice.keeps
    n_min = max(20, round(0.02 * len(scaled)))
    cut = calibrated_cut(held, heldout.correct > 0, list(heldout.groups), confidences, promised, n_min)
    return np.flatnonzero(confidences > cut.confidence) if cut.confidence is not None else np.array([], dtype=int)


def _student(
    pairs: LinearPairs, seed: np.ndarray, chosen: np.ndarray, target: np.ndarray, penalty: float
) -> np.ndarray:
    weights = np.concatenate(
        [np.full(len(seed), human_weight(len(seed), len(chosen), HUMAN_SHARE)), np.ones(len(chosen))]
    )
    return _fit(pairs.x[np.concatenate([seed, chosen])], np.concatenate([pairs.labels[seed], target]), weights, penalty)


def _fit(x: np.ndarray, target: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Weights [K] of the least `sum_i w_i log-loss(x_i w, target_i) + penalty |w|² / 2`, by Newton's steps."""
    weights = weights / weights.mean()
    found = np.zeros(x.shape[1])
    for _ in range(50):
        probability = sigmoids(x @ found)
        curvature = (x * (weights * probability * (1 - probability))[:, None]).T @ x + penalty * np.eye(x.shape[1])
        step = np.linalg.solve(curvature, x.T @ (weights * (target - probability)) - penalty * found)
        found = found + step
        if np.abs(step).max() < 1e-6:
            return found
    raise ArithmeticError("no fit in 50 steps")


def _accuracy(pairs: LinearPairs, roles: Roles, members: list[np.ndarray], part: np.ndarray | None = None) -> float:
    of = roles.test if part is None else part
    rewards = np.mean([pairs.x[of] @ member for member in members], axis=0)
    return float(((rewards > 0) == (pairs.labels[of] > 0.5)).mean())


def _interval(gains: np.ndarray) -> str:
    """The mean over draws with its 95 % interval, in points; draws share their pairs, so that it is too narrow."""
    half = t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / len(gains) ** 0.5
    return f"{100 * gains.mean():+.1f} ± {100 * half:.1f}"


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
