"""What the pages share: how they are rendered, and how numbers and texts look on them."""

from pathlib import Path
from typing import TYPE_CHECKING

from resources.reporting.numbers import difference, magnitude, number, percent
from resources.reporting.words import VERDICTS, name_of_loop

if TYPE_CHECKING:
    from jinja2 import Environment

_CLIP = 700
"""Characters of a text that a page shows."""


def environment() -> "Environment":
    """The templates of this folder; they escape every text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, number=number, clip=_clip, name_of_loop=name_of_loop)
    made.globals.update(difference=difference, magnitude=magnitude, verdicts=VERDICTS)
    return made


def _clip(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _CLIP else text[:_CLIP].rstrip() + " …"
