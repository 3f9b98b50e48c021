"""What is wrong with a setting, in one or two lines: its key, what is allowed, the nearest valid key, who set it."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from resources.settings import Settings

Origins = Mapping[str, str]
"""Dotted key to what set it: a variable, a `--set`, or the key itself, where a command or a run's configuration said
it. All others are of the file."""


def explain(error: ValidationError, origins: Origins) -> str:
    """The first problem of settings that are unknown or impossible."""
    problem = error.errors()[0]
    place = [part for part in problem["loc"] if isinstance(part, str) and part != "[key]"]
    if len(place) == 1 and place[0] in origins:  # a text that is no setting stands under its whole key
        place = place[0].split(".")
    if problem["type"] == "extra_forbidden":
        return _explain_unknown(place, origins)
    key = ".".join(place[: _depth(place)])  # below it are the alternatives that pydantic has tried
    named = _origins_of(key, origins)
    what = f"setting {key or 'ser.toml'!r} is impossible: {_alternatives(error)}{_given(key, problem['input'])}."
    if named:
        return f"{prefix(', '.join(named), key)}{what}\nChange {named[0]}."
    return f"{what}\nChange it in ser.toml."


def _alternatives(error: ValidationError) -> str:
    """What the first value should have been: of a setting with several types what each of them asks."""
    problem, *others = error.errors()
    same = [one for one in others if one["loc"][:-1] == problem["loc"][:-1] and one["input"] is problem["input"]]
    several = len(problem["loc"]) > 1 and len(same) > 0
    return "; or ".join(one["msg"].removeprefix("Value error, ") for one in [problem, *(same if several else [])])


def _given(key: str, value: Any) -> str:
    """What was given, where that is one value; none of automation, which may name places that are nobody's business."""
    shown = isinstance(value, str | int | float) and key.partition(".")[0] != "automation"
    return f" (got {value!r})" if shown else ""


def prefix(origin: str | None, key: str) -> str:
    """What stands before a problem with the setting `key`: by what it was set, where the key does not say so."""
    return f"{origin}: " if origin and origin != key else ""


def is_setting(place: Sequence[str]) -> bool:
    """Whether there is a setting, or room for a name of the user's own, at a place."""
    return _depth(place) == len(place)


def _explain_unknown(place: Sequence[str], origins: Origins) -> str:
    depth = min(_depth(place), len(place) - 1)
    section, wrong = place[:depth], place[depth]
    named = _origins_of(".".join(place), origins)
    origin = named[0] if named else None
    known = _fields(section)
    if known is None:
        name = ".".join(section)
        return f"{prefix(origin, name)}{name!r} is a single setting, not a section."
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    nearest = [*section, *near]
    variable = origin is not None and origin.startswith("SER_")
    meant = f"SER_{'__'.join(nearest).upper()}" if variable else repr(".".join(nearest))
    hint = f" Did you mean {meant}?" if near else ""
    key = ".".join(place[: depth + 1])
    return f"{prefix(origin, key)}unknown setting {key!r}.{hint}\nAllowed here: {', '.join(known)}."


def _origins_of(key: str, origins: Origins) -> list[str]:
    """What set a key: maybe its whole section; and of a section that is wrong as a whole, maybe parts of it."""
    return [name for place, name in origins.items() if _is_within(key, place) or _is_within(place, key)]


def _is_within(place: str, section: str) -> bool:
    return not section or f"{place}.".startswith(f"{section}.")


def _depth(place: Sequence[str]) -> int:
    """How many parts of a place, from its beginning, are settings that there are, or names of the user's own."""
    for depth, part in enumerate(place):
        known = _fields(place[:depth])
        if known is None or (known and part not in known):
            return depth
    return len(place)


def _fields(section: Sequence[str]) -> list[str] | None:
    """The settings of a section that there is; none where the user's own names stand; None for a single setting."""
    kind: Any = Settings
    for part in section:
        if kind is not Any:
            kind = get_args(kind)[1] if get_origin(kind) is dict else kind.model_fields[part].annotation
    if kind is Any or get_origin(kind) is dict:
        return []
    return sorted(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
