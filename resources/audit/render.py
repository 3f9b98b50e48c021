"""Rows of the audit as a table for people, as CSV, or as JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from json.encoder import encode_basestring
from operator import add
from typing import Any

from resources.audit.cells import is_fraction, readable_rows, readable_text
from resources.audit.layout import lay_out, terminal_width
from resources.spreadsheet import shown
from ser.errors import SerError
from ser.terminal import printable

FORMATS = ("table", "csv", "json")
_SHOWN = 10_000
"""Rows that a table has at most: it has to know all of them before it can show the first."""
_encode = json.JSONEncoder(ensure_ascii=False).encode
_TOGETHER = 128
"""Rows that are written at a time."""


def render(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], format: str = "table", width: int | None = None
) -> str:
    """The rows as text: in a table of at most `width` (the terminal's) numbers are rounded, elsewhere nothing is.

    Columns of one name are numbered from the second on, as DuckDB does: JSON would keep only the last of them.

    Raises:
        SerError: the format is unknown.
    """
    return "".join(rendered(columns, iter(rows), format, width))


def rendered(
    columns: Sequence[str], rows: Iterator[Sequence[Any]], format: str, width: int | None = None
) -> Iterator[str]:
    """The same in pieces, while the rows come: all of them as CSV and JSON, the first `_SHOWN` as a table.

    Raises:
        SerError: the format is unknown.
    """
    columns = _distinct(columns)
    match format:
        case "json":
            return _json(columns, rows)
        case "csv":
            return _csv(columns, rows)
        case "table":
            return iter([_table(columns, rows, width or terminal_width())])
    raise SerError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")


def _json(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """A list of objects; what a terminal would obey is escaped in it, which changes no value."""
    opening, heads = "[", [f"    {_encode(column)}: " for column in columns]
    while some := list(islice(rows, _TOGETHER)):
        records = [",\n".join(map(add, heads, map(_json_value, row))) for row in some]
        yield printable(opening + "\n  {\n" + "\n  },\n  {\n".join(records) + "\n  }")
        opening = ","
    yield "[]\n" if opening == "[" else "\n]\n"


def _csv(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """A header and a record a row; their texts are such that no terminal and no spreadsheet obeys them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(shown, columns))
    while True:
        yield printable(out.getvalue())
        out.seek(0)
        out.truncate()
        if not (some := list(islice(rows, _TOGETHER))):
            return
        writer.writerows(map(_csv_cell, row) for row in some)


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names or (number and name in columns):
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _table(columns: Sequence[str], rows: Iterator[Sequence[Any]], width: int) -> str:
    first = list(islice(rows, _SHOWN + 1))
    if not first:
        return "no rows\n"
    more, first = len(first) > _SHOWN, first[:_SHOWN]
    names = [" ".join(readable_text(column).split()) for column in columns]
    numeric = [any(_is_number(value) for value in column) for column in zip(*first, strict=True)]
    count = "1 row" if len(first) == 1 else f"{len(first)} rows"
    if more:
        count = f"the first {_SHOWN:,} rows; --format csv or json gives the others too"
    return f"{lay_out(names, readable_rows(first), numeric, width)}\n{count}\n"


def _is_number(value: Any) -> bool:
    """Whether a value is a number; a boolean is none."""
    return is_fraction(value) or (isinstance(value, int) and not isinstance(value, bool))


def _json_value(value: Any) -> str:
    """A value inside of an object of the list, as `json.dumps` indents it; what is no container much faster."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return str(value)
    plain = _plain(value)
    if isinstance(plain, list | dict):
        return json.dumps(plain, ensure_ascii=False, indent=2).replace("\n", "\n    ")
    return _encode(plain)


def _csv_cell(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return shown(value)
    if kind is int or value is None or kind is Decimal:
        return value
    plain = _plain(value)
    if isinstance(plain, list | dict):
        return shown(_encode(plain))
    return shown(plain) if not isinstance(plain, bool) else str(plain).lower()


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
