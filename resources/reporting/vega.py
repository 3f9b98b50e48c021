"""Vega-Lite charts as SVG text: small, the same bytes for the same numbers, and readable on light and dark pages."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]
"""A chart, or a part of one, in the words of Vega-Lite."""

_VERSION = "6.4"
_INK = "currentColor"
_AXIS: dict[str, Any] = {f"{part}Color": _INK for part in ("label", "title", "domain", "tick", "grid")}
_AXIS |= {"gridOpacity": 0.12, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
# A page's font may be wider than the one that is measured here.
_AXIS |= {"labelOverlap": True, "labelSeparation": 10, "labelFlush": False}
_CONFIG: Spec = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisY": {"labelOverlap": False},
    "legend": {"labelColor": _INK, "labelFontSize": 12, "title": None, "orient": "top", "symbolType": "square"},
    "title": {"color": _INK, "fontSize": 13, "fontWeight": "normal", "anchor": "start"},
    "text": {"color": _INK, "fontSize": 12},
    "rule": {"color": _INK},
}
_SIZE = re.compile(r'(<svg [^>]*)width="[\d.]+" height="[\d.]+"')
_DESCRIBED = re.compile(r'(<path aria-label="([^"]*)"[^>]*)/>')

_TAG, _NAME = re.compile(r"<[^>]+>"), re.compile(r'( id="|href="#|url\(#)(\w+)')


def svg(layers: Sequence[Spec], title: str, width: int, height: int | Spec, what: str = "") -> str:
    """Layers as one `<svg>` element.

    A mark whose encoding has a `description` shows it where a pointer rests on it, and reads it to who cannot see.

    Args:
        layers: each with its own data.
        title: what stands above the chart; '' if the page says it.
        width: of the data's part, in pixels.
        height: likewise, or Vega-Lite's `{"step": pixels}` for each of an axis' names.
        what: what the chart shows, for who cannot see it, where `title` does not say it.
    """
    import vl_convert

    spec: Spec = {"width": width, "height": height, "background": None, "config": _CONFIG, "layer": list(layers)}
    spec |= {"title": title} if title else {}
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=_VERSION)
    text = _DESCRIBED.sub(r"\1><title>\2</title></path>", text)
    # Several charts stand on one page, where a name may occur once.
    own = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = _TAG.sub(lambda tag: _NAME.sub(rf"\1\2-{own}", tag[0]), text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(what or title)}" ', 1)


def layer(mark: str | Spec, rows: Sequence[Mapping[str, Any]], **encoding: Spec) -> Spec:
    """One kind of mark over its own rows."""
    described = "description" in encoding
    mark = {"type": mark} if isinstance(mark, str) else mark
    return {"mark": {"aria": described, **mark}, "data": {"values": list(rows)}, "encoding": encoding}


def as_markdown(chart: str, alt: str = "chart") -> str:
    """The chart as a markdown image that carries its own data, for metadata that renders markdown."""
    # An image has no text colour to inherit; this grey can be read on white and on black. It takes the width that there
    # is: one of its own would be cut on a phone.
    chart = _SIZE.sub(r'\1width="100%"', chart, count=1).replace(_INK, "#7d8590")
    data = base64.b64encode(chart.encode()).decode()
    return f"![{alt}](data:image/svg+xml;base64,{data})"


def _attribute(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text
