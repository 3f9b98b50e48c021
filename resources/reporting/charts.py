"""The charts of the pages, the metadata and the studies."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from resources.reporting.numbers import number
from resources.reporting.vega import Spec, layer, svg

KEPT, LEFT, PROMOTED = "#2f7fd8", "#a3adb8", "#e07b1f"
GOOD, BAD = "#2f9e5b", "#d0503f"
_BESIDE = "#8a94a0"
_MANY = 6
"""Rows beyond which they stand closer: the answers above and below them are to stay on one screen."""
_NAMES: Spec = {"title": None, "labelLimit": 400, "ticks": False, "domain": False, "grid": False}

Kind = Literal["plain", "marked", "beside"]
"""How something is drawn: as it is, so that it stands out, or as what stands beside the rest."""


@dataclass(frozen=True)
class Interval:
    """A named value with the ends of its interval: `ends` are value, low and high in the unit of the axis.

    `says` is shown where one points at it.
    """

    name: str
    ends: tuple[float, float, float]
    kind: Kind = "plain"
    says: str = ""


@dataclass(frozen=True)
class Line:
    """A line through points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = KEPT


@dataclass(frozen=True)
class Shares:
    """Points (x, y, low, high), each a share with its interval."""

    name: str
    points: Sequence[tuple[float, float, float, float]]
    colour: str = KEPT


def intervals(
    rows: Sequence[Interval],
    xlabel: str,
    title: str = "",
    marks: Mapping[str, float] | None = None,
    what: str = "",
    width: int = 330,
) -> str:
    """Named values with their intervals, one below another; `marks` are named vertical lines (a line at zero: '')."""
    values = [
        {"name": row.name, "value": row.ends[0], "kind": row.kind, "says": row.says or _say(row)}
        | ({"low": row.ends[1], "high": row.ends[2]} if all(map(math.isfinite, row.ends)) else {})
        for row in rows
    ]
    names: Spec = {"field": "name", "type": "nominal", "sort": None, "axis": _NAMES}
    colour: Spec = {
        "field": "kind",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": ["plain", "marked", "beside"], "range": [KEPT, PROMOTED, _BESIDE]},
    }
    position: Spec = {"field": "value", "type": "quantitative", "title": xlabel, "scale": {"zero": False}}
    ends = [row for row in values if "low" in row]
    layers = [
        *_marks(marks or {}, "x"),
        layer({"type": "rule", "strokeWidth": 2.5}, ends, y=names, color=colour,
              x={**position, "field": "low"}, x2={"field": "high"}),
        layer({"type": "point", "filled": True, "size": 80, "opacity": 1}, values, y=names, color=colour, x=position,
              description={"field": "says"}),
    ]  # fmt: skip
    return svg(layers, title, width, {"step": 24 if len(rows) <= _MANY else 16}, what)


def histogram(
    edges: Sequence[float],
    counts: Sequence[int],
    title: str,
    xlabel: str,
    ylabel: str,
    marks: Mapping[str, float] | None = None,
) -> str:
    """A distribution in one colour; `marks` are named vertical lines (thresholds), `ylabel` what is counted."""
    return bars(edges, {"": (counts, KEPT)}, title, xlabel, marks, ylabel)


def bars(
    edges: Sequence[float],
    series: Mapping[str, tuple[Sequence[int], str]],
    title: str,
    xlabel: str,
    marks: Mapping[str, float] | None = None,
    ylabel: str = "pairs",
) -> str:
    """A histogram that is counted already: name -> (counts between the `edges`, colour), stacked."""
    values = [
        {"from": a, "to": b, "n": n, "name": name, "says": f"{a:.3g} to {b:.3g}: {n} {name}".rstrip()}
        for name, (counts, _) in series.items()
        for (a, b), n in zip(pairwise(edges), counts, strict=True)
        if n
    ]
    across: Spec = {"field": "from", "type": "quantitative", "title": xlabel, "bin": {"binned": True},
                    "scale": {"domain": [edges[0], edges[-1]], "nice": False}, "axis": {"grid": False}}  # fmt: skip
    up: Spec = {"field": "n", "type": "quantitative", "title": ylabel, "axis": {"tickMinStep": 1, "tickCount": 5}}
    colours = {"domain": list(series), "range": [colour for _, colour in series.values()]}
    legend = {} if any(series) else {"legend": None}
    colour: Spec = {"field": "name", "type": "nominal", "scale": colours, **legend}
    counted = layer({"type": "bar", "binSpacing": 1}, values, x=across, x2={"field": "to"}, y=up, color=colour,
                    description={"field": "says"})  # fmt: skip
    return svg([counted, *_marks(marks or {}, "x")], title, 340, 190, f"Histogram: {ylabel} by {xlabel}")


