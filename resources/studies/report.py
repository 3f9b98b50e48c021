"""A study as a page: what was asked and run, one paired table and one plot."""

from collections.abc import Sequence
from statistics import fmean

from resources.reporting.charts import Interval, intervals
from resources.reporting.numbers import DASH, percent
from resources.settings import Settings
from resources.studies.comparison import (
    Difference,
    Row,
    accuracy,
    axis_gains,
    controls,
    gains,
    last_model,
    loop_gains,
    promises,
    recovered,
    rows,
)
from resources.studies.ledger import Ledger
from resources.studies.markdown import interval, interval_over, markdown_table, place, say_model, share, shows
from resources.studies.optional_tables import COST, TRANSFERRED, cost_table, label_table, transfer_table
from resources.studies.outcome import LAST, SEED, Outcome, decisive
from resources.studies.plan import StudyPlan
from ser.method.promotion import GATE_NOT_SHOWN, SHOWN, WORSE

_READING = """Gains are differences of the share of test pairs ranked as people do, in points, between two models on the
same pairs, averaged over draws; a draw is a training seed and a draw of roles. The 95 % intervals (in brackets) hold
over new test pairs, tied by their groups, and over new draws, of one draw over test pairs alone
(`ser/method/clustered.py`); "shows" is the smallest true gain that such a comparison would have shown with 80 % power.
Where no loop trained a model the seed's stands for the last loop's, so that this draw gains nothing. A control that
some draws do not have is compared in the others, and how many these are stands behind the interval. "Of the gap" is the
part of the way from the seed to full labels, with its interval (Fieller's), where these are shown to be better than
the seed. "Shown better" and "shown worse" count evolutions whose calibration pairs show it, by accuracy and by log
loss."""


_KEPT = (
    "A promise counts as broken where the share of right labels lies below it beyond chance (with its 95 % interval).\n"
    "A loop that keeps nothing is the last, whatever its learning status."
)


def study_page(
    name: str, plan: StudyPlan, outcomes: Sequence[Outcome], ledger: Ledger, command: str, total: int
) -> str:
    """The page in Markdown; the plot lies beside it as `<name>.svg`."""
    table = rows(plan, outcomes)
    parts = [
        f"# Study: {name}",
        plan.question,
        f"`{command}`; {_circumstances(outcomes)}. {len(outcomes)} of {total} evolutions.{_unlike_defaults(outcomes)}",
        _READING,
        f"![Gains of the last loop]({name}.svg)",
        _main_table(plan, table, ledger),
    ]
    if (loops := _loop_table(plan, table, ledger)) is not None:
        parts += ["## Loop by loop, against the seed", loops]
    if (axes := _axis_table(plan, table, ledger)) is not None:
        parts += ["## Options of an axis against one of them, last loop by last loop", axes]
    if (kept := _promise_table(plan, table)) is not None:
        parts += ["## What was kept, and how often it was right (by the vault)", _KEPT, kept]
    if plan.transfer:
        parts += ["## Trained on one data set, tested on another", TRANSFERRED, transfer_table(plan, table, ledger)]
    if plan.cost:
        parts += ["## What it took", COST, cost_table(plan, table), label_table(plan, table, ledger)]
    return "\n\n".join(parts) + "\n"


def study_plot(plan: StudyPlan, outcomes: Sequence[Outcome], ledger: Ledger) -> str:
    """The gains of the last loop over the seed and over each control, with their intervals."""
    found = [one for row in rows(plan, outcomes) for one in gains(row, ledger.tests)]
    lines = [
        Interval(
            f"{_named(one)}: over {say_model(one.over)}",
            (100 * one.gain.value, 100 * one.gain.low, 100 * one.gain.high),
            "marked" if one.gain.low > 0 or one.gain.high < 0 else "plain",
        )
        for one in found
    ]
    return intervals(lines, "points of test accuracy", "Gain of the last loop", {"": 0}, width=420)


def _circumstances(outcomes: Sequence[Outcome]) -> str:
    def every(name: str) -> str:
        return "; ".join(sorted({one.about.get(name, "") for one in outcomes} - {""}))

    dates = sorted({one.about["date"] for one in outcomes if "date" in one.about})
    when = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else "".join(dates)
    said = [every("machine"), every("versions"), every("model"), every("arithmetic"), f"commit {every('commit')}", when]
    return "; ".join(one for one in said if one)


