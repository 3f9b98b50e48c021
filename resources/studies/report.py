"""A study as a page: what was asked and run, one paired table and one plot."""

from collections.abc import Sequence
from math import isfinite
from statistics import fmean
from typing import Any

from resources.reporting.charts import intervals
from resources.reporting.numbers import DASH, difference, number, percent
from resources.studies.comparison import (
    FULL,
    Row,
    accuracy,
    axis_gains,
    gains,
    last_model,
    loop_gains,
    models,
    promises,
    recovered,
    rows,
)
from resources.studies.cost_table import labels_saved, stage_costs
from resources.studies.ledger import Ledger
from resources.studies.outcome import LAST, SEED, Outcome
from resources.studies.plan import StudyPlan
from resources.studies.transfer_table import transfers
from ser.method.clustered import ClusteredMean
from ser.method.promotion import SHOWN, WORSE

_READING = """Gains are differences of the share of test pairs ranked as people do, in points, between two models on the
same pairs, averaged over draws; a draw is a training seed and a draw of roles. The 95 % intervals (in brackets) hold
over new test pairs, tied by their groups, and over new draws, of one draw over test pairs alone
(`ser/method/clustered.py`); "shows" is the smallest true gain that such a comparison would have shown with 80 % power.
"Shown better" and "shown worse" count evolutions whose calibration pairs show it, by accuracy and by log loss."""

_TRANSFERRED = """The models of "from" on those test pairs of "to" whose prompt is none of their own training or
calibration pairs; the others are left out. The members of an ensemble are scaled by calibration pairs of "to". The last
two columns are the models that were trained on "to", on all of its test pairs."""
_COST = """Means over draws; of memory the most that a stage's process had in hand. What an artifact took is what it
took when it was made, so that nothing counts as free because another evolution had made it. Tokens count as often as
they pass; operations are those of `ser plan` (docs/plan.md). Landing, roles and tokens, which both ways share, are left
out. "All labels" is `controls/full_label_rm`: a training on the labels of the vault."""


def study_page(
    name: str, plan: StudyPlan, outcomes: Sequence[Outcome], ledger: Ledger, command: str, total: int
) -> str:
    """The page in Markdown; the plot lies beside it as `<name>.svg`."""
    table = rows(plan, outcomes)
    parts = [
        f"# Study: {name}",
        plan.question,
        f"`{command}`; {_circumstances(outcomes)}. {len(outcomes)} of {total} evolutions.",
        _READING,
        f"![Gains of the last loop]({name}.svg)",
        _main_table(plan, table, ledger),
    ]
    if (loops := _loop_table(plan, table, ledger)) is not None:
        parts += ["## Loop by loop, against the seed", loops]
    if (axes := _axis_table(plan, table, ledger)) is not None:
        parts += ["## Options of an axis against one of them, last loop by last loop", axes]
    if (kept := _promise_table(plan, table)) is not None:
        parts += ["## What was kept, and how often it was right (by the vault)", kept]
    if plan.transfer:
        parts += ["## Trained on one data set, tested on another", _TRANSFERRED, _transfer_table(plan, table, ledger)]
    if plan.cost:
        parts += ["## What it took", _COST, _cost_table(plan, table), _label_table(plan, table, ledger)]
    return "\n\n".join(parts) + "\n"


def study_plot(plan: StudyPlan, outcomes: Sequence[Outcome], ledger: Ledger) -> str:
    """The gains of the last loop over the seed and over each control, with their intervals."""
    found = [one for row in rows(plan, outcomes) for one in gains(row, ledger.tests)]
    lines = [
        (f"{_named(one.row)}: over {_said(one.over)}", 100 * one.gain.value, 100 * one.gain.low, 100 * one.gain.high)
        for one in found
    ]
    return intervals(lines, "Gain of the last loop", "points of test accuracy")


def _circumstances(outcomes: Sequence[Outcome]) -> str:
    def every(name: str) -> str:
        return "; ".join(sorted({one.about.get(name, "") for one in outcomes} - {""}))

    dates = sorted({one.about["date"] for one in outcomes if "date" in one.about})
    when = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else "".join(dates)
    return f"{every('machine')}; {every('versions')}; {every('arithmetic')}; commit {every('commit')}; {when}"


def _main_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    controls = sorted({name for row in table for name in models(row) if name.endswith("_rm")})
    headings = [
        *("data set", *plan.axes, "draws", "seed", "pool", "test", "seed RM", "last loop", "gain over the seed"),
        *("shows", *(f"over {_said(name)}" for name in controls), "of the gap", "shown better", "shown worse"),
    ]
    lines = []
    for row in table:
        by_name = {one.over: one for one in gains(row, ledger.tests)}
        closed = recovered(row, ledger.tests)
        by_accuracy, by_log_loss = (
            [one.verdicts[statistic] for one in row.outcomes] for statistic in ("accuracy", "log_loss")
        )
        lines.append(
            [
                *_place(plan, row),
                _draws(row),
                *(f"{fmean(one.pairs[role] for one in row.outcomes):,.0f}" for role in ("seed", "pool", "test")),
                *(percent(accuracy(row, name, ledger.tests)) for name in (SEED, LAST)),
                _interval(by_name[SEED].gain),
                _shows(by_name[SEED].gain),
                *(_interval(by_name[name].gain) if name in by_name else DASH for name in controls),
                percent(closed, 0),
                f"{by_accuracy.count(SHOWN)}, {by_log_loss.count(SHOWN)}",
                f"{by_accuracy.count(WORSE)}, {by_log_loss.count(WORSE)}",
            ]
        )
    return markdown_table(headings, lines)


