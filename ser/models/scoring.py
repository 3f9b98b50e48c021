"""Scoring encoded pairs with a reward model, slice by slice, in batches of similar length."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import torch

from ser.data.batches import TOKENS
from ser.errors import SerError
from ser.method.scored import Scored
from ser.models.reward_model import RewardModel
from ser.models.states.pairs import EncodedStates, PairStates, collate, in_batches
from ser.models.token_budget import TokenBudget
from ser.progress import Progress
from ser.slices import Slices

_REWARDS = np.dtype("<f4")
_BATCHES = 4
"""Batches of a group, at least: the last one is what the others leave, which may be little."""
_MOST_SLICES = 64
"""Slices of a group, at most: where nearly all is known already, memory must not grow with the pool."""
Wanted = Callable[[str], bool]


def all_pairs(pair_id: str) -> bool:
    """Every pair is wanted."""
    return True


def score(
    model: RewardModel, pairs: PairStates, wanted: Wanted = all_pairs, batch_tokens: int | None = TOKENS
) -> Iterator[Scored]:
    """The rewards of every wanted pair; memory does not grow with the texts."""
    budget = TokenBudget.for_scoring(model, batch_tokens)
    for _, items in pairs.slices():
        chosen = [item for item in items if wanted(item.pair.pair_id)]
        yield from _scored(chosen, _finite(chosen, _rewards(model, chosen, budget)))


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
    batch_tokens: int | None = TOKENS,
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
    budget = TokenBudget.for_scoring(model, batch_tokens)

    def write(group: Sequence[_Slice], rewards: torch.Tensor) -> None:
        new = [item for one in group for item in one.new]
        found = dict(zip((item.pair.pair_id for item in new), _finite(new, rewards), strict=True))
        for one in group:
            of_slice = {**one.known, **found}
            rows = [of_slice[item.pair.pair_id] for item in one.chosen]
            slices.write(one.number, np.array(rows, _REWARDS).tobytes())
            progress(one.done, total, "pairs")

    def wanted_slices() -> Iterator[_Slice]:
        nonlocal done
        for (number, items), rewards in zip(pairs.slices(), of_slices, strict=True) if missing else ():
            one = _Slice(number, [item for item in items if wanted(item.pair.pair_id)], rewards)
            done += len(one.new)
            if number in missing:
                yield replace(one, done=done)

    on_gpu = model.device.type == "cuda"
    scored: deque[tuple[list[_Slice], torch.Tensor]] = deque()
    for group in _groups(wanted_slices(), _BATCHES * budget.tokens if on_gpu else 0):
        scored.append((group, _rewards(model, [item for one in group for item in one.new], budget)))
        if len(scored) > on_gpu:  # a GPU works on the next ones meanwhile
            write(*scored.popleft())
    for group, rewards in scored:
        write(group, rewards)


@dataclass(frozen=True)
class _Slice:
    """The wanted pairs of a slice, what is known of them already, and how many new ones there are up to its end."""

    number: int
    chosen: Sequence[EncodedStates]
    known: Mapping[str, Sequence[float]]
    done: int = 0

    @property
    def new(self) -> list[EncodedStates]:
        return [item for item in self.chosen if item.pair.pair_id not in self.known]


def _groups(slices: Iterable[_Slice], tokens: int) -> Iterator[list[_Slice]]:
    """Slices in groups of at least so many tokens that are new: a GPU takes more at once than a slice has.

    Of a processor each slice is a group, so that its bytes do not depend on which others are missing.
    """
    group: list[_Slice] = []
    held = 0
    for one in slices:
        group.append(one)
        held += sum(len(item.pair) for item in one.new)
        if held >= tokens or len(group) == _MOST_SLICES:
            yield group
            group, held = [], 0
    if group:
        yield group


def read_scores(pairs: PairStates, slices: Slices, wanted: Wanted = all_pairs) -> Iterator[Scored]:
    """What `score_slices` wrote for these pairs."""
    for (_, items), data in zip(pairs.slices(), slices.read_all(), strict=True):
        chosen = [item for item in items if wanted(item.pair.pair_id)]
        yield from _scored(chosen, np.frombuffer(data, _REWARDS).reshape(-1, 2).tolist())


def _scored(items: Sequence[EncodedStates], rewards: Sequence[Sequence[float]]) -> list[Scored]:
    return [Scored(item.pair.pair_id, a, b) for item, (a, b) in zip(items, rewards, strict=True)]


@torch.no_grad()  # states that are kept are trained on later, which inference tensors cannot be
def _rewards(model: RewardModel, items: Sequence[EncodedStates], budget: TokenBudget) -> torch.Tensor:
    """[N, 2], where the model lies: on a GPU they may still be on their way."""
    parts = [rewards for _, rewards in in_batches(items, budget, lambda batch: model(*collate(batch, model)))]
    return torch.cat([torch.empty(0, 2, device=model.device), *parts])


def _finite(items: Sequence[EncodedStates], rewards: torch.Tensor) -> list[list[float]]:
    """The rewards of some pairs, once it is known that they are numbers."""
    rows: list[list[float]] = rewards.tolist()
    for item, two in zip(items, rows, strict=True):
        if not all(map(math.isfinite, two)):
            raise SerError(
                f"pair {item.pair.pair_id} has rewards that are not finite numbers: {two}.\nThe reward model diverged, "
                "or its backbone is damaged: set reward_model.learning_rate lower, or use another backbone."
            )
    return rows
