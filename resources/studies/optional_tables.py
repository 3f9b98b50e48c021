"""The tables of a page that a study has to ask for: of transferred models, and of what everything took."""

from collections.abc import Sequence

from resources.reporting.numbers import number, percent
from resources.studies.comparison import FULL, Row, gains
from resources.studies.cost_table import labels_saved, stage_costs
from resources.studies.ledger import Ledger
from resources.studies.markdown import interval, interval_over, markdown_table, place, shows
from resources.studies.outcome import SEED
from resources.studies.plan import StudyPlan
from resources.studies.transfer_table import transfers

TRANSFERRED = """The models of "from" on those test pairs of "to" whose prompt is none of their own training or
calibration pairs; the others are left out. The members of an ensemble are scaled by calibration pairs of "to". The last
two columns are the models that were trained on "to", on all of its test pairs."""
COST = """Means over draws; of memory the most that a stage's process had in hand. Seconds are those that passed, with
whatever else the machine did meanwhile, and those that a process was halted; CPU seconds are its work. What an artifact
took is what it took when it was made, so that nothing counts as free because another evolution had made it. Tokens
count as often as they pass; operations are those of `ser plan` (docs/plan.md). Landing, roles and tokens, which both
ways share, are left out. "All labels" is `controls/full_label_rm`: a training on the labels of the vault."""


def transfer_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    """Each data set's models on the test pairs of the others."""
    headings = [
        *("from", *plan.axes, "to", "draws", "test", "left out", "seed RM", "last loop", "gain over the seed", "shows"),
        *("seed RM of there", "last loop of there"),
    ]
    lines = [
        [
            *(*place(plan, one.row), one.to, f"{one.draws}", f"{one.tests:,.0f}", f"{one.left_out:,.0f}"),
            *(percent(one.seed), percent(one.last), interval(one.gain), shows(one.gain)),
            *(percent(one.own_seed), percent(one.own_last)),
        ]
        for one in transfers(table, ledger.tests)
    ]
    return markdown_table(headings, lines)


def cost_table(plan: StudyPlan, table: Sequence[Row]) -> str:
    """What each kind of stage took, of the evolution and of training on all labels."""
    headings = ["seconds", "CPU seconds", "peak memory (GB)", "million tokens", "TFLOP"]
    lines = [
        [
            *(*place(plan, row), one.way, one.kind, number(one.seconds), number(one.cpu_seconds)),
            *(number(_scaled(one.peak_memory, 1e9), 2), number(_scaled(one.tokens, 1e6), 3)),
            number(_scaled(one.flops, 1e12), 2),
        ]
        for row in table
        for one in stage_costs(row)
    ]
    return markdown_table(["data set", *plan.axes, "of", "stage", *headings], lines)


def label_table(plan: StudyPlan, table: Sequence[Row], ledger: Ledger) -> str:
    """The labels that self-training saves, their price if one was said, and what the model loses by it."""
    price = [] if plan.price_per_label is None else [f"their price, at {plan.price_per_label:g} each"]
    lines = []
    for row in table:
        saved = labels_saved(row)
        money = [] if plan.price_per_label is None else [number(saved * plan.price_per_label, 2)]
        by_name = {one.over: one for one in gains(row, ledger.tests)}
        against = interval_over(by_name.get(FULL))
        lines.append([*place(plan, row), number(saved), *money, interval(by_name[SEED].gain), against])
    headings = ["labels saved", *price, "last loop over the seed", "last loop over all labels"]
    return markdown_table(["data set", *plan.axes, *headings], lines)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
