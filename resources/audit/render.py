"""Rows of the audit as a table for people, as CSV, or as JSON."""

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from resources.audit.cells import is_fraction, readable_rows, readable_text
from resources.audit.layout import lay_out, terminal_width
from resources.spreadsheet import shown
from ser.errors import SerError

FORMATS = ("table", "csv", "json")


def render(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], format: str = "table", width: int | None = None
) -> str:
    """The rows as text: in a table of at most `width` (the terminal's) numbers are rounded, elsewhere nothing is.

    Columns of one name are numbered from the second on, as DuckDB does: JSON would keep only the last of them.

    Raises:
        SerError: the format is unknown.
    """
    columns = _distinct(columns)
    if format == "json":
        records = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        return json.dumps(records, ensure_ascii=False, indent=2) + "\n"
    if format == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(map(shown, columns))
        writer.writerows([shown(_csv_cell(value)) for value in row] for row in rows)
        return out.getvalue()
    if format == "table":
        return _table(columns, rows, width or terminal_width())
    raise SerError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names or (number and name in columns):
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> str:
    if not rows:
        return "no rows\n"
    names = [" ".join(readable_text(column).split()) for column in columns]
    numeric = [any(_is_number(value) for value in column) for column in zip(*rows, strict=True)]
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    return f"{lay_out(names, readable_rows(rows), numeric, width)}\n{count}\n"


def _is_number(value: Any) -> bool:
    """Whether a value is a number; a boolean is none."""
    return is_fraction(value) or (isinstance(value, int) and not isinstance(value, bool))


def _csv_cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    plain = _plain(value)
    if isinstance(plain, list | dict):
        return json.dumps(plain, ensure_ascii=False)
    return plain if not isinstance(plain, bool) else str(plain).lower()


def _plain(value: Any) -> Any:
    """A value that JSON knows: times are ISO, with their zone, and what is not a number is null.

    A decimal that no double equals is a text: most readers of JSON would round the number.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case date():
            return value.isoformat()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)
