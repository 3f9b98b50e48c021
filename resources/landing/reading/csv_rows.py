"""Tables of text, as spreadsheets, pandas and people write them: any separator, a broken row costs itself only."""

import csv
import json
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO

from resources.landing.reading import rows
from resources.landing.reading.limits import check_blank, check_columns
from resources.landing.reading.rows import (
    HEAD,
    RawRow,
    Tell,
    UnreadableError,
    Whole,
    cut_row,
    is_text,
    pass_line,
    text_row,
)
from resources.landing.reading.separators import SEPARATORS, find_separator, said_separator

_LINE_ENDS = ("\n", "\r")
_SAMPLE, _SAMPLE_SIZE = 30, 4 * 2**20
"""Lines by which the separator is found, and characters of them."""
_AGAIN = 32 * rows.MAX_LINE
"""Characters that are read again of a file because a quote was open: as much as some dozens of broken rows cost."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A row of a table: its place and text, and its cells or why it has none."""

    line: int
    text: str
    cells: list[str] | None
    fault: str | None = None
    whole: Whole | None = None

    def bad_row(self, fault: str) -> RawRow:
        """The row of a record that is none."""
        if self.whole:
            return cut_row(self.line, self.text, self.whole, fault)
        return text_row(self.line, self.text, None, fault)


def table_rows(text: IO[str], tell: Tell, usual: str = ",") -> Iterator[RawRow]:
    """The rows under a header; an empty cell is a missing one, a row of empty cells is none.

    Columns without a name (pandas writes its index into one) are left out.

    Args:
        text: opened with `newline=""`.
        usual: the separator that nobody needs to be told.

    Raises:
        UnreadableError: no readable header.
    """
    table = _Table(text, tell, usual)
    header = table.header
    if (problem := _header_fault(header)) is not None:
        raise UnreadableError(problem)
    if (nameless := header.count("")) > 1:
        tell(f"columns without a name left out: {nameless}")
    for record in table.records():
        cells = record.cells
        if cells is None:
            yield record.bad_row(record.fault or "")
            continue
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(header):
            reason = f"has {len(cells)} columns, the header {len(header)}"
            yield text_row(record.line, record.text, None, reason)
            continue
        fields = {name: cell or None for name, cell in zip(header, cells, strict=True) if name}
        yield text_row(record.line, record.text, fields)


def chosen_rows(text: IO[str], names: Collection[str], needed: Collection[str], tell: Tell) -> Iterator[RawRow]:
    """The rows with only the columns `names`, of any case: the others need not be decodable, complete or there.

    `raw` is those cells as JSON.

    Raises:
        UnreadableError: one of `needed` is not there exactly once.
    """
    table = _Table(text, tell, ",")
    header = [name.lower() for name in table.header]
    for name in needed:
        if header.count(name) != 1:
            raise UnreadableError(f"it needs one column {name!r} (and has {header.count(name)})")
    for record in table.records():
        if record.cells is None:
            yield record.bad_row(record.fault or "")
            continue
        fields = {name: cell for name, cell in zip(header, record.cells, strict=False) if name in names}
        if any(cell.strip() for cell in fields.values()):
            yield text_row(record.line, json.dumps(fields, ensure_ascii=False), fields)


class _CutLine(str):
    """The beginning of a line that is too long to be read."""

    whole: Whole


class _Lines:
    """Lines of a text; those of the row in hand are remembered, so that an open quote costs one line only."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._ahead: deque[str] = deque()
        self._size = 0
        self._again = 0
        self._closed_until = 0
        """A row that begins before this line ends with its own: so often have lines been read again."""
        self.at_end = False
        self.taken: list[str] = []
        self.number = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next line.

        Raises:
            csv.Error: it, or the row in hand with it, is too long, or the row may not go on.
        """
        if self.taken and self.number < self._closed_until:
            raise csv.Error("a quote that its line does not close")
        line = self._ahead.popleft() if self._ahead else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._size += len(line)
        if isinstance(line, _CutLine) or self._size > rows.MAX_LINE:
            what = "line" if isinstance(line, _CutLine) else "row"
            raise csv.Error(f"a {what} of over {rows.MAX_LINE} characters")
        return line

    def look_ahead(self) -> list[str]:
        """The next lines, which still come."""
        size = sum(map(len, self._ahead))
        while len(self._ahead) < _SAMPLE and size < _SAMPLE_SIZE and (line := self._read()):
            self._ahead.append(line)
            size += len(line)
        return list(self._ahead)

    def start_row(self) -> None:
        """Forget the lines of the row before."""
        self.number += len(self.taken)
        self.taken.clear()
        self._size = 0

    def keep_first(self) -> None:
        """Give all lines of a broken row but the first back, to be read as rows of their own."""
        self._ahead.extendleft(reversed(self.taken[1:]))
        self._again += self._size
        if self._again > _AGAIN:
            self._closed_until = max(self._closed_until, self.number + len(self.taken))
        del self.taken[1:]

    def _read(self) -> str:
        line = self._stream.readline(rows.MAX_LINE)
        self.at_end = not line
        if len(line) < rows.MAX_LINE or line.endswith(_LINE_ENDS):
            return line
        cut = _CutLine(line[:HEAD])
        cut.whole = pass_line(self._stream, line, _LINE_ENDS)
        return cut


class _Table:
    """The header and the records of a text."""

    def __init__(self, text: IO[str], tell: Tell, usual: str):
        csv.field_size_limit(rows.MAX_LINE)
        self._lines = _Lines(text)
        separator = self._separator()
        if separator != usual:
            tell(f"separated by {SEPARATORS.get(separator, repr(separator))}")
        try:
            self._reader = csv.reader(self._lines, delimiter=separator, strict=True)
            self.header = [name.strip() for name in self._first_row()]
        except (csv.Error, TypeError) as error:
            raise UnreadableError(f"no readable header: {error}") from error
        check_columns(self.header)

    def _first_row(self) -> list[str]:
        for blank, cells in enumerate(self._reader):
            if cells:
                return cells
            check_blank(blank, "blank lines")
            self._lines.start_row()
        return []

    def _separator(self) -> str:
        first = next(iter(self._lines.look_ahead()), "")
        if (said := said_separator(first)) is not None:
            next(self._lines)
            return said
        sample = self._lines.look_ahead()
        return find_separator(sample, complete=self._lines.at_end)

    def records(self) -> Iterator[_Record]:
        """The rows after the header, without those that are empty."""
        lines, blank = self._lines, 0
        while True:
            lines.start_row()
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                lines.keep_first()
                first = lines.taken[0]
                whole = first.whole if isinstance(first, _CutLine) else None
                yield _Record(lines.number, first.rstrip("\r\n"), None, f"malformed CSV: {error}", whole)
                blank = 0
                continue
            if cells is None:
                return
            blank += 1
            check_blank(blank, "empty rows")
            if any(cell.strip() for cell in cells):
                blank = 0
                yield _Record(lines.number, "".join(lines.taken).rstrip("\r\n"), cells)


def _header_fault(header: list[str]) -> str | None:
    """Why the first row of a file cannot be a header."""
    joined = "".join(header)
    if not is_text(joined) or any(sign < " " and sign not in "\t\r\n" for sign in joined):
        return "not a text file in UTF-8"
    if joined.startswith(("{", "[{")):
        return "JSON under the name of a table: rename it to .jsonl"
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    return f"two columns have the same name: {twice[0]}" if twice else None
