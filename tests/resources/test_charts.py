"""The charts: the same bytes every time, small, well-formed, and safe to put on a page."""

import base64
import re
from xml.etree import ElementTree

from resources.reporting.charts import (
    BAD,
    GOOD,
    KEPT,
    Interval,
    Line,
    Shares,
    bars,
    histogram,
    intervals,
    lines,
    reliability,
    stacked,
)
from resources.reporting.vega import as_markdown

ROWS = [Interval("loop 1", (1.25, -0.5, 3.0)), Interval("loop 2", (4.5, 1.0, 8.0), "marked", "loop 2 is <promoted>")]


def charts() -> list[str]:
    return [
        histogram([0.5, 0.75, 1.0], [250, 250], "Confidence", "confidence", "pairs", {"tau_high": 0.55}),
        histogram([0.0, 1.0], [0], "Nothing", "x", "pairs"),
        bars([0, 0.5, 1.0], {"kept": ([1, 2], KEPT), "left": ([3, 0], "grey")}, "", "distance"),
        intervals(ROWS, "points", "Gains", {"": 0, "seed": 0.5}, what="the gains"),
        intervals([], "points"),
        intervals([Interval("one draw", (1.0, float("-inf"), float("inf")))], "points"),
        stacked({"loop 1": {"mended": (32, GOOD), "broken": (20, BAD)}}, "pairs", "labels that changed"),
        lines([Line("seed", [(0.5, 0.6), (0.9, float("nan"))])], "x", "y", "a line"),
        reliability([Shares("seed", [(55, 60, 50, 70)]), Shares("loop 1", [])], "reliability"),
    ]


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert charts() == charts()


def test_charts_are_small_and_well_formed() -> None:
    for svg in charts():
        ElementTree.fromstring(svg)
        assert svg.startswith("<svg") and len(svg) < 20_000
        assert len(as_markdown(svg)) < 30_000
        assert "<metadata" not in svg and "<style" not in svg and "<script" not in svg


def test_texts_are_text_and_follow_the_colour_of_the_page() -> None:
    svg = charts()[0]
    assert ">Confidence</text>" in svg and ">tau_high</text>" in svg
    assert "currentColor" in svg
    assert ">loop 2</text>" in charts()[3] and ">seed</text>" in charts()[3]


def test_a_mark_says_what_it_is_where_one_points_at_it() -> None:
    told = {title.text for title in ElementTree.fromstring(charts()[3]).iter("{http://www.w3.org/2000/svg}title")}
    assert told == {"loop 1: 1.2 (−0.5 to 3.0)", "loop 2 is <promoted>"}
    assert '"loop 1, mended: 32"' in charts()[6]


def test_a_chart_says_what_it_shows_to_who_cannot_see_it() -> None:
    assert 'role="img" aria-label="the gains"' in charts()[3]
    assert 'aria-label="Histogram: pairs by confidence"' in charts()[0]


def test_a_label_cannot_be_markup() -> None:
    svg = histogram([0.0, 1.0], [1], "<script>alert(1)</script>", '"x" <b>', "pairs")
    assert "<script" not in svg and "<b>" not in svg
    ElementTree.fromstring(svg)


def test_a_markdown_image_carries_itself() -> None:
    svg = charts()[0]
    head, data = as_markdown(svg, "Confidence").split(",", 1)
    assert head == "![Confidence](data:image/svg+xml;base64"
    image = base64.b64decode(data.removesuffix(")")).decode()
    size = re.search(r'width="(\d+)" height="(\d+)" viewBox="0 0 \1 \2"', svg)
    assert size and f'width="100%" viewBox="0 0 {size[1]} {size[2]}"' in image  # as wide as where it is shown
    drawn, inside = (re.sub(r"^<svg [^>]*>", "", one) for one in (svg, image))
    assert inside == drawn.replace("currentColor", "#7d8590")
