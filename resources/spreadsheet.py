"""Cells of a CSV that a spreadsheet shows as they are."""

import re
import unicodedata
from typing import Any

_BEGINS = frozenset("=+-@")
"""What a formula begins with, also in its wide and small forms."""
_CUTS = frozenset("\t\r\n")
"""What begins a text that a spreadsheet may take for two cells or two rows."""
_EMPTY = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing."""
_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Categories of what a spreadsheet, or whoever cleans a table before, may take away from the beginning of a text."""


_SECOND_CELL = re.compile(r"(;\s*)(?=[=+\-@＝＋－＠﹦﹢﹣﹫])")
"""Where a spreadsheet of a country that writes numbers with a comma begins a cell with a formula."""


def shown(value: Any) -> Any:
    """`value`, with an apostrophe before what a spreadsheet would calculate in a text; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    value = _SECOND_CELL.sub(r"\1'", value) if ";" in value else value
    if not value or (value[0].isascii() and value[0].isalnum()):
        return value
    first = next((character for character in value if not _is_unseen(character)), "")
    formula = value[0] in _CUTS or unicodedata.normalize("NFKC", first)[:1] in _BEGINS
    return f"'{value}" if formula else value


def _is_unseen(character: str) -> bool:
    return character in _EMPTY or unicodedata.category(character) in _UNSEEN
