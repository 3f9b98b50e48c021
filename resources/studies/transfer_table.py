"""What the models of one data set are worth on the test pairs of the others."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from resources.studies.comparison import Answered, Row, last_model
from resources.studies.outcome import SEED, Outcome, Transfer
from ser.method.clustered import ClusteredMean, clustered_mean


class Transferred(NamedTuple):
    """The models of `row` on the test pairs of the data set `to`, and those that were trained there, a draw each.

    `left_out` of its test pairs have a prompt of the row's own training pairs. `own_seed` and `own_last` are accuracies
    of the models that were trained on `to`, on all of its test pairs.
    """

    row: Row
    to: str
    draws: int
    tests: float
    left_out: float
    seed: float
    last: float
    gain: ClusteredMean
    own_seed: float
    own_last: float


def transfers(table: Sequence[Row], tests: Answered) -> Iterator[Transferred]:
    """Each row on every other data set, by the draws whose answers are those of the pairs that are there now."""
    for row in table:
        for there in (one for one in table if one.options == row.options and one.dataset != row.dataset):
            own = {one.draw: one for one in there.outcomes}
            both = [
                (one, one.transfers[there.dataset], own[one.draw])
                for one in row.outcomes
                if one.draw in own and there.dataset in one.transfers
            ]
            known = [one for one in both if one[1].snapshot == one[2].snapshot]
            if known:
                yield _transferred(row, there.dataset, known, tests)


def _transferred(row: Row, to: str, known: Sequence[tuple[Outcome, Transfer, Outcome]], tests: Answered) -> Transferred:
    seed, last, groups, draws, own_seed, own_last = [], [], [], [], [], []
    for outcome, answers, own in known:
        answered = tests[answers.tests]
        seed += answers.right(SEED, answered)
        last += answers.right(last_model(outcome), answered)
        groups += answered.of_pairs()
        draws += [outcome.draw] * sum(answered.sizes)
        own_seed += own.right(SEED, tests[own.tests])
        own_last += own.right(last_model(own), tests[own.tests])
    return Transferred(
        row=row,
        to=to,
        draws=len(known),
        tests=len(seed) / len(known),
        left_out=fmean(answers.left_out for _, answers, _ in known),
        seed=fmean(seed),
        last=fmean(last),
        gain=clustered_mean([float(a) - float(b) for a, b in zip(last, seed, strict=True)], groups, draws),
        own_seed=fmean(own_seed),
        own_last=fmean(own_last),
    )
