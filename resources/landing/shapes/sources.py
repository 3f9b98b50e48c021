"""Where the canonical fields of a row are: columns, by name, joined, or inside others."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from resources.landing.comparison import quoted
from resources.landing.shapes.shape import RESPONSES, Alternatives


@dataclass(frozen=True)
class Source:
    """Where a canonical field comes from: columns that are joined, each a way into its value."""

    parts: tuple[tuple[str, ...], ...]

    def value(self, present: Mapping[str, Any]) -> Any:
        """The value, or None where there is none."""
        if len(self.parts) == 1:
            way = self.parts[0]
            return present.get(way[0]) if len(way) == 1 else _inside(present, way)
        values = [value for way in self.parts if (value := _inside(present, way)) is not None]
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"the columns {quoted(self.names)} cannot be joined: they are not all text")
        return "\n\n".join(value.strip() for value in values if value.strip())

    @property
    def names(self) -> str:
        """The columns, as `--map` writes them."""
        return "+".join(".".join(way) for way in self.parts)


def small(columns: Iterable[str]) -> dict[str, str]:
    """Name in small letters to column, also with underscores for the spaces and dashes in it."""
    columns = tuple(columns)
    exact = {column.strip().lower(): column for column in reversed(columns)}
    exact |= {column: column for column in columns if column in exact}
    return {underscored(name): column for name, column in exact.items()} | exact


def underscored(name: str) -> str:
    """A name with underscores for the spaces and dashes in it."""
    return re.sub(r"[ -]+", "_", name)


def first_source(alternatives: Alternatives, lower: Mapping[str, str]) -> Source | None:
    """The first alternative whose first column is there, without the columns that are not."""
    for text in alternatives:
        ways = [tuple(part.split(".")) for part in text.split("+")]
        if ways[0][0] in lower:
            return Source(tuple((lower[way[0]], *way[1:]) for way in ways if way[0] in lower))
    return None


def mapped_source(name: str, text: str, lower: Mapping[str, str]) -> Source | None:
    """The columns that a map names, which may hold `+` and `.` in their own names.

    Raises:
        ValueError: a row that has none of them has no prompt or response.
    """
    small = text.strip().lower()
    source = Source(((lower[small],),)) if small in lower else None
    if source is None:
        parts = [part.strip().lower() for part in text.split("+")]
        ways = [((lower[part],) if part in lower else _dotted(part, lower)) for part in parts]
        source = Source(tuple(way for way in ways if way)) if any(ways) else None
    if source is None and name in ("prompt", *RESPONSES[0], *RESPONSES[1]):
        raise ValueError(f"no column {quoted(text)}, which --map names as the {name!r}")
    return source


def _dotted(part: str, lower: Mapping[str, str]) -> tuple[str, ...] | None:
    first, *others = part.split(".")
    return (lower[first], *others) if others and first in lower else None


def _inside(present: Mapping[str, Any], way: tuple[str, ...]) -> Any:
    value: Any = present
    for name in way:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
