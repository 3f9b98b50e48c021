"""JSON lines, forgivingly: a bad line costs one row; an object may go over several lines, a line hold several."""

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from resources.landing.reading import rows
from resources.landing.reading.json_decoding import Decoder
from resources.landing.reading.json_faults import Fault, explain, is_open
from resources.landing.reading.limits import check_blank
from resources.landing.reading.rows import HEAD, RawRow, Tell, Whole, cut_row, pass_line, text_row

_SPACE = " \t\r\n\v\f\ufeff"
_BETWEEN = re.compile(f"[{_SPACE},]*")


def line_rows(text: IO[str], tell: Tell) -> Iterator[RawRow]:
    """The objects of a text, in its order; blank lines are not rows.

    Commas between objects are passed over. What stands in a line behind its last good object is one bad row. An object
    over several lines that is broken costs the lines up to the next that begins one.
    """
    lines, decoder = _Lines(text), Decoder()
    broken = _Broken(lines, decoder, tell)
    blank = 0
    while line := lines.take():
        number, body = lines.number, line.strip(_SPACE)
        blank += 1
        if not body:
            check_blank(blank, "blank lines")
            continue
        if whole := lines.whole(number):
            reason = f"a line of over {rows.MAX_LINE} characters; its beginning is kept"
            yield cut_row(number, body, whole, reason)
            blank = 0
            continue
        try:
            value = decoder.only(body)
        except (ValueError, RecursionError):
            for row in broken.pieces(number, body):
                yield row
                blank = 0
            check_blank(blank, "blank lines")
        else:
            yield decoder.row(number, body, value)
            blank = 0


class _Lines:
    """Lines of a text, each cut off at MAX_LINE; those looked at ahead can be given back."""

    def __init__(self, text: IO[str]):
        self._text = text
        self._ahead: deque[str] = deque()
        self._whole: dict[int, Whole] = {}
        self._read = 0
        self.number = 0

    def take(self) -> str:
        """The next line with its end; empty after the last."""
        self.number += 1
        if self._ahead:
            return self._ahead.popleft()
        self._read += 1
        line = self._text.readline(rows.MAX_LINE)
        if len(line) >= rows.MAX_LINE and not line.endswith("\n"):
            self._whole[self._read] = pass_line(self._text, line, "\n")
        return line

    def whole(self, number: int) -> Whole | None:
        """What a line was, if it was cut off."""
        return self._whole.pop(number, None) if self._whole else None

    def give_back(self, lines: list[str]) -> None:
        """Have the last lines that were taken come again."""
        self.number -= len(lines)
        self._ahead.extendleft(reversed(lines))


class _Joined(NamedTuple):
    """An object over several lines: its text, and what stands behind it in the last of them."""

    value: Any
    raw: str
    rest: str


class _Broken:
    """Lines that are not one object each."""

    def __init__(self, lines: _Lines, decoder: Decoder, tell: Tell):
        self._lines, self._decoder, self._tell, self._told = lines, decoder, tell, False
        self._usual = 1
        """Lines that the last object went over, besides its first."""
        self._closed_until = 0
        """Before this line no object over several lines is looked for: one that was broken reached as far."""

    def pieces(self, number: int, body: str) -> Iterator[RawRow]:
        """The rows of a line."""
        rest, start = body, 0
        while (start := _passed(rest, start)) < len(rest):
            try:
                value, end = self._decoder.first(rest, start)
            except (ValueError, RecursionError) as error:
                rest, fault = rest[start:], _moved(error, rest, start)
                joined = self._join(rest, fault)
                if joined is None:
                    yield self._bad_row(number, rest, fault)
                    return
                yield self._decoder.row(number, joined.raw, joined.value)
                number, rest, start = self._lines.number, joined.rest, 0
            else:
                yield self._decoder.row(number, rest[start:end], value)
                start = end

    def _join(self, beginning: str, fault: Fault) -> _Joined | None:
        """The object that begins with the line in hand, or None if it is not one over several lines."""
        number = self._lines.number
        if not is_open(fault, beginning) or number < self._closed_until:
            return None
        text, taken, wanted = beginning + "\n", list[str](), self._usual
        while more := self._take(wanted):
            taken += more
            text += "".join(more)
            wanted = len(taken)
            try:
                value, end = self._decoder.first(text)
            except (ValueError, RecursionError) as error:
                fault = error
                if not is_open(error, text.rstrip(_SPACE)) or len(text) > rows.MAX_LINE:
                    break
                continue
            used = text.count("\n", 0, end)
            self._lines.give_back(taken[used:])
            if not self._told:
                self._told = True
                self._tell("objects over several lines")
            self._usual = used
            return _Joined(value, text[:end], text[end:].partition("\n")[0])
        self._closed_until = number + text.count("\n", 0, getattr(fault, "pos", len(text)))
        self._lines.give_back(taken)
        return None

    def _take(self, count: int) -> list[str]:
        taken: list[str] = []
        size = 0
        while len(taken) < count and size <= rows.MAX_LINE:
            if not (line := self._lines.take()):
                self._lines.number -= 1
                break
            taken.append(line)
            size += len(line)
        return taken

    def _bad_row(self, number: int, rest: str, fault: Fault) -> RawRow:
        """The row of what cannot be read: the rest of a line, or of an object over several lines."""
        if not is_open(fault, rest):
            place = f", character {fault.pos + 1}" if isinstance(fault, json.JSONDecodeError) else ""
            return text_row(number, rest, None, explain(fault, rest) + place)
        lines = [rest + "\n"]
        while line := self._lines.take():
            if line.startswith(("{", "[")) or sum(map(len, lines)) > HEAD:
                self._lines.give_back([line])
                break
            lines.append(line)
            if line.startswith(("}", "]")):
                break
        else:
            self._lines.number -= 1
        raw = "".join(lines).rstrip(_SPACE)
        try:
            return self._decoder.row(number, raw, self._decoder.only(raw))
        except (ValueError, RecursionError) as error:
            line_number = number + raw.count("\n", 0, getattr(error, "pos", 0))
            return text_row(number, raw, None, f"{explain(error, raw)}, line {line_number}")


def _passed(text: str, start: int) -> int:
    """Where what stands between objects ends."""
    match = _BETWEEN.match(text, start)
    return match.end() if match else start


def _moved(fault: Fault, text: str, start: int) -> Fault:
    """A fault found in `text` as it is in what begins at `start`."""
    if not isinstance(fault, json.JSONDecodeError):
        return fault
    return json.JSONDecodeError(fault.msg, text[start:], fault.pos - start)
