"""What a browser draws of Dagster's pages: the graph by its geometry, the tables of an asset by their boxes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from playwright.sync_api import Page as Tab

_GRAPH = """() => {
    const boxes = [...document.querySelectorAll('foreignObject')].map((one) => ({
        text: one.textContent, group: one.classList.contains('group'),
        ...Object.fromEntries(['x', 'y', 'width', 'height'].map((name) => [name, Number(one.getAttribute(name))])),
    }));
    const ends = [...document.querySelectorAll('path[marker-end]')].map((one) =>
        [0, one.getTotalLength()].map((at) => { const p = one.getPointAtLength(at); return [p.x, p.y]; }));
    return [boxes.filter((one) => one.text), ends];
}"""
_TABLES = """() => [...document.querySelectorAll('table')].filter((table) =>
    table.checkVisibility() && table.tHead?.rows[0].cells.length === 3).map((table) => {
    let view = table;
    while (getComputedStyle(view).overflowX === 'visible') view = view.parentElement;
    const rows = [...table.tBodies[0].rows].map((row) => {
        const cell = row.cells[2], box = cell.getBoundingClientRect(), lines = [];
        const nodes = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
        while (nodes.nextNode()) {
            range.selectNodeContents(nodes.currentNode);
            lines.push(...[...range.getClientRects()].map((one) => [one.left, one.top, one.right, one.bottom]));
        }
        return { key: row.cells[0].textContent, width: box.width,
                 cell: [box.left, box.top, box.right, box.bottom], lines };
    });
    return { view: view.clientWidth, width: table.getBoundingClientRect().width, rows };
})"""
_DRAWN = """(image) => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const values = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const inked = values.filter((value, i) => i % 4 === 3 && value);  // of four values a pixel, how opaque it is
    return inked.length / (canvas.width * canvas.height);
}"""

Edge = tuple[str, str]
"""From where and to where, each `group/name`."""


def drawn_graph(tab: Tab) -> tuple[list[str], list[Edge]]:
    """The assets and the edges of the graph that a tab shows whole, with its groups open.

    Dagster's nodes have no identity in the page: which group a node is in, and which nodes an edge joins, is read
    from where they are, as a person reads it.
    """
    boxes, ends = tab.evaluate(_GRAPH)
    groups = [box for box in boxes if box["group"]]
    nodes = [box for box in boxes if not box["group"]]

    def name(x: float, y: float) -> str:
        node = _around(nodes, x, y)
        group = _around(groups, node["x"] + node["width"] / 2, node["y"] + node["height"] / 2)
        return f"{group['text']}/{node['text']}"

    middles = ((node["x"] + node["width"] / 2, node["y"] + node["height"] / 2) for node in nodes)
    return [name(*middle) for middle in middles], [(name(*start), name(*end)) for start, end in ends]


def _around(boxes: Sequence[dict[str, Any]], x: float, y: float) -> dict[str, Any]:
    """The smallest of the boxes that a point is in."""
    found = [
        box for box in boxes if box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"]
    ]
    assert found, (x, y)
    return min(found, key=lambda box: float(box["width"] * box["height"]))


def shortened(name: str) -> str:
    """A name as a node of the graph has it: Dagster takes the middle out of a long one."""
    return name if len(name) <= 18 else f"{name[:5]}…{name[-12:]}"


class Table(NamedTuple):
    """A table of an asset's page: how wide it is, how much of that is seen at a time, and what is wrong with it."""

    width: float
    view: float
    keys: list[str]
    widest: float
    """Of the cells with values: wider than the view, one could not be read without moving it to and fro."""
    cut: list[str]
    """The keys of values that stick out of their cell, or have lines over each other."""


def tables(tab: Tab) -> list[Table]:
    """The tables that an asset's page shows: those of key, time and value, and of column, type and meaning."""
    return [
        Table(
            width=found["width"],
            view=found["view"],
            keys=[row["key"] for row in found["rows"]],
            widest=max((row["width"] for row in found["rows"]), default=0),
            cut=[row["key"] for row in found["rows"] if _sticks_out(row) or _overlap(row["lines"])],
        )
        for found in tab.evaluate(_TABLES)
    ]


def _sticks_out(row: dict[str, Any]) -> bool:
    left, top, right, bottom = row["cell"]
    return any(a < left or b < top or c > right or d > bottom for a, b, c, d in row["lines"])


def _overlap(lines: Sequence[Sequence[float]]) -> bool:
    """Whether two lines of text share more than a hair."""
    return any(
        a[0] < b[2] - 2 and b[0] < a[2] - 2 and a[1] < b[3] - 3 and b[1] < a[3] - 3
        for number, a in enumerate(lines)
        for b in lines[number + 1 :]
    )


def ink(image: Any) -> float:
    """The share of a picture's pixels that something is drawn on."""
    return float(image.evaluate(_DRAWN))
