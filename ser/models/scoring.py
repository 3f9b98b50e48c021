"""Scoring encoded pairs with a reward model, batch by batch in the order of their plan."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from ser.kept import Journal
from ser.method.scored import Scored
from ser.models.reward_model import RewardModel
from ser.models.states import EncodedStates, PairStates, collate
from ser.progress import Progress


def score_batches(model: RewardModel, batches: Iterable[Sequence[EncodedStates]]) -> Iterator[list[Scored]]:
    """The rewards of the pairs of each batch."""
    for batch in batches:
        yield _scored(batch, _rewards(model, batch))


def score(
    model: RewardModel,
    states: PairStates,
    total: int,
    progress: Progress,
    wanted: Callable[[str], bool] = lambda pair_id: True,
    *,
    before: int = 0,
    journal: Journal | None = None,
) -> Iterator[Scored]:
    """The rewards of every wanted pair of a part; memory does not grow with the texts.

    `progress` counts from `before`, the pairs of earlier parts, to `total`. What the journal of a killed process holds
    is not computed again.
    """
    done = before
    chosen = ([item for item in batch if wanted(item.pair.pair_id)] for batch in states.batches())
    for number, items in enumerate(filter(None, chosen)):
        known = journal is not None and number < len(journal.found)
        rewards = journal.found[number] if journal and known else _rewards(model, items)
        if journal and not known:
            journal.add(rewards)
        yield from _scored(items, rewards)
        done += len(items)
        if not known:
            progress(done, total, "pairs")


def _scored(items: Sequence[EncodedStates], rewards: Sequence[Sequence[float]]) -> list[Scored]:
    return [Scored(item.pair.pair_id, a, b) for item, (a, b) in zip(items, rewards, strict=True)]


@torch.inference_mode()
def _rewards(model: RewardModel, items: Sequence[EncodedStates]) -> list[list[float]]:
    return model(*collate(items, model.device)).tolist()
