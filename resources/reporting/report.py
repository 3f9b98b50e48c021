"""The report on a run: one self-contained page, and the same numbers as a table for the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.reporting.charts import KEPT, LEFT, Point, bars, loops_chart
from resources.reporting.report_data import BINS, ReportData, Row, gather
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.suspicion import suspicions

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = ("reward model", "test accuracy", "95 % interval", "label precision", "pairs kept", "seconds")
LONGER = "longer wins"
"""The name of the baseline: of two responses the one with more characters is taken for the better."""
_CLIP = 700
"""Characters of a text that the page shows."""


def render_report(path: Path, snapshot: str, recipe: str) -> str:
    """The report on the latest run of `recipe` on `snapshot`, as an HTML page that needs nothing else.

    Raises:
        SerError: there is no audit database at `path`, or it does not know this run (`UnknownRun`).
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    data = gather(path, snapshot, recipe)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number, clip=_clip)
    return environment.get_template("report.html.j2").render(
        data=data,
        headings=HEADINGS,
        table=summary_rows(data),
        verdict=verdict(data),
        policy_words=policy_words(data),
        suspicions=suspicion_words(data),
        accuracy_chart=_accuracy_chart(data),
        loops=[_loop(data, status) for status in data.statuses],
        measured_on=sorted({row["measured_on"] for row in data.precision}),
    )


def summary_rows(data: ReportData) -> list[list[str]]:
    """The table of a run as text (see `HEADINGS`): the baseline, the seed, every loop, last the promoted model."""
    rows = []
    if data.baseline:
        rows.append([LONGER, percent(data.baseline["value"]), _interval(data.baseline), "–", "–", "–"])
    rows += [_summary_row(row, "seed" if row["loop"] == 0 else f"loop {row['loop']}") for row in data.loops]
    promoted = data.promoted
    if promoted:
        name = "seed" if promoted["loop"] == 0 else f"loop {promoted['loop']}"
        rows.append(_summary_row(promoted, f"promoted: {name}"))
    return rows


def summary_table(path: Path, snapshot: str, recipe: str) -> "Table":
    """The table of a run for a terminal, with the words of the page under it.

    Raises:
        SerError: as `render_report`.
    """
    from rich import box
    from rich.table import Table

    data = gather(path, snapshot, recipe)
    parts = (verdict(data), suspicion_words(data), policy_words(data))
    words = "\n\n".join(" ".join(part) for part in parts if part)
    table = Table(box=box.SIMPLE_HEAD, caption=words, caption_justify="left")
    for k, name in enumerate(HEADINGS):
        # Two lines of heading: the table has to fit into 80 columns.
        table.add_column("\n".join(name.rsplit(" ", 1)) if k else name, justify="right" if k else "left", no_wrap=True)
    rows = summary_rows(data)
    for k, row in enumerate(rows):
        promoted = row[0].startswith("promoted")
        table.add_row(
            *row,
            style="bold" if promoted else None,
            end_section=k == len(rows) - 2 and data.promoted is not None,
        )
    return table


def verdict(data: ReportData) -> list[str]:
    """What the run shows, in honest sentences."""
    promoted, seed = data.promoted, data.seed
    if promoted is None:
        return ["No reward model was promoted: the run did not come that far."]
    if data.gate_is_closed:
        return [
            f"{promoted['why'][0].upper()}{promoted['why'][1:]}.",
            "This model stays. To export it: ser export rm. To run the loops all the same: ser run --anyway.",
        ]
    if promoted["loop"] == 0:
        return [f"The seed reward model stays: self-training is not shown to help here. {_reason(promoted)}"]
    said = [f"The reward model of loop {promoted['loop']} was promoted. {_reason(promoted)}"]
    if data.difference and seed:
        value, low, high = (100 * each for each in data.difference)
        change = f"{value:+.1f} points on the test pairs (95 % interval {low:+.1f} to {high:+.1f})"
        change = change.replace("-", "−")
        if low <= 0 <= high:
            said.append(
                f"Against the seed: {change}. The difference between seed and promoted lies inside its "
                "interval: this run does not show that self-training helped, nor that it did not."
            )
        else:
            word = "better" if value > 0 else "worse"
            said.append(f"Against the seed: {change}. The promoted model is {word} than the seed by more than chance.")
    return said


def suspicion_words(data: ReportData) -> list[str]:
    """What is suspicious about the test accuracies, a sentence each."""
    said = []
    for row in data.loops:
        if row["test_accuracy"] is None or data.baseline is None:
            continue
        accuracy = {"value": row["test_accuracy"], "ci_low": row["test_ci_low"]}
        name = "seed" if row["loop"] == 0 else f"loop {row['loop']}"
        said += [f"Suspicious, {name}: {words}." for words in suspicions(accuracy, data.baseline, row["n_human"])]
    return said


