"""Cells of a CSV that a spreadsheet shows as they are."""

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula."""


def shown(value: Any) -> Any:
    """`value`, behind an apostrophe if it is a text that a spreadsheet would calculate; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
