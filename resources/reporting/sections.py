"""The sections of a report under its first screen, each as what its template shows."""

import json

from resources.reporting.charts import (
    BAD,
    GOOD,
    KEPT,
    LEFT,
    PROMOTED,
    Interval,
    Kind,
    Line,
    Shares,
    bars,
    intervals,
    lines,
    reliability,
    stacked,
)
from resources.reporting.commands import unlike_defaults, whole_command
from resources.reporting.numbers import difference, number, percent
from resources.reporting.report_data import BINS, ReportData, Row
from resources.reporting.words import name_of_loop, promise_words, rule_words

_MOST_SHOWN = 10
"""Groups that a chart shows of those that a filter keeps most, and as many of those that it keeps least."""
CONTROL_NAMES = {
    "controls/full_label_rm": "all labels (the ceiling)",
    "controls/more_steps_rm": "seed, trained as long",
    "controls/naive_self_training_rm": "loop 1 on every label",
    "controls/true_label_rm": "last loop, right labels",
    "controls/seed_ensemble_rm": "mean of seeds",
    "controls/half_seed_rm": "half of the seed",
}


def forest(data: ReportData) -> str | None:
    """What each loop, and beside them each control, gains over the seed."""
    rows = []
    for row in data.rows["gains"]:
        promoted = row["loop"] is not None and row["loop"] == data.evolution["promoted_loop"]
        control: str = row["model"]
        name = CONTROL_NAMES.get(control, control) if row["loop"] is None else name_of_loop(row["loop"])
        kind: Kind = "beside" if row["loop"] is None else "marked" if promoted else "plain"
        gained = difference(row["gain"], row["gain_low"], row["gain_high"])
        says = f"{name}: {gained} points; {row['mended']} mended, {row['broken']} broken"
        name = f"{name} (promoted)" if promoted else name
        rows.append(Interval(name, _percents(row, "gain", "gain_low", "gain_high"), kind, says))
    return intervals(rows, "points over the seed", "", {"": 0}, "Gains over the seed on test pairs") if rows else None


def reliability_chart(data: ReportData) -> str | None:
    """Accuracy by confidence of the seed and of the last loop, on test pairs."""
    last = max(data.trained_loops, default=0)
    drawn = []
    for loop, colour in {0: LEFT, last: PROMOTED}.items():
        rows = [row for row in data.watch.reliability if row["loop"] == loop and row["split"] == "test"]
        points = [(100 * row["confidence"], *_percents(row, "accuracy", "ci_low", "ci_high")) for row in rows]
        drawn += [Shares(name_of_loop(loop), points, colour)] if points else []
    return reliability(drawn, "Share of test pairs ranked right, by confidence") if drawn else None


def changes_chart(data: ReportData) -> str | None:
    """Labels that changed since the loop before, where the vault says whether for better or worse."""
    rows = {
        name_of_loop(row["loop"]): {"mended": (row["mended"], GOOD), "broken": (row["broken"], BAD)}
        for row in data.rows["changes"]
        if row["mended"] + row["broken"]
    }
    return stacked(rows, "labels", "Labels that changed, for better and for worse") if rows else None


def preference_chart(rows: list[Row], dimension: str) -> str | None:
    """How often a loop kept pairs of each length or source, the most kept first."""
    shown = [
        Interval(
            row["value"],
            _percents(row, "kept_rate", "ci_low", "ci_high"),
            "plain",
            f"{row['value']}: {percent(row['kept_rate'])} of {number(row['n'])}",
        )
        for row in rows
        if row["dimension"] == dimension
    ]
    if len(shown) > 2 * _MOST_SHOWN:  # the table has all of them
        shown = [*shown[:_MOST_SHOWN], *shown[-_MOST_SHOWN:]]
    return intervals(shown, "kept (%)", "", what=f"Kept rate by {dimension}") if len(shown) > 1 else None


def longer_chart(data: ReportData) -> str | None:
    """How often the longer response is preferred among the pairs that each loop kept; None if none kept any."""
    rows = [row for row in data.watch.loops if row["kept_longer"] is not None]
    shown = [
        Interval(name_of_loop(row["loop"]), _percents(row, "kept_longer", "kept_longer_low", "kept_longer_high"))
        for row in rows
    ]
    if not shown:
        return None
    seed = rows[0]["seed_longer"]
    marks = {} if seed is None else {"human labels": 100 * seed}
    return intervals(shown, "prefer the longer (%)", "", marks, "Kept labels that prefer the longer response")


