"""Scoring encoded pairs with a reward model, slice by slice, in batches of similar length."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np
import torch

from ser.data.batches import TOKENS
from ser.errors import SerError
from ser.method.scored import Scored
from ser.models.reward_model import RewardModel
from ser.models.states import EncodedStates, PairStates, batches, collate
from ser.progress import Progress
from ser.slices import Slices

_REWARDS = np.dtype("<f4")
Wanted = Callable[[str], bool]


def all_pairs(pair_id: str) -> bool:
    """Every pair is wanted."""
    return True


def score(
    model: RewardModel, pairs: PairStates, wanted: Wanted = all_pairs, batch_tokens: int = TOKENS
) -> Iterator[Scored]:
    """The rewards of every wanted pair; memory does not grow with the texts."""
    for _, items in pairs.slices():
        chosen = [item for item in items if wanted(item.pair.pair_id)]
        yield from _scored(chosen, _rewards(model, chosen, batch_tokens))


def score_slices(
    model: RewardModel,
    pairs: PairStates,
    slices: Slices,
    progress: Progress,
    wanted: Wanted = all_pairs,
    *,
    total: int,
    before: int = 0,
    known: Iterable[Mapping[str, Sequence[float]]] | None = None,
    batch_tokens: int = TOKENS,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Write the rewards of the wanted pairs of each missing slice, two float32 a pair.

    Args:
        progress: counts what is scored from `before`, the pairs of earlier parts, to `total`.
        known: for each slice, the rewards that this model has given to some of its pairs already; by default to none.
    """
    missing, done = set(slices.missing(rank, world)), before
    of_slices = repeat({}, slices.count) if known is None else known
    for (number, items), rewards in zip(pairs.slices(), of_slices, strict=True) if missing else ():
        chosen = [item for item in items if wanted(item.pair.pair_id)]
        new = [item for item in chosen if item.pair.pair_id not in rewards]
        done += len(new)
        if number in missing:
            scored = zip((item.pair.pair_id for item in new), _rewards(model, new, batch_tokens), strict=True)
            found = {**rewards, **dict(scored)}
            rows = [found[item.pair.pair_id] for item in chosen]
            slices.write(number, np.array(rows, _REWARDS).tobytes())
            progress(done, total, "pairs")


def read_scores(pairs: PairStates, slices: Slices, wanted: Wanted = all_pairs) -> Iterator[Scored]:
    """What `score_slices` wrote for these pairs."""
    for (_, items), data in zip(pairs.slices(), slices.read_all(), strict=True):
        chosen = [item for item in items if wanted(item.pair.pair_id)]
        yield from _scored(chosen, np.frombuffer(data, _REWARDS).reshape(-1, 2).tolist())


def _scored(items: Sequence[EncodedStates], rewards: Sequence[Sequence[float]]) -> list[Scored]:
    return [Scored(item.pair.pair_id, a, b) for item, (a, b) in zip(items, rewards, strict=True)]


@torch.inference_mode()
def _rewards(model: RewardModel, items: Sequence[EncodedStates], batch_tokens: int) -> list[list[float]]:
    parts = (model(*collate(batch, model)).tolist() for batch in batches(items, batch_tokens))
    rewards = [two for part in parts for two in part]
    for item, two in zip(items, rewards, strict=True):
        if not all(map(math.isfinite, two)):
            raise SerError(
                f"pair {item.pair.pair_id} has rewards that are not finite numbers: {two}.\nThe reward model diverged, "
                "or its backbone is damaged: set reward_model.learning_rate lower, or use another backbone."
            )
    return rewards
