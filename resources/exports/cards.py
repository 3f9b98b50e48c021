"""The README of an export: what it is, what it was made from, how good it is, and what it does not know."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.terminal import one_line


def render_card(kind: str, facts: Mapping[str, Any]) -> str:
    """The card of an export of `kind` (`rm`, `policy` or `labels`). A fact that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown; no text of a pair is in it
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(share=_share, measure=_measure, words=_words)
    return environment.get_template(f"{kind}.md.j2").render(facts)


def card_digest() -> str:
    """A digest of the words of all cards: when they change, an earlier export is no longer the same."""
    templates = sorted(Path(__file__).parent.glob("*.j2"))
    return hashlib.sha256("".join(path.read_text() for path in templates).encode()).hexdigest()


def _words(text: str) -> str:
    """What a person wrote, as words on one line: it makes no markup of the card."""
    return re.sub(r"[\\`*_\[\]<>|#!~]", r"\\\g<0>", one_line(text))


def _share(value: Mapping[str, Any]) -> str:
    """`{"value", "ci_low", "ci_high", "n"}` as a percentage with its interval."""
    low, high = (100 * value[end] for end in ("ci_low", "ci_high"))
    return f"{100 * value['value']:.1f} % ({low:.1f} to {high:.1f}; {value['n']:,})"


def _measure(value: Mapping[str, Any]) -> str:
    """A metric: a percentage with its interval where it has one, else the number."""
    return _share(value) if "ci_low" in value else f"{value['value']:.3f} ({value['n']:,})"
