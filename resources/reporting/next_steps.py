"""What to do next, from the evidence of an evolution."""

from collections.abc import Iterator

from resources.reporting.answers import helped
from resources.reporting.commands import run_again
from resources.reporting.numbers import magnitude, number
from resources.reporting.report_data import ReportData
from resources.reporting.words import export_command
from ser.method.promotion import NOT_SHOWN

_MOST_TIMES = 20
"""Calibration pairs that are asked for, as a multiple of those that there are: beyond it nobody gets them."""


def next_steps(data: ReportData) -> list[tuple[str, str]]:
    """What to do next, from the evidence: a sentence and the command for it."""
    return list(_steps(data))[:3]


def _steps(data: ReportData) -> Iterator[tuple[str, str]]:
    about, dataset = data.evolution, data.evolution["dataset"]
    review = f"ser review export --evolution {about['evolution']}"
    if data.promoted is None:
        yield _again("Let it come to its end" if data.is_of_newest else "Newer data have landed: run again", data)
        return
    if data.gate_is_closed:
        yield from _past_the_gate(data)
        return
    answer = helped(data)
    if answer.headline == "NO" and not data.trained_loops:
        yield "Label more pairs of the pool, the most useful ones first.", review
        yield _again("Repeat it with another random seed", data, random_seed=str(about["random_seed"] + 1))
        return
    if (more := _labels_to_decide(data)) is not None:
        gained = magnitude(about["gain_calibration"], data.statistic)
        yield (
            f"About {number(more)} more calibration pairs would decide whether their gain ({gained}) is real.",
            f"ser land FILE --dataset {dataset}",
        )
    if not any("more_steps" in row["control"] for row in data.made_controls):
        yield _again("Ask whether longer training alone does it", data, controls__more_steps="true")
    if answer.headline == "YES" and about["promoted_loop"]:
        several = data.method["teachers"] > 1
        yield "Use one of the models whose mean it is." if several else "Use it.", export_command(data)
    if data.rows["labels"][0]["wrong"]:
        yield "Read the mistakes, and let people label the pairs that teach most.", review
    yield _again("Repeat it with another random seed", data, random_seed=str(about["random_seed"] + 1))


def _again(words: str, data: ReportData, **changed: str) -> tuple[str, str]:
    command, said = run_again(data, **changed)
    return f"{words}{said}.", command


def _past_the_gate(data: ReportData) -> Iterator[tuple[str, str]]:
    """What opens the gate; nobody can be asked about the pool yet, which no model has labelled."""
    if data.evolution["settings"]["roles"]["max_pairs"] is not None and data.roles.get("unused"):
        yield _again("Use all pairs that have landed", data, roles__max_pairs=str(sum(data.roles.values())))
    yield "Land more labelled pairs.", f"ser land FILE --dataset {data.evolution['dataset']}"
    yield _again("Run the loops all the same", data, anyway="true")


def _labels_to_decide(data: ReportData) -> int | None:
    """How many more calibration pairs would show their gain with 80 % power, if it is one; None where that is idle."""
    about, n = data.evolution, data.roles.get("calibration", 0)
    gain, detectable = about["gain_calibration"], about["detectable"]
    if about["verdict"] != NOT_SHOWN or gain is None or detectable is None or not 0 < gain < detectable:
        return None
    more = max(1, round(n * ((detectable / gain) ** 2 - 1)))
    return more if more <= _MOST_TIMES * n else None
