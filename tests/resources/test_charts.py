"""The charts: the same bytes every time, small, well-formed, and safe to put on a page."""

import base64
from xml.etree import ElementTree

from resources.reporting.charts import KEPT, Point, as_markdown, bars, histogram, loops_chart

POINTS = [Point("seed", 0.61, 0.57, 0.65), Point("loop 1", 0.63, 0.59, 0.67, promoted=True)]


def charts() -> list[str]:
    return [
        histogram([0.5, 0.75, 1.0], [250, 250], "Confidence", "confidence", "pairs", {"tau_high": 0.55}),
        histogram([0.0, 1.0], [0], "Nothing", "x", "pairs"),
        bars([0, 0.5, 1.0], {"kept": ([1, 2], KEPT), "left": ([3, 0], "grey")}, "", "distance"),
        loops_chart(POINTS, {"full labels": 0.652}, "Accuracy"),
        loops_chart([], {}),
    ]


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert charts() == charts()


def test_charts_are_small_and_well_formed() -> None:
    for svg in charts():
        ElementTree.fromstring(svg)
        assert svg.startswith("<svg") and len(svg) < 60_000
        assert len(as_markdown(svg)) < 100_000
        assert "<metadata" not in svg and "<!--" not in svg and "http://matplotlib" not in svg


def test_texts_are_text_and_follow_the_colour_of_the_page() -> None:
    svg = charts()[0]
    assert ">Confidence</text>" in svg and ">tau_high</text>" in svg
    assert "currentColor" in svg and "#010203" not in svg
    assert "63.0" in charts()[3] and ">full labels</text>" in charts()[3]


def test_a_label_cannot_be_markup() -> None:
    svg = histogram([0.0, 1.0], [1], "<script>alert(1)</script>", "x", "pairs")
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_a_markdown_image_carries_itself() -> None:
    svg = charts()[0]
    head, data = as_markdown(svg, "Confidence").split(",", 1)
    assert head == "![Confidence](data:image/svg+xml;base64"
    assert base64.b64decode(data.removesuffix(")")).decode() == svg.replace("currentColor", "#7d8590")
