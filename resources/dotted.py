"""Settings by dotted name, as `--set` and `ser compare` name them."""

from collections.abc import Mapping
from typing import Any


def dotted(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Each value by the names that lead to it, joined by dots; an empty section is a value."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= dotted(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found
