"""What to do next, from the evidence of an evolution."""

from collections.abc import Iterator

from resources.reporting.answers import helped
from resources.reporting.commands import run_again
from resources.reporting.numbers import number
from resources.reporting.report_data import ReportData


def next_steps(data: ReportData) -> list[tuple[str, str]]:
    """What to do next, from the evidence: a sentence and the command for it."""
    return list(_steps(data))[:3]


def _steps(data: ReportData) -> Iterator[tuple[str, str]]:
    about, dataset = data.evolution, data.evolution["dataset"]
    if data.promoted is None:
        yield _again("Let it come to its end", data)
        return
    answer = helped(data)
    if data.gate_is_closed:
        yield from _past_the_gate(data)
        return
    if answer.headline == "NO" and not data.trained_loops:
        yield "Label more pairs of the pool, the most useful ones first.", f"ser review export --dataset {dataset}"
        yield "See whether more labels help at all.", f"ser advise --dataset {dataset}"
        return
    if answer.headline == "NOT SHOWN" and (more := _labels_to_decide(data)) is not None:
        yield (
            f"About {number(more)} more calibration labels would decide whether such a gain is real.",
            (f"ser review export --dataset {dataset}"),
        )
    if not any("more_steps" in row["control"] for row in data.made_controls):
        yield _again("Ask whether longer training alone does it", data, controls__more_steps="true")
    if answer.headline == "YES" and about["promoted_loop"]:
        yield "Use it.", f"ser export rm --evolution {about['evolution']} --to DIR"
    if data.rows["labels"][0]["wrong"]:
        yield (
            "Read the mistakes; label pairs like them.",
            f"ser audit confident-mistakes --evolution {about['evolution']}",
        )
    yield _again("Repeat it with another random seed", data, random_seed=str(about["random_seed"] + 1))


def _again(words: str, data: ReportData, **changed: str) -> tuple[str, str]:
    command, with_what = run_again(data, **changed)
    return f"{words}{with_what}.", command


def _past_the_gate(data: ReportData) -> Iterator[tuple[str, str]]:
    """What opens the gate; nobody can be asked about the pool yet, which no model has labelled."""
    dataset = data.evolution["dataset"]
    if data.evolution["settings"]["roles"]["max_pairs"] is not None and data.roles.get("unused"):
        yield _again("Use all pairs that have landed", data, roles__max_pairs=str(sum(data.roles.values())))
    yield "Land more labelled pairs.", f"ser land FILE --dataset {dataset}"
    yield "See whether more labels help at all.", f"ser advise --dataset {dataset}"
    yield _again("Run the loops all the same", data, anyway="true")


def _labels_to_decide(data: ReportData) -> int | None:
    """How many more calibration pairs would show the gain that was seen with 80 % power, if it is one."""
    gain, detectable = data.evolution["gain_calibration"], data.evolution["detectable"]
    n = data.roles.get("calibration", 0)
    if gain is None or detectable is None or gain <= 0 or gain >= detectable:
        return None
    return max(1, round(n * ((detectable / gain) ** 2 - 1)))
