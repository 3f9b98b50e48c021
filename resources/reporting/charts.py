"""Charts as SVG text: small, the same bytes for the same numbers, and readable on light and dark pages."""

import base64
import hashlib
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT, LEFT, PROMOTED = "#2f7fd8", "#a3adb8", "#e07b1f"
_INK = "#010203"
"""Stands for the colour of the text until the SVG is written; no chart uses it otherwise."""

_STYLE: Any = {
    "svg.hashsalt": "ser",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"], _INK),
}


@dataclass(frozen=True)
class Point:
    """A share (0 to 1) with its interval, for instance the test accuracy of a loop's reward model."""

    label: str
    value: float
    low: float
    high: float
    promoted: bool = False


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

    def draw(axes: "Axes") -> None:
        base = [0] * (len(edges) - 1)
        widths = [0.94 * (b - a) for a, b in pairwise(edges)]
        for name, (counts, colour) in series.items():
            axes.bar(edges[:-1], counts, widths, bottom=base, align="edge", color=colour, label=name or None)
            base = [a + b for a, b in zip(base, counts, strict=True)]
        for name, x in (marks or {}).items():
            axes.axvline(x, color=PROMOTED, linewidth=1.2, linestyle="--")
            # Names stand outside the lines: two thresholds may be close together.
            left = x < max((marks or {}).values())
            axes.annotate(name, (x, 1.0), (-3 if left else 3, -2), xycoords=("data", "axes fraction"), va="top",
                          textcoords="offset points", color=PROMOTED, fontsize=9,
                          ha="right" if left else "left")  # fmt: skip
        # Room above the bars, so that the names of the marks stand free.
        axes.set_ylim(0, 1.18 * max([1, *base]))
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.locator_params(axis="y", integer=True, nbins=5)
        if any(series):
            axes.legend(frameon=False, fontsize=9, loc="upper right")

    return _svg(draw, title, (4.8, 2.6))


def loops_chart(points: Sequence[Point], baselines: Mapping[str, float] | None = None, title: str = "") -> str:
    """Shares in percent with their intervals, one after another; `baselines` are named horizontal lines."""

    def draw(axes: "Axes") -> None:
        xs = list(range(len(points)))
        axes.plot(xs, [100 * p.value for p in points], color=LEFT, linewidth=1.2, zorder=1)
        for x, p in zip(xs, points, strict=True):
            colour = PROMOTED if p.promoted else KEPT
            axes.plot([x, x], [100 * p.low, 100 * p.high], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([x], [100 * p.value], "o", color=colour, markersize=7)
            axes.annotate(f"{100 * p.value:.1f}", (x, 100 * p.value), (8, 5), textcoords="offset points")
        for name, y in (baselines or {}).items():
            axes.axhline(100 * y, color=LEFT, linewidth=1, linestyle="--", zorder=0)
            axes.annotate(name, (1.0, 100 * y), (0, 2), xycoords=("axes fraction", "data"),
                          textcoords="offset points", ha="right", fontsize=9)  # fmt: skip
        axes.set_xticks(xs, [p.label for p in points])
        axes.set_xlim(-0.4, max(1, len(points)) - 0.3)
        axes.set_ylabel("%")
        axes.margins(y=0.12)

    return _svg(draw, title, (5.4, 2.9))


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str, xlabel: str) -> str:
    """Named values with their intervals (name, value, low, high), one below another, beside a line at zero."""

    def draw(axes: "Axes") -> None:
        ys = list(range(len(rows)))[::-1]
        axes.axvline(0, color=LEFT, linewidth=1, linestyle="--", zorder=0)
        for y, (_, value, low, high) in zip(ys, rows, strict=True):
            colour = PROMOTED if low > 0 or high < 0 else KEPT
            if math.isfinite(low):
                axes.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([value], [y], "o", color=colour, markersize=6)
        axes.set_yticks(ys, [name for name, *_ in rows])
        axes.set_xlabel(xlabel)
        axes.margins(y=0.05)

    return _svg(draw, title, (7.5, 1 + 0.26 * max(4, len(rows))))


def as_markdown(svg: str, alt: str = "chart") -> str:
    """The chart as a markdown image that carries its own data, for metadata that renders markdown."""
    # An image has no text colour to inherit; this grey can be read on white and on black.
    data = base64.b64encode(svg.replace("currentColor", "#7d8590").encode()).decode()
    return f"![{alt}](data:image/svg+xml;base64,{data})"


def _svg(draw: Callable[["Axes"], None], title: str, inches: tuple[float, float]) -> str:
    """What `draw` puts on one pair of axes, as an `<svg>` element without prolog, date and group names."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure: Figure = Figure(figsize=inches, layout="constrained")
        axes = figure.subplots()
        draw(axes)
        if title:
            axes.set_title(title, loc="left")
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # Several charts stand on one page, where a name may occur once; nothing refers to the names of groups.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # What is referred to (clips, markers) gets a name of this chart's own.
    own = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'( id="|"#|url\(#)(\w+)', rf"\1\2-{own}", text)
    return text.replace(_INK, "currentColor")
