"""Rows as a table where its columns fit into the width, else each row as a record; nothing is ever cut."""

import io
from collections.abc import Iterable, Sequence

_GAP = 2
_LINES = 3
"""A text may take up so many lines of its column; one that needs more makes records of the rows."""
_HEADING = 6
"""A column's name is broken at underscores until it is as narrow as this, or as its values."""
_NARROWEST = 20
"""No terminal is taken for narrower: there must be room for a name and a value."""


def terminal_width() -> int:
    """The columns of the terminal, also where standard output is a pipe; 80 without one; COLUMNS overrules both."""
    from rich.console import Console

    return Console().width


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], width: int) -> str:
    """The rows as a table, or as records if that would be wider than `width`.

    Args:
        columns: names, of one line each.
        rows: their texts, which may have several lines.
        numeric: whether a column is aligned to the right.
    """
    headings = [_broken(name, max(_longest(row[k] for row in rows), _HEADING)) for k, name in enumerate(columns)]
    several = any("\n" in text for row in rows for text in row)
    widths = None if several else _widths(headings, rows, width)
    return _records(columns, rows, width) if widths is None else _table(headings, rows, numeric, widths)


def record(fields: Iterable[tuple[str, str]], width: int) -> str:
    """A line for each name with its text, which is wrapped under itself."""
    from rich.table import Table
    from rich.text import Text

    fields, width = list(fields), max(width, _NARROWEST)
    names = min(_longest(name for name, _ in fields), width // 3)
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(width=names, overflow="fold")
    grid.add_column(width=width - names - _GAP, overflow="fold")
    for name, text in fields:
        grid.add_row(Text(name), Text(text))
    return _printed(grid, width)


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most `width`, broken between words where it can be."""
    from rich.text import Text

    return _printed(Text(text, overflow="fold"), max(width, _NARROWEST))


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    parts = []
    for number, row in enumerate(rows, 1):
        parts.append(f"── row {number} of {len(rows)} ".ljust(max(width, _NARROWEST), "─") + "\n")
        parts.append(record(zip(columns, row, strict=True), width))
    return "".join(parts)


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int]
) -> str:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), header_style="")
    for heading, number, size in zip(headings, numeric, widths, strict=True):
        table.add_column(Text(heading), width=size, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return _printed(table, sum(widths) + _GAP * len(widths))


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column; None if they do not fit.

    Words and numbers are whole. Texts of several words share what is left, so that none has more than `_LINES` lines.
    """
    widths, texts = [], []
    for k, heading in enumerate(headings):
        longest, word = _longest(row[k] for row in rows), _longest(word for row in rows for word in row[k].split(" "))
        least = max(_longest([heading]), word, -(-longest // _LINES))
        widths.append(least)
        texts += [(longest, k)] if longest > least else []
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    if left < 0:
        return None
    # The shortest text first: what it does not need goes to the others.
    for place, (longest, k) in enumerate(sorted(texts)):
        more = min(longest - widths[k], left // (len(texts) - place))
        widths[k] += more
        left -= more
    return widths


def _broken(name: str, width: int) -> str:
    """A column's name in lines of at most `width`, as far as its words allow."""
    lines = [""]
    for word in name.replace("_", "_\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _longest(texts: Iterable[str]) -> int:
    """Terminal cells of the longest line."""
    from rich.cells import cell_len

    return max((cell_len(line) for text in texts for line in text.split("\n")), default=0)


def _printed(shown: object, width: int) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, color_system=None, markup=False, emoji=False, highlight=False).print(shown)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().rstrip("\n").split("\n"))
