"""The model of the seed and of each loop is its ensemble: one member for each teacher of the recipe."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ser.method.scored import Scored
from ser.method.selection import fold_of
from ser.specs import Scale


class EnsembleRewards(NamedTuple):
    """`rewards` [N, 2] and `spread` [N], or None where a pair has but one member's."""

    rewards: np.ndarray
    spread: np.ndarray | None


def combine(rewards: Sequence[np.ndarray], scales: Sequence[Scale]) -> EnsembleRewards:
    """The mean of the members' rewards, each less its offset and divided by its temperature.

    With r_m the rewards of member m, of M:

        r = 1/M sum_m (r_m - offset_m) / T_m,    spread = standard deviation (M - 1) of the (r_ma - r_mb) / T_m

    A single member's rewards are left as they are, so that an ensemble of one is that model.

    Args:
        rewards: [N, 2] of each member, over the same pairs in one order.
        scales: of each member.
    """
    if len(rewards) == 1:
        return EnsembleRewards(rewards[0], None)
    scaled = _scaled(rewards, scales)
    margins = scaled[..., 0] - scaled[..., 1]
    return EnsembleRewards(scaled.mean(axis=0), margins.std(axis=0, ddof=1))


def by_unseen_member(rewards: np.ndarray, scales: Sequence[Scale], folds: np.ndarray) -> EnsembleRewards:
    """Under `label_with = unseen`, the scaled rewards of each pair by the one member that was not trained on its label.

    The first loop has no labels to be trained on: all members score its pool (`combine`). Whatever says how often such
    labels are right has to be scored alike: a calibration pair by the member of the fold that its group would be in.

    Args:
        rewards: [N, 2] of each pair by that member.
        scales: as in `combine`.
        folds: [N] of each pair (`ser.method.selection.fold_of`), which is the number of its member.
    """
    offsets, temperatures = np.array([(scale.offset, scale.temperature) for scale in scales]).T[:, folds, None]
    return EnsembleRewards((rewards - offsets) / temperatures, None)


def ensemble_scores(members: Sequence[Sequence[Scored]], scales: Sequence[Scale]) -> list[Scored]:
    """What the ensemble says of pairs that each of its members has scored, in one order."""
    return _named(members, combine(_rewards(members), scales).rewards)


def unseen_scores(
    members: Sequence[Sequence[Scored]], scales: Sequence[Scale], groups: Mapping[str, str]
) -> list[Scored]:
    """What a labelling with `unseen` would say of pairs that no member has trained on: each is asked for its folds."""
    folds = np.array([fold_of(groups[one.pair_id], len(members)) for one in members[0]])
    own = np.stack(_rewards(members))[folds, np.arange(len(folds))]
    return _named(members, by_unseen_member(own, scales, folds).rewards)


def _rewards(members: Sequence[Sequence[Scored]]) -> list[np.ndarray]:
    return [np.array([(one.reward_a, one.reward_b) for one in member]).reshape(-1, 2) for member in members]


def _named(members: Sequence[Sequence[Scored]], rewards: np.ndarray) -> list[Scored]:
    return [Scored(one.pair_id, a, b) for one, (a, b) in zip(members[0], rewards.tolist(), strict=True)]


def _scaled(rewards: Sequence[np.ndarray], scales: Sequence[Scale]) -> np.ndarray:
    """[M, N, 2]"""
    return np.stack([(one - scale.offset) / scale.temperature for one, scale in zip(rewards, scales, strict=True)])