def policy_words(data: ReportData) -> list[str]:
    """What the judge says of the policy, with how far the judge can be trusted."""
    metrics = data.policy["metrics"] if data.policy else {}
    rate, judge, longer = (metrics.get(name) for name in ("win_rate", "judge_accuracy", "judge_longer_wins"))
    if rate is None or rate["value"] is None:
        return []
    trust = f"; the judge itself is right on {percent(judge['value'])} of pairs" if judge else ""
    trust += f" (where the longer wins on {percent(longer['value'])})" if longer else ""
    said = [
        f"Win rate of the policy against its base model, a tie as half a win: {percent(rate['value'])} "
        f"({percent(rate['ci_low'])} to {percent(rate['ci_high'])}, {rate['n']} prompts){trust}."
    ]
    before, after = metrics.get("mean_base_reward"), metrics.get("mean_policy_reward")
    if before and after:
        said.insert(
            0,
            "Mean reward, base to policy, by the model it was trained with: "
            f"{before['value']:.3f} to {after['value']:.3f}.",
        )
    if rate["ci_low"] <= 0.5 <= rate["ci_high"]:
        said.append("The win rate's interval includes 50 %: no difference is shown.")
    return said


def percent(share: float | None, digits: int = 1) -> str:
    """A share as text, `–` when there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def number(value: Any, digits: int = 0) -> str:
    """A number as text with thousands apart, `–` when there is none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def _summary_row(row: Row, name: str) -> list[str]:
    ended = {"converged": " (converged)", GATE_NOT_SHOWN: " (not run)"}.get(row["status"], "")
    ends = {"ci_low": row["test_ci_low"], "ci_high": row["test_ci_high"]}
    precision = percent(row["label_precision"])
    if row["label_measured_on"] == "heldout" and row["label_precision"] is not None:
        precision = f"about {precision}"
    return [
        f"{name}{ended}",
        percent(row["test_accuracy"]),
        "–" if row["test_accuracy"] is None else _interval(ends),
        precision,
        number(row["n_kept"]),
        number(row["seconds"]),
    ]


def _interval(share: Row) -> str:
    return f"{100 * share['ci_low']:.1f} to {100 * share['ci_high']:.1f}"


def _accuracy_chart(data: ReportData) -> str | None:
    points = [
        Point(
            "seed" if row["loop"] == 0 else f"loop {row['loop']}",
            row["test_accuracy"],
            row["test_ci_low"],
            row["test_ci_high"],
            row["promoted"],
        )
        for row in data.loops
        if row["test_accuracy"] is not None
    ]
    baselines = {control["asset"].removeprefix("controls/"): control["value"] for control in data.controls}
    if data.baseline:
        baselines[LONGER] = data.baseline["value"]
    return loops_chart(points, baselines) if points else None


def _loop(data: ReportData, status: Row) -> Row:
    """What the page shows of one loop's choice."""
    width, counts = data.gaps[status["loop"]]
    kept, left = [0] * BINS, [0] * BINS
    for row in counts:
        (kept if row["kept"] else left)[row["bin"]] += row["n"]
    thresholds = status["thresholds"]
    edges = [k * width for k in range(BINS + 1)]
    marks = {"tau_delta": thresholds["tau_delta"]} if thresholds["tau_delta"] <= edges[-1] else {}
    chart = bars(edges, {"kept": (kept, KEPT), "left in the pool": (left, LEFT)}, "", "distance |p_a − p_b|", marks)
    return {
        "status": status,
        "thresholds": thresholds,
        "chart": chart,
        "rule": _rule(status),
        "kept": [row for row in data.examples[status["loop"]] if row["kept"]],
        "left": [row for row in data.examples[status["loop"]] if not row["kept"]],
        "precision": [row for row in data.precision if row["loop"] == status["loop"]],
        "bias": [row for row in data.bias if row["loop"] == status["loop"]],
    }


def _rule(status: Row) -> str:
    """Why the loop got its status."""
    tau, least = status["thresholds"], status["n_min"]
    clear = (
        f"{status['n_status_1']} pairs have one response with p > {tau['tau_high']} "
        f"and the other with p < {tau['tau_low']}"
    )
    apart = f"{status['n_status_2']} pairs have |p_a − p_b| > {tau['tau_delta']}"
    match status["status"]:
        case "1":
            return f"Status 1, good against bad: {clear}; at least {least} were needed."
        case "2":
            return f"Status 2, finer ranking: only {clear}, but {apart}; at least {least} were needed."
        case _:
            return f"Converged: only {clear}, and only {apart}; {least} were needed. The run stopped here."


def _reason(promoted: Row) -> str:
    """What the promotion was decided on, as a sentence."""
    return f"Decided on: {promoted['why'].rstrip('.')}." if promoted["why"] else ""


def _clip(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _CLIP else text[:_CLIP].rstrip() + " …"
