"""JSON lines, forgivingly: a bad line costs one row; an object may go over several lines, a line hold several."""

import json
from collections import deque
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from resources.landing.reading import rows
from resources.landing.reading.json_faults import Fault, explain, is_open
from resources.landing.reading.rows import HEAD, RawRow, Tell, text_row

_SPACE = " \t\r\n\v\f\ufeff"
_BETWEEN = _SPACE + ","
_DECODER = json.JSONDecoder()


def line_rows(text: IO[str], tell: Tell) -> Iterator[RawRow]:
    """The objects of a text, in its order; blank lines are not rows.

    Commas between objects are passed over. What stands in a line behind its last good object is one bad row. An object
    over several lines that is broken costs the lines up to the next that begins one.
    """
    lines = _Lines(text)
    broken = _Broken(lines, tell)
    while line := lines.take():
        number, body = lines.number, line.strip(_SPACE)
        if not body:
            continue
        if len(line) >= rows.MAX_LINE:
            reason = f"a line of over {rows.MAX_LINE} characters; its beginning is kept"
            yield RawRow(number, text_row(number, body[:HEAD], None).raw, None, reason)
            continue
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            yield from broken.pieces(number, body)
        else:
            yield _object_row(number, body, value)


class _Lines:
    """Lines of a text, each cut off at MAX_LINE; those looked at ahead can be given back."""

    def __init__(self, text: IO[str]):
        self._text = text
        self._ahead: deque[str] = deque()
        self.number = 0

    def take(self) -> str:
        """The next line with its end; empty after the last."""
        self.number += 1
        if self._ahead:
            return self._ahead.popleft()
        line = part = self._text.readline(rows.MAX_LINE)
        while len(part) >= rows.MAX_LINE and not part.endswith("\n"):
            part = self._text.readline(rows.MAX_LINE)
        return line

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

    def __init__(self, lines: _Lines, tell: Tell):
        self._lines, self._tell, self._told = lines, tell, False
        self._usual = 1
        """Lines that the last object went over, besides its first."""
        self._closed_until = 0
        """Before this line no object over several lines is looked for: one that was broken reached as far."""

    def pieces(self, number: int, body: str) -> Iterator[RawRow]:
        """The rows of a line."""
        rest = body.lstrip(_BETWEEN)
        while rest:
            try:
                value, end = _DECODER.raw_decode(rest)
            except (ValueError, RecursionError) as fault:
                joined = self._join(rest, fault)
                if joined is None:
                    yield self._bad_row(number, rest, fault)
                    return
                yield _object_row(number, joined.raw, joined.value)
                number, rest = self._lines.number, joined.rest
            else:
                yield _object_row(number, rest[:end], value)
                rest = rest[end:]
            rest = rest.lstrip(_BETWEEN)

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
                value, end = _DECODER.raw_decode(text)
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
        taken = []
        for _ in range(count):
            if not (line := self._lines.take()):
                self._lines.number -= 1
                break
            taken.append(line)
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
            return _object_row(number, raw, json.loads(raw))
        except (ValueError, RecursionError) as error:
            line_number = number + raw.count("\n", 0, getattr(error, "pos", 0))
            return text_row(number, raw, None, f"{explain(error, raw)}, line {line_number}")


def _object_row(number: int, raw: str, value: Any) -> RawRow:
    return text_row(number, raw, value) if isinstance(value, dict) else text_row(number, raw, None, "not a JSON object")
