"""Scoring encoded pairs with a reward model, batch by batch in the order of their plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ser.progress import Progress
from ser.reward_model import RewardModel
from ser.states import PairStates, collate


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


def score(
    model: RewardModel,
    states: PairStates,
    total: int,
    progress: Progress,
    wanted: Callable[[str], bool] = lambda pair_id: True,
) -> Iterator[Scored]:
    """The rewards of every wanted pair (`total` of them) of a part; memory does not grow with the part."""
    done = 0
    for batch in states.batches():
        items = [item for item in batch if wanted(item.pair.pair_id)]
        if not items:
            continue
        with torch.inference_mode():
            rewards = model.rewards(*collate(items, model.device)).tolist()
        for item, (reward_a, reward_b) in zip(items, rewards, strict=True):
            yield Scored(item.pair.pair_id, reward_a, reward_b)
        done += len(items)
        progress(done, total, "pairs")
