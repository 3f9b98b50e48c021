"""Values of the audit as people read them: rounded numbers, and texts that cannot command a terminal."""

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from ser.terminal import printable

_DECIMALS = 3
_LEAST = 0.5 * 10**-_DECIMALS
"""What is smaller would be shown as nothing; it keeps two significant digits instead."""
_MOST = 1e15
"""From here on every digit before the point would be one that a double does not have."""


def readable_rows(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Every value as text; a column's numbers have equally many decimals, three at most."""
    columns = [readable_column(column) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def readable_column(values: Sequence[Any]) -> list[str]:
    """The values of a column as text, with as many decimals as the one that needs most of them."""
    decimals = max((_decimals(value) for value in values if is_fraction(value)), default=0)
    return [_cell(value, decimals) for value in values]


def readable_text(text: str) -> str:
    """A text with its lines, as a terminal shows it: so a table is laid out by what is seen."""
    return "\n".join(printable(line.rstrip().expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def is_fraction(value: Any) -> bool:
    """Whether a value is a number that may have decimals."""
    return isinstance(value, float | Decimal)


def _cell(value: Any, decimals: int) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() | Decimal():
            return _rounded(value, decimals)
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S") + ("Z" if value.tzinfo else "")
        case list():
            return " → ".join(readable_column(value))
        case _:
            return readable_text(str(value))


def _rounded(value: float | Decimal, decimals: int) -> str:
    if not math.isfinite(value):
        return str(value)
    size = abs(float(value))
    if 0 < size < _LEAST:
        return f"{value:.2g}"
    return f"{value:.6g}" if size >= _MOST else f"{value if size else 0:.{decimals}f}"


def _decimals(value: float | Decimal) -> int:
    """How many of the decimals of a rounded number are not nothing."""
    return len(f"{value:.{_DECIMALS}f}".rstrip("0").partition(".")[2]) if math.isfinite(value) else 0
