"""What the pages share: how they are rendered, what they may do, and how numbers and texts look on them."""

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.reporting.numbers import difference, number, percent
from resources.reporting.words import name_of_loop
from ser.terminal import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_CLIP = 700
"""Characters of a text that a page shows."""


def environment() -> "Environment":
    """The templates of this folder; they escape every text, and show what would reorder or hide one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_readable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, number=number, clip=_clip, name_of_loop=name_of_loop, tight=_tight)
    made.globals["difference"] = difference
    made.globals["content_policy"] = _content_policy
    return made


def _content_policy() -> str:
    """What a browser lets the page do: show our styles and run our script, and nothing else.

    Only styles of single elements are let through whatever they are: bars are as long as their numbers. The first of
    the three is for browsers that do not know the other two.
    """
    style = _digest(_STYLE.findall((_FOLDER / "style.css.j2").read_text())[0])
    script = _digest((_FOLDER / "report.js").read_text().rstrip("\n"))
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; style-src-elem {style}; style-src-attr 'unsafe-inline'; "
        f"script-src {script}; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _readable(value: Any) -> Any:
    """A text as it can be read; markup of ours stays as it is."""
    return printable(value) if type(value) is str else value


def _tight(text: str) -> str:
    """A sentence of ours whose numbers are not torn from their unit at the end of a line."""
    return re.sub(r"(?<=\d) (?=%|points|\d)", "\u00a0", text)


def _clip(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _CLIP else text[:_CLIP].rstrip() + " …"