def policy_charts(data: ReportData) -> list[str]:
    """Reward and divergence over the training of the policy."""
    rows = data.rows["steps"]
    if len(rows) < 2:
        return []
    return [
        lines([Line(words, [(row["episodes"], row[name]) for row in rows])], "responses", words, words)
        for name, words in (
            ("mean_score", "mean sigmoid of the reward"),
            ("mean_kl", "KL from the base model"),
        )
    ]


def cost_chart(data: ReportData) -> str | None:
    """Seconds of each stage."""
    rows = {row["stage"]: {"seconds": (row["seconds"] or 0.0, KEPT)} for row in data.rows["costs"]}
    return stacked(rows, "seconds", "Seconds by stage") if rows else None


def trend_chart(data: ReportData) -> str | None:
    """What the last evolutions of the dataset gained on test pairs, this one marked."""
    trend = data.rows["trend"]
    names = [row["name"] or f"{row['recipe']} {row['settings_digest'][:6]}" for row in trend]
    rows = [
        Interval(
            name if names.count(name) == 1 else f"{name} of {row['snapshot'].rpartition('-')[2][:4]}",
            _percents(row, "gain_test", "gain_test_low", "gain_test_high"),
            "marked" if row["evolution"] == data.evolution["evolution"] else "plain",
        )
        for name, row in zip(names, trend, strict=True)
    ]
    return intervals(rows, "points over its seed", "", {"": 0}, "Gains of evolutions") if len(rows) > 1 else None


def _percents(row: Row, value: str, low: str, high: str) -> tuple[float, float, float]:
    return 100 * row[value], 100 * row[low], 100 * row[high]


def loop_section(data: ReportData, status: Row) -> Row:
    """What the page shows of one loop's choice."""
    loop, thresholds = status["loop"], status["thresholds"]
    bias = [row for row in data.rows["bias"] if row["loop"] == loop]
    examples = [row for row in data.rows["examples"] if row["loop"] == loop]
    return {
        "status": status,
        "thresholds": thresholds,
        "chart": _gap_chart(data, status),
        "rule": f"{rule_words(status, data.method)} {promise_words(data)}".strip(),
        "kept": [row for row in examples if row["kept"]],
        "left": [row for row in examples if not row["kept"]],
        "precision": [row for row in data.rows["precision"] if row["loop"] == loop],
        "bias": bias,
        "preferences": [chart for name in ("length difference", "domain") if (chart := preference_chart(bias, name))],
    }


def _gap_chart(data: ReportData, status: Row) -> str:
    width, counts = data.gaps[status["loop"]]
    kept, left = [0] * BINS, [0] * BINS
    for row in counts:
        (kept if row["kept"] else left)[row["bin"]] += row["n"]
    edges = [k * width for k in range(BINS + 1)]
    tau = status["thresholds"]["tau_delta"]
    applied = data.method["select"] == "status" and status["status"] == "2" and tau <= edges[-1]
    series = {"kept": (kept, KEPT), "left in the pool": (left, LEFT)}
    return bars(edges, series, "", "distance |p_a − p_b|", {"tau_delta": tau} if applied else {})


def provenance(data: ReportData) -> list[tuple[str, str]]:
    """What the evolution was made with, as names and words."""
    about, made = data.evolution, data.rows["made_by"]
    packages: dict[str, set[str]] = {}
    for row in made:
        for name, version in json.loads(row["packages"] or "{}").items():
            packages.setdefault(name, set()).add(version)
    commits = {f"{row['git_commit'][:12]}{' with changes' if row['dirty'] else ''}" for row in made}
    annotators = ", ".join(f"{row['annotator']} ({number(row['n'])})" for row in data.rows["annotators"])
    facts = {
        "evolution": about["evolution"],
        "backbone": f"{about['backbone']} (preset {about['preset']})",
        "computed by": "; ".join(sorted({row["device"] or "unknown" for row in made})),
        "commit": ", ".join(sorted(commits)),
        "packages": ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in sorted(packages.items())),
        "labels by": annotators,
        "run again": whole_command(data),
        "unlike the defaults": ", ".join(f"{name} = {value}" for name, value in unlike_defaults(data).items()),
    }
    return [(name, words) for name, words in facts.items() if words]


def all_settings(data: ReportData) -> str:
    """Every setting of the evolution, as JSON."""
    return json.dumps(data.evolution["settings"], sort_keys=True, indent=1)
