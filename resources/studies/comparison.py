"""A study's outcomes as rows: each setting against its own seed and controls, and an axis's options against one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from resources.studies.outcome import LAST, SEED, AnsweredPairs, LoopOutcome, Outcome
from resources.studies.plan import StudyPlan
from ser.method.clustered import ClusteredMean, ClusteredRatio, clustered_mean, clustered_ratio

FULL = "full_label_rm"
NAIVE = "naive_self_training_rm"
Answered = Mapping[str, AnsweredPairs]
"""The digest of some test pairs to what ties them."""


class Row(NamedTuple):
    """The evolutions of one data set under one combination of options, a draw each."""

    dataset: str
    options: Mapping[str, str]
    outcomes: Sequence[Outcome]


class Difference(NamedTuple):
    """What the last loop of `row` (or loop 1) gains over another model in so many of its draws, as a share of pairs."""

    row: Row
    over: str
    draws: int
    gain: ClusteredMean


def rows(plan: StudyPlan, outcomes: Sequence[Outcome]) -> list[Row]:
    """The outcomes by data set and options, in the order of the plan; a combination without any has no row."""
    found = []
    for cell in plan.model_copy(update={"draws": plan.draws[:1]}).cells():
        here = [one for one in outcomes if (one.dataset, one.options) == (cell.dataset, cell.options)]
        if here:
            found.append(Row(cell.dataset, cell.options, here))
    return found


def last_model(outcome: Outcome) -> str:
    """The name of the last trained loop's model; of the seed's where no loop trained one."""
    loop = outcome.last_loop()
    return f"loop_{loop}" if loop else SEED


def controls(row: Row) -> list[str]:
    """The controls that some evolution of the row has: where no loop trained a model there is no `more_steps_rm`."""
    return sorted({name for one in row.outcomes for name in one.answers if name.endswith("_rm")})


def accuracy(row: Row, model: str, tests: Answered) -> float:
    """The share of test pairs that a model which every draw has (the seed's, the last loop's) ranks right."""
    return fmean(right for one in row.outcomes for right in _right(one, model, tests))


def gains(row: Row, tests: Answered) -> list[Difference]:
    """The last loop over the seed, and over each control in the draws that have it; over naive self-training loop 1."""
    found = []
    for name in (SEED, *controls(row)):
        having = [one for one in row.outcomes if name in one.answers]
        pairs = [(one, "loop_1" if name == NAIVE and one.last_loop() else LAST, one, name) for one in having]
        found.append(Difference(row, name, len(having), _difference(pairs, tests)))
    return found


def loop_gains(row: Row, tests: Answered) -> list[tuple[int, int, ClusteredMean]]:
    """Each loop over the seed: its number, in how many evolutions it trained a model, and its gain in those."""
    found = []
    for loop in sorted({int(name[5:]) for one in row.outcomes for name in one.answers if name.startswith("loop_")}):
        trained = [one for one in row.outcomes if f"loop_{loop}" in one.answers]
        pairs = [(one, f"loop_{loop}", one, SEED) for one in trained]
        found.append((loop, len(trained), _difference(pairs, tests)))
    return found


def recovered(row: Row, tests: Answered) -> ClusteredRatio | None:
    """The share of the gap between seed and full labels that the last loop closes, in the draws with full labels.

    None where it is not shown that there is a gap (the interval of what is divided by reaches down to 0), or where no
    loop of these draws trained a model.
    """
    having = [one for one in row.outcomes if FULL in one.answers]
    if not any(one.last_loop() for one in having):
        return None
    closed, gap = (_changes([(one, name, one, SEED) for one in having], tests) for name in (LAST, FULL))
    return clustered_ratio(closed.values, gap.values, gap.groups, gap.draws)


def axis_gains(plan: StudyPlan, table: Sequence[Row], tests: Answered) -> Iterator[tuple[str, Difference]]:
    """For each axis with a baseline: the last loop of every option over that of the baseline, in the same draws."""
    for axis, base in plan.baseline.items():
        for row in table:
            if row.options[axis] == base:
                continue
            wanted = {**row.options, axis: base}
            other = next((one for one in table if one.dataset == row.dataset and one.options == wanted), None)
            before = {one.draw: one for one in other.outcomes} if other else {}
            pairs = [(one, LAST, before[one.draw], LAST) for one in row.outcomes if one.draw in before]
            if pairs and all(one.tests == two.tests for one, _, two, _ in pairs):
                yield axis, Difference(row, base, len(pairs), _difference(pairs, tests))


class Promises(NamedTuple):
    """How the loops of a row kept their promise of precision: of those that promised one and kept known pairs."""

    loops: int
    broken: int
    nothing: int
    precision: float | None
    promised: float | None


def promises(row: Row) -> Promises:
    """A promise is broken where the precision is below it by more than its error; `nothing` counts loops with none."""
    every = [loop for one in row.outcomes for loop in one.loops]
    kept = [loop for loop in every if loop.n_kept and loop.precision is not None and loop.precision["n"]]
    asked = [loop for loop in kept if loop.promised is not None]
    return Promises(
        loops=len(asked),
        broken=sum(_high(loop) < (loop.promised or 0.0) for loop in asked),
        nothing=sum(not loop.n_kept for loop in every),
        precision=_mean(kept, lambda loop: loop.precision["value"] if loop.precision else 0.0),
        promised=_mean(asked, lambda loop: loop.promised or 0.0),
    )


def _high(loop: LoopOutcome) -> float:
    return float(loop.precision["ci_high"]) if loop.precision else 1.0


def _mean(loops: Sequence[LoopOutcome], value: Callable[[LoopOutcome], Any]) -> float | None:
    return fmean(map(value, loops)) if loops else None


class _Changes(NamedTuple):
    """What changes between two models, pair by pair (-1, 0 or 1), and what ties these values."""

    values: list[float]
    groups: list[str]
    draws: list[int]


def _difference(pairs: Sequence[tuple[Outcome, str, Outcome, str]], tests: Answered) -> ClusteredMean:
    """The mean difference of right answers between two models of a draw each, over the same test pairs."""
    return clustered_mean(*_changes(pairs, tests))


def _changes(pairs: Sequence[tuple[Outcome, str, Outcome, str]], tests: Answered) -> _Changes:
    found = _Changes([], [], [])
    for after, model, before, other in pairs:
        both = zip(_right(after, model, tests), _right(before, other, tests), strict=True)
        found.values.extend(float(a) - float(b) for a, b in both)
        units = tests[after.tests].of_pairs()
        found.groups.extend(units)
        found.draws.extend([after.draw] * len(units))
    return found


def _right(outcome: Outcome, model: str, tests: Answered) -> list[bool]:
    return outcome.right(last_model(outcome) if model == LAST else model, tests[outcome.tests])