def _loop_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str | None:
    lines = [
        [*_place(plan, row), f"{loop}", f"{trained} of {len(row.outcomes)}", _interval(gain)]
        for row in table
        for loop, trained, gain in loop_gains(row, ledger.tests)
    ]
    several = any(int(line[-3]) > 1 for line in lines)
    return markdown_table(["data set", *plan.axes, "loop", "trained", "gain over the seed"], lines) if several else None


def _axis_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str | None:
    found = [(axis, one) for axis, one in axis_gains(plan, table, ledger.tests)]
    lines = [
        [*_place(plan, one.row), f"{one.over} ({axis})", _interval(one.gain), _shows(one.gain)] for axis, one in found
    ]
    return markdown_table(["data set", *plan.axes, "against", "difference", "shows"], lines) if lines else None


def _promise_table(plan: StudyPlan, table: Sequence[Row]) -> str | None:
    lines = []
    for row in table:
        kept = promises(row)
        last = [one.loops[0] for one in row.outcomes if one.loops]
        if not last:
            continue
        labels = [loop.label_accuracy for loop in last if loop.label_accuracy is not None]
        broken = DASH if kept.promised is None else f"{kept.broken} of {kept.loops}"
        numbers = [kept.promised, kept.precision, fmean(labels) if labels else None]
        lines.append(
            [
                *_place(plan, row),
                f"{fmean(loop.n_kept for loop in last):,.0f} of {fmean(loop.n_pool for loop in last):,.0f}",
                *map(percent, numbers),
                broken,
                f"{kept.nothing}",
                ", ".join(_statuses(row.outcomes)),
            ]
        )
    headings = ["kept in loop 1", "promised", "right of the kept", "right of loop 1's labels", "promises broken",
                "loops that kept nothing", "statuses"]  # fmt: skip
    return markdown_table(["data set", *plan.axes, *headings], lines) if lines else None


def _draws(row: Row) -> str:
    """How many, and in how many of them a loop trained a model, where that is not all."""
    trained = sum(last_model(one) != SEED for one in row.outcomes)
    return f"{len(row.outcomes)}" if trained == len(row.outcomes) else f"{len(row.outcomes)}, {trained} with a loop"


def _transfer_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    headings = [
        *("from", *plan.axes, "to", "draws", "test", "left out", "seed RM", "last loop", "gain over the seed", "shows"),
        *("seed RM of there", "last loop of there"),
    ]
    lines = [
        [
            *(*_place(plan, one.row), one.to, f"{one.draws}", f"{one.tests:,.0f}", f"{one.left_out:,.0f}"),
            *(percent(one.seed), percent(one.last), _interval(one.gain), _shows(one.gain)),
            *(percent(one.own_seed), percent(one.own_last)),
        ]
        for one in transfers(table, ledger.tests)
    ]
    return markdown_table(headings, lines)


def _cost_table(plan: StudyPlan, table: Sequence[Row]) -> str:
    headings = ["seconds", "CPU seconds", "peak memory (GB)", "million tokens", "TFLOP"]
    lines = [
        [
            *(*_place(plan, row), one.way, one.kind, number(one.seconds), number(one.cpu_seconds)),
            *(number(_scaled(one.peak_memory, 1e9), 2), number(_scaled(one.tokens, 1e6), 3)),
            number(_scaled(one.flops, 1e12), 2),
        ]
        for row in table
        for one in stage_costs(row)
    ]
    return markdown_table(["data set", *plan.axes, "of", "stage", *headings], lines)


def _label_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    """The labels that self-training saves, their price if one was said, and what the model loses by it."""
    price = [] if plan.price_per_label is None else [f"their price, at {plan.price_per_label:g} each"]
    lines = []
    for row in table:
        saved = labels_saved(row)
        money = [] if plan.price_per_label is None else [number(saved * plan.price_per_label, 2)]
        by_name = {one.over: one for one in gains(row, ledger.tests)}
        against = _interval(by_name[FULL].gain) if FULL in by_name else DASH
        lines.append([*_place(plan, row), number(saved), *money, _interval(by_name[SEED].gain), against])
    headings = ["labels saved", *price, "last loop over the seed", "last loop over all labels"]
    return markdown_table(["data set", *plan.axes, *headings], lines)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _statuses(outcomes: Sequence[Outcome]) -> list[str]:
    every = [loop.status for one in outcomes for loop in one.loops]
    return [f"{every.count(status)} × {status}" for status in sorted(set(every))]


def _place(plan: StudyPlan, row: Row) -> list[str]:
    return [row.dataset, *(row.options[axis] for axis in plan.axes)]


def _named(row: Row) -> str:
    return ", ".join([row.dataset, *row.options.values()])


def _said(model: str) -> str:
    return "the seed" if model == SEED else model.removesuffix("_rm").replace("_", " ")


def _interval(gain: ClusteredMean) -> str:
    return difference(gain.value, gain.low, gain.high) if isfinite(gain.low) else difference(gain.value, None, None)


def _shows(gain: ClusteredMean) -> str:
    return f"{100 * gain.detectable:.1f}" if isfinite(gain.detectable) else DASH


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    every = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in every)
