"""Charts in the metadata of assets, as the UI renders them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import dagster as dg

from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.evolution import Evolution
from resources.reporting.charts import Interval, Line, Shares, histogram, intervals, lines, reliability
from resources.reporting.vega import as_markdown
from resources.reporting.words import name_of_loop
from ser.data import tables
from ser.method.stats import Gain, share

_POINTS = 30
"""Of a curve, at most: more would be noise, and a picture of many bytes."""
_BINS, _IN_A_BIN = 6, 8
"""Points that show reliability at most, and pairs behind each at least."""

Pictures = dict[str, dg.MetadataValue]


def of_labels(work: Evolution, labels: Artifact) -> Pictures:
    """How sure a loop is of its pool, with the thresholds where these select."""
    table, limits = labels.path / "self_labels.parquet", work.settings.thresholds
    selects = work.settings.method.select == "status"
    marks = {"tau_low": limits.tau_low, "tau_high": limits.tau_high} if selects else {}
    return {
        "histogram_p": _histogram(
            table, "unnest([p_a, p_b])", "p of every response", "p = sigmoid(centred reward)", "responses", marks
        ),
        "histogram_margin": _histogram(table, "reward_a - reward_b", "margins", "reward_a − reward_b", "pairs", {}),
    }


def of_reward_model(work: Evolution, key: str, model: Artifact, heldout: Artifact) -> Pictures:
    """How the loss of the reward model `key` went, and how often it is right on test pairs by its confidence."""
    members = model.summary.get("members", 1)
    trained = [model] if members == 1 else [work.heads.get(keys.member_of(key, number)) for number in range(members)]
    loss = _mean_curve([json.loads((one.path / "training.json").read_text())["loss"] for one in trained])
    chart = reliability([Shares("test pairs", _answers(work, heldout))], "Reliability on test pairs")
    return {"loss_curve": _curve(loss, "step", "loss"), "reliability": _shown(chart, "reliability on test pairs")}


def of_gains(gains: Mapping[int, Gain], promoted: int) -> Pictures:
    """What each loop gains over the seed on test pairs; nothing where no loop trained a model."""
    if not gains:
        return {}
    rows = [
        Interval(
            name_of_loop(loop) + (", promoted" if loop == promoted else ""),
            (100 * gain.value, 100 * gain.low, 100 * gain.high),
            "marked" if loop == promoted else "plain",
        )
        for loop, gain in gains.items()
    ]
    chart = intervals(rows, "points over the seed, on test pairs", marks={"": 0}, what="Gains over the seed")
    return {"gains_over_seed": _shown(chart, "gains over the seed")}


def of_policy(policy: Artifact) -> Pictures:
    """How reward and divergence from the base went over the training of a policy."""
    rows = list(tables.read(policy.path / "metrics.parquet", ["mean_reward", "mean_kl"]))
    reward, kl = ([row[name] for row in rows] for name in ("mean_reward", "mean_kl"))
    return {
        "reward_curve": _curve(_mean_curve([reward]), "rollout", "mean reward"),
        "kl_curve": _curve(_mean_curve([kl]), "rollout", "KL, nat a response"),
    }


def _histogram(
    table: Path, values: str, title: str, xlabel: str, ylabel: str, marks: Mapping[str, float]
) -> dg.MetadataValue:
    """The distribution of an SQL expression over the rows of a parquet table."""
    edges, counts = tables.binned(table, values)
    return _shown(histogram(edges, counts, title, xlabel, ylabel, marks), title)


def _mean_curve(series: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """The mean of several curves, each over equal stretches of its steps; x is where a stretch of the first ends."""
    stretches = min(_POINTS, *map(len, series))
    means = [
        [fmean(values[_start(values, k, stretches) : _start(values, k + 1, stretches)]) for k in range(stretches)]
        for values in series
    ]
    ends = (_start(series[0], k + 1, stretches) for k in range(stretches))
    return [(end, fmean(each)) for end, each in zip(ends, zip(*means, strict=True), strict=True)]


def _start(values: Sequence[float], stretch: int, stretches: int) -> int:
    return stretch * len(values) // stretches


def _answers(work: Evolution, heldout: Artifact) -> list[tuple[float, float, float, float]]:
    """Of equally many test pairs each, from the least sure on: mean confidence, and the share of right answers."""
    path, tied = heldout.path / "heldout.parquet", tables.groups(work.pairs("test").path)
    sure = {row["pair_id"]: row["confidence"] for row in tables.read(path) if row["split"] == "test"}
    right = tables.right(path, "test")
    order = sorted(sure, key=lambda pair_id: (sure[pair_id], pair_id))
    bins = max(1, min(_BINS, len(order) // _IN_A_BIN))
    points = []
    for k in range(bins):
        part = order[k * len(order) // bins : (k + 1) * len(order) // bins]
        found = share([float(right[one]) for one in part], [tied[one] for one in part])
        value, low, high = (100 * float(found[name] or 0) for name in ("value", "ci_low", "ci_high"))
        points.append((100 * fmean(sure[one] for one in part), value, low, high))
    return points


def _curve(points: Sequence[tuple[float, float]], xlabel: str, ylabel: str) -> dg.MetadataValue:
    return _shown(lines([Line(ylabel, points)], xlabel, ylabel, f"{ylabel} by {xlabel}"), ylabel)


def _shown(chart: str, what: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(as_markdown(chart, what))