def stacked(rows: Mapping[str, Mapping[str, tuple[float, str]]], xlabel: str, what: str, width: int = 330) -> str:
    """Bars one below another: name -> part -> (how much, colour)."""
    parts = {part: colour for row in rows.values() for part, (_, colour) in row.items()}
    values = [
        {"name": name, "part": part, "n": n, "says": f"{name}, {part}: {number(n)}"}
        for name, row in rows.items()
        for part, (n, _) in row.items()
    ]
    names: Spec = {"field": "name", "type": "nominal", "sort": None, "axis": _NAMES}
    colour: Spec = {"field": "part", "type": "nominal", "sort": None,
                    "scale": {"domain": list(parts), "range": list(parts.values())},
                    **({} if len(parts) > 1 else {"legend": None})}  # fmt: skip
    long: Spec = {"field": "n", "type": "quantitative", "title": xlabel, "axis": {"tickMinStep": 1, "tickCount": 6}}
    drawn = layer("bar", values, y=names, x=long, color=colour, order={"field": "part", "sort": None},
                  description={"field": "says"})  # fmt: skip
    return svg([drawn], "", width, {"step": 24}, what)


def reliability(drawn: Sequence[Shares], what: str) -> str:
    """Shares of right answers by confidence, all in percent, beside the line on which both are equal."""
    values = [
        {"x": x, "y": y, "low": low, "high": high, "name": one.name,
         "says": f"{one.name}: {x:.0f} % sure, {y:.0f} % right ({low:.0f} to {high:.0f})"}
        for one in drawn
        for x, y, low, high in one.points
    ]  # fmt: skip
    across: Spec = {"field": "x", "type": "quantitative", "title": "confidence (%)", "scale": {"zero": False}}
    up: Spec = {"field": "y", "type": "quantitative", "title": "right (%)", "scale": {"zero": False}}
    colours = {"domain": [one.name for one in drawn], "range": [one.colour for one in drawn]}
    colour: Spec = {
        "field": "name",
        "type": "nominal",
        "scale": colours,
        **({} if len(drawn) > 1 else {"legend": None}),
    }
    dashed = {"type": "line", "strokeDash": [4, 3], "color": "currentColor", "opacity": 0.6}
    layers = [
        layer(dashed, [{"x": end, "y": end} for end in (50, 100)], x=across, y=up),
        layer({"type": "rule", "strokeWidth": 2, "opacity": 0.55}, values, x=across, y={**up, "field": "low"},
              y2={"field": "high"}, color=colour),
        layer({"type": "point", "filled": True, "size": 60, "opacity": 1}, values, x=across, y=up, color=colour,
              description={"field": "says"}),
    ]  # fmt: skip
    return svg(layers, "", 330, 220, what)


def lines(drawn: Sequence[Line], xlabel: str, ylabel: str, what: str) -> str:
    """Lines over a common axis."""
    values = [
        {"x": x, "y": y, "name": line.name, "says": f"{line.name}: {ylabel} {y:.3g} at {xlabel} {x:.3g}"}
        for line in drawn
        for x, y in line.points
        if math.isfinite(y)
    ]
    across: Spec = {"field": "x", "type": "quantitative", "title": xlabel, "scale": {"zero": False}}
    up: Spec = {"field": "y", "type": "quantitative", "title": ylabel, "scale": {"zero": False}}
    colours = {"domain": [line.name for line in drawn], "range": [line.colour for line in drawn]}
    legend = {} if len(drawn) > 1 else {"legend": None}
    colour: Spec = {"field": "name", "type": "nominal", "scale": colours, **legend}
    layers = [
        layer({"type": "line", "strokeWidth": 1.5}, values, x=across, y=up, color=colour),
        layer({"type": "point", "filled": True, "size": 30, "opacity": 1}, values, x=across, y=up, color=colour,
              description={"field": "says"}),
    ]  # fmt: skip
    return svg(layers, "", 330, 220, what)


def _marks(marks: Mapping[str, float], axis: str) -> list[Spec]:
    """Named lines across the chart; their names stand on the outer sides, as two may be close together."""
    if not marks:
        return []
    dashed = {"type": "rule", "strokeDash": [4, 3], "opacity": 0.7}
    rows = [{"at": at, "name": name} for name, at in marks.items()]
    drawn = [layer(dashed, rows, **{axis: {"field": "at", "type": "quantitative"}})]
    last = max(marks.values())
    for name, at in marks.items():
        left = at < last
        text = {"type": "text", "align": "right" if left else "left", "dx": -4 if left else 4, "baseline": "bottom"}
        row: list[dict[str, Any]] = [{"at": at, "name": name}]
        drawn += [layer(text, row, x={"field": "at", "type": "quantitative"}, y={"value": -7},
                        text={"field": "name"})] if name else []  # fmt: skip
    return drawn


def _say(row: Interval) -> str:
    value, low, high = (f"{end:.1f}".replace("-", "−") for end in row.ends)
    return f"{row.name}: {value} ({low} to {high})"
