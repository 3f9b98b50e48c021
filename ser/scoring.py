"""Scoring encoded pairs with a reward model, batch by batch in the order of their plan."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ser.progress import Progress
from ser.reward_model import RewardModel
from ser.states import EncodedStates, PairStates, collate


@dataclass(frozen=True)
class Scored:
    """The raw rewards of one pair."""

    pair_id: str
    reward_a: float
    reward_b: float

    @property
    def margin(self) -> float:
        """reward_a - reward_b"""
        return self.reward_a - self.reward_b


def score_batches(model: RewardModel, batches: Iterable[Sequence[EncodedStates]]) -> Iterator[list[Scored]]:
    """The rewards of the pairs of each batch."""
    for batch in batches:
        with torch.inference_mode():
            rewards = model.rewards(*collate(batch, model.device)).tolist()
        yield [Scored(item.pair.pair_id, a, b) for item, (a, b) in zip(batch, rewards, strict=True)]


def score(
    model: RewardModel,
    states: PairStates,
    total: int,
    progress: Progress,
    wanted: Callable[[str], bool] = lambda pair_id: True,
) -> Iterator[Scored]:
    """The rewards of every wanted pair (`total` of them) of a part; memory does not grow with the part."""
    done = 0
    chosen = ([item for item in batch if wanted(item.pair.pair_id)] for batch in states.batches())
    for scored in score_batches(model, filter(None, chosen)):
        yield from scored
        done += len(scored)
        progress(done, total, "pairs")