def _unlike_defaults(outcomes: Sequence[Outcome]) -> str:
    """The settings that all evolutions share and that are not the defaults, whoever said them."""
    defaults = decisive(Settings())
    if not outcomes:
        return ""
    shared = set.intersection(*(set(one.settings.items()) for one in outcomes))
    unlike = sorted((name, value) for name, value in shared if defaults.get(name, value) != value)
    if not unlike:
        return " Settings that all share are the defaults."
    return f" Settings that all share, unlike the defaults: {', '.join(f'`{name}={value}`' for name, value in unlike)}."


def _main_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    compared = sorted({name for row in table for name in controls(row)})
    headings = [
        *("data set", *plan.axes, "draws", "seed", "pool", "test", "seed RM", "last loop", "gain over the seed"),
        *("shows", *(f"over {say_model(name)}" for name in compared), "of the gap", "shown better", "shown worse"),
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
                *place(plan, row),
                _draws(row),
                *(f"{fmean(one.pairs[role] for one in row.outcomes):,.0f}" for role in ("seed", "pool", "test")),
                *(percent(accuracy(row, name, ledger.tests)) for name in (SEED, LAST)),
                interval(by_name[SEED].gain),
                shows(by_name[SEED].gain),
                *(interval_over(by_name.get(name)) for name in compared),
                share(closed),
                f"{by_accuracy.count(SHOWN)}, {by_log_loss.count(SHOWN)}",
                f"{by_accuracy.count(WORSE)}, {by_log_loss.count(WORSE)}",
            ]
        )
    return markdown_table(headings, lines)


def _loop_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str | None:
    lines = [
        [*place(plan, row), f"{loop}", f"{trained} of {len(row.outcomes)}", interval(gain)]
        for row in table
        for loop, trained, gain in loop_gains(row, ledger.tests)
    ]
    several = any(int(line[-3]) > 1 for line in lines)
    return markdown_table(["data set", *plan.axes, "loop", "trained", "gain over the seed"], lines) if several else None


def _axis_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str | None:
    found = [(axis, one) for axis, one in axis_gains(plan, table, ledger.tests)]
    lines = [
        [*place(plan, one.row), f"{one.over} ({axis})", f"{one.draws}", interval(one.gain), shows(one.gain)]
        for axis, one in found
    ]
    headings = ["against", "draws", "difference", "shows"]
    return markdown_table(["data set", *plan.axes, *headings], lines) if lines else None


def _promise_table(plan: StudyPlan, table: Sequence[Row]) -> str | None:
    lines = []
    for row in table:
        kept = promises(row)
        first = [one.loops[0] for one in row.outcomes if one.loops]
        if not first:
            continue
        labels = [loop.label_accuracy for loop in first if loop.label_accuracy is not None]
        broken = DASH if kept.promised is None else f"{kept.broken} of {kept.loops}"
        numbers = [kept.promised, kept.precision, fmean(labels) if labels else None]
        lines.append(
            [
                *place(plan, row),
                f"{fmean(loop.n_kept for loop in first):,.0f} of {fmean(loop.n_pool for loop in first):,.0f}",
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
    """How many, in how many of them a loop trained a model, where that is not all, and in how many none was run."""
    trained = sum(last_model(one) != SEED for one in row.outcomes)
    closed = sum(one.verdict == GATE_NOT_SHOWN for one in row.outcomes)
    said = [f"{len(row.outcomes)}"]
    said += [f"{trained} with a loop"] if trained < len(row.outcomes) else []
    said += [f"{closed} with a seed not shown to be better than a coin"] if closed else []
    return ", ".join(said)


def _statuses(outcomes: Sequence[Outcome]) -> list[str]:
    every = [loop.status for one in outcomes for loop in one.loops]
    named = {"1": "status 1", "2": "status 2"}
    return [f"{every.count(status)} × {named.get(status, status)}" for status in sorted(set(every))]


def _named(found: Difference) -> str:
    """The row and how many draws it is of: the interval of one holds over test pairs alone."""
    draws = f"{found.draws} draw{'' if found.draws == 1 else 's'}"
    return ", ".join([found.row.dataset, *found.row.options.values(), draws])
