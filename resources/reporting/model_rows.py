"""The reward models of an evolution as rows of text, for tables on the page and in a terminal."""

from resources.reporting.numbers import DASH, difference, number, percent
from resources.reporting.report_data import ReportData, Row
from resources.reporting.words import name_of_loop
from ser.method.promotion import GATE_NOT_SHOWN

HEADINGS = ("reward model", "test accuracy", "95 % interval", "label precision", "pairs kept", "seconds")
LOOP_HEADINGS = (
    *("reward model", "calibration", "test", "95 % interval", "over the seed", "label precision"),
    *("kept", "kept so far", "seconds"),
)
CONTROL_HEADINGS = ("control", "its question", "test accuracy", "95 % interval", "over the seed", "loop over it")
LONGER = "longer wins"
"""The name of the baseline: of two responses the one with more characters is taken for the better."""


def loop_rows(data: ReportData) -> list[tuple[bool, list[str]]]:
    """The table of the loops as text (see `LOOP_HEADINGS`), each with whether its model is the promoted one."""
    gains = {row["loop"]: row for row in data.rows["gains"] if row["loop"]}
    rows, so_far = [], 0
    for row in data.loops:
        gain, kept = gains.get(row["loop"]), row["n_kept"]
        so_far += kept or 0
        _, test, interval, precision, count, seconds = _cells(row, "")
        over = difference(gain["gain"], gain["gain_low"], gain["gain_high"]) if gain else DASH
        name = f"{_name(data, row)}{', promoted' if row['promoted'] else ''}"
        cumulative = DASH if kept is None else number(so_far)
        cells = [
            name,
            percent(row["calibration_accuracy"]),
            test,
            interval,
            over,
            precision,
            count,
            cumulative,
            seconds,
        ]
        rows.append((row["promoted"], cells))
    if data.baseline:
        test, interval = percent(data.baseline["value"]), _interval(data.baseline)
        rows.append((False, [LONGER, DASH, test, interval, *[DASH] * 5]))
    return rows


def control_rows(data: ReportData) -> list[list[str]]:
    """The controls that are made, as text (see `CONTROL_HEADINGS`)."""
    return [
        [
            row["control"],
            row["question"],
            percent(row["accuracy"]),
            _interval(row),
            difference(row["seed_gain"], row["seed_gain_low"], row["seed_gain_high"]),
            difference(row["loop_gain"], row["loop_gain_low"], row["loop_gain_high"]),
        ]
        for row in data.made_controls
    ]


def summary_rows(data: ReportData) -> list[list[str]]:
    """The table of an evolution as text (see `HEADINGS`): the baseline, the seed, the loops, the promoted model."""
    rows = []
    if data.baseline:
        rows.append([LONGER, percent(data.baseline["value"]), _interval(data.baseline), DASH, DASH, DASH])
    rows += [_cells(row, _name(data, row)) for row in data.loops]
    promoted = data.promoted
    if promoted:
        rows.append(_cells(promoted, f"promoted: {name_of_loop(promoted['loop'])}"))
    return rows


def _name(data: ReportData, row: Row) -> str:
    """A loop with what kept it from having a reward model; its learning status alone does not say that."""
    name = name_of_loop(row["loop"])
    if row["status"] == GATE_NOT_SHOWN:
        return f"{name} (not run)"
    return f"{name} (converged)" if row["loop"] == data.ended_in else name


def _cells(row: Row, name: str) -> list[str]:
    ends = {"ci_low": row["test_ci_low"], "ci_high": row["test_ci_high"]}
    precision = percent(row["label_precision"])
    if row["label_measured_on"] == "heldout" and row["label_precision"] is not None:
        precision = f"about {precision}"
    return [
        name,
        percent(row["test_accuracy"]),
        DASH if row["test_accuracy"] is None else _interval(ends),
        precision,
        number(row["n_kept"]),
        number(row["seconds"]),
    ]


def _interval(share: Row) -> str:
    return f"{100 * share['ci_low']:.1f} to {100 * share['ci_high']:.1f}"
