"""How the cells of a table of text are told apart."""

import csv
import re
from collections.abc import Sequence

SEPARATORS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
"""What may stand between cells, and how to call it."""

_SAID = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)


def said_separator(line: str) -> str | None:
    """The separator that Excel writes into a line of its own before the header (`sep=;`)."""
    match = _SAID.fullmatch(line)
    return match[1] if match else None


def find_separator(lines: Sequence[str], complete: bool) -> str:
    """The separator with which a header and the rows after it have the same number of cells, and the most of them.

    Args:
        lines: the first of a table.
        complete: these are all lines, not only the first.
    """
    return max(SEPARATORS, key=lambda separator: _fit(lines, separator, complete))


def _fit(lines: Sequence[str], separator: str, complete: bool) -> tuple[float, int]:
    """The share of the rows that fit under the header, and its width; nothing for a header of one cell."""
    try:
        table = [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return 0.0, 0
    if not table or len(table[0]) == 1:
        return 0.0, 0
    width, rows = len(table[0]), table[1:] if complete else table[1:-1]
    return sum(len(row) == width for row in rows) / len(rows) if rows else 1.0, width
