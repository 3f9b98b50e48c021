"""Rows of the audit as a table for people, as CSV, or as JSON."""

import csv
import io
import json
import math
import re
import shutil
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from resources.spreadsheet import shown
from ser.errors import SerError

FORMATS = ("table", "csv", "json")
_IDENTITIES = ("snapshot", "settings")
_SHORT, _LEAST, _GAP = 24, 12, 3


def render(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], format: str = "table", width: int | None = None
) -> str:
    """The rows as text; in a table, identities are whole and long texts are cut to `width` (the terminal's).

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
        return _table(columns, rows, width or shutil.get_terminal_size((120, 24)).columns)
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
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return "no rows\n"
    cells = [[_cell(value) for value in row] for row in rows]
    headers, widths = _layout(columns, cells, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for k, (header, size) in enumerate(zip(headers, widths, strict=True)):
        number = any(isinstance(row[k], int | float | Decimal) and not isinstance(row[k], bool) for row in rows)
        table.add_column(
            header, no_wrap=True, overflow="ellipsis", width=size, vertical="bottom",
            justify="right" if number else "left",
        )  # fmt: skip
    for row in cells:
        table.add_row(*map(Text, row))
    out = io.StringIO()
    room = sum(widths) + _GAP * len(widths) + 2
    Console(file=out, width=room, color_system=None, markup=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines()) + f"\n{_count(len(rows))}\n"


def _layout(columns: Sequence[str], cells: list[list[str]], width: int) -> tuple[list[str], list[int]]:
    """The headers, broken at underscores where that saves room, and the width of each column.

    Identities and short values are whole, whatever the width: cut, they would be useless. Long texts share
    what is left, and never get less than `_LEAST`.
    """
    from rich.cells import cell_len

    headers, widths, texts = [], [], []
    for k, name in enumerate(columns):
        longest = max(cell_len(row[k]) for row in cells)
        header = _broken(name, max(longest, 10))
        headers.append(header)
        plain = re.sub(r"_\d+$", "", name)  # the name without the number of `_distinct`
        whole = longest <= _SHORT or plain.endswith(("_id", "_version")) or plain in _IDENTITIES
        widths.append(max(longest if whole else 0, *map(len, header.split("\n"))))
        texts += [] if whole else [(longest, k)]
    left = width - sum(widths[k] for k in range(len(widths)) if k not in {k for _, k in texts}) - _GAP * len(widths)
    # The shortest text first: what it does not need goes to the others.
    for place, (longest, k) in enumerate(sorted(texts)):
        widths[k] = max(widths[k], _LEAST, min(longest, left // (len(texts) - place)))
        left -= widths[k]
    return headers, widths


def _broken(name: str, width: int) -> str:
    """A column's name in lines of at most `width`, as far as its words allow."""
    lines = [""]
    for word in name.replace("_", "_\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _count(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _cell(value: Any) -> str:
    """A value on one line. Control characters go: a text must not be able to command the terminal."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S") + ("Z" if value.tzinfo else "")
        case list():
            return " → ".join(map(_cell, value))
        case _:
            text = " ".join(str(value).split())
            return "".join(c if unicodedata.category(c) not in ("Cc", "Cf") else "\ufffd" for c in text)


def _csv_cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, list | dict):
        return json.dumps(plain, ensure_ascii=False)
    return plain if not isinstance(plain, bool) else str(plain).lower()


def _plain(value: Any) -> Any:
    """A value that JSON knows: times are ISO, with their zone, and what is not a number is null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return float(value)
        case date():
            return value.isoformat()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)
