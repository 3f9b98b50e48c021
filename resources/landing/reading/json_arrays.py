"""JSON arrays of objects, read piece by piece: memory is that of a piece, and every character is looked at once."""

import hashlib
import io
import re
from collections.abc import Iterator
from typing import IO, Any

from resources.landing.reading import rows
from resources.landing.reading.json_decoding import Decoder
from resources.landing.reading.json_faults import Fault, explain, is_cut
from resources.landing.reading.limits import MAX_COLUMNS, check_blank
from resources.landing.reading.rows import RawRow, UnreadableError, Whole, cut_row, text_row

LISTS = ("data", "rows", "examples", "instances", "train", "test", "validation")
"""Names under which the rows of a file stand when it is one object."""

_PIECE = 2**16
"""Characters; what a fault costs grows with it, as its line is counted from where the part in hand begins."""
_SPACES = " \t\r\n"
_SPACE = re.compile(r"[ \t\r\n]*")
_OBJECTS = re.compile(r"\[\s*\{")
_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_LONGEST_KEY = 1000


class Window:
    """The part of a long text in which it is being read."""

    def __init__(self, text: IO[str]):
        self._stream = text
        self.decoder = Decoder()
        self.text = ""
        self.position = 0
        self._lines_before = 0
        self.at_end = False

    @property
    def rest(self) -> str:
        """What has not been read of the part in hand."""
        return self.text[self.position :]

    def line(self, position: int | None = None) -> int:
        """The number of the line of a place in the part in hand."""
        return self._lines_before + 1 + self.text.count("\n", 0, self.position if position is None else position)

    def fill(self) -> None:
        """Let go of what was read, and take more in: as much as there is, so that no time is quadratic."""
        self._lines_before += self.text.count("\n", 0, self.position)
        kept = self.rest
        more = self._stream.read(max(_PIECE, min(len(kept), rows.MAX_LINE - len(kept))))
        self.at_end = not more
        self.text, self.position = kept + more, 0

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.text) or self.at_end:
                return self.text[self.position : self.position + 1]
            self.fill()

    def skip(self, expected: str) -> None:
        """Pass over a character.

        Raises:
            UnreadableError: another stands there.
        """
        if self.peek() != expected:
            raise UnreadableError(f"malformed JSON: {expected!r} is missing, line {self.line()}")
        self.position += 1

    def decode(self) -> tuple[Any, str]:
        """The next value and its text.

        Raises:
            ValueError: there is none; the position stands where it should begin.
            RecursionError: the same.
        """
        while True:
            try:
                value, end = self.decoder.first(self.text, self.position)
            except (ValueError, RecursionError) as fault:
                size = len(self.text) - self.position
                if self.at_end or size > rows.MAX_LINE or not is_cut(fault, self.text):
                    raise
            else:
                if end < len(self.text) or self.at_end or isinstance(value, (dict, list, str)):
                    raw = self.text[self.position : end]
                    self.position = end
                    return value, raw
            self.fill()

    def pass_over(self, following: re.Pattern[str] | None) -> tuple[str, Whole | None]:
        """Go on to behind the next match, or to the end if there is none.

        Returns:
            The text between, cut off if it is long, and then what all of it was.
        """
        parts, size, length, digest = list[str](), 0, 0, hashlib.sha256()

        def pass_to(position: int) -> None:
            nonlocal size, length
            part = self.text[self.position : position]
            if size < rows.MAX_LINE:
                parts.append(part)
            data = part.encode("utf-8", "surrogateescape")
            size, length, self.position = size + len(part), length + len(data), position
            digest.update(data)

        pass_to(min(self.position + 1, len(self.text)))
        while not (match := following.search(self.text, self.position) if following else None):
            pass_to(max(self.position, len(self.text) - (0 if self.at_end else 2 * _LONGEST_KEY)))
            if self.at_end:
                break
            self.fill()
        if match:
            pass_to(match.start())
            self.position = match.end()
        raw = "".join(parts)
        return (raw.rstrip(_SPACES), None) if size <= rows.MAX_LINE else (raw, Whole(length, digest.hexdigest()))


def array_rows(window: Window) -> Iterator[RawRow]:
    """The elements of the array at which the window stands, and of what follows it if there is more of that.

    `line` is the place among the elements. A broken element is one bad row if a next one can be made out: it begins
    behind a comma with the same key. Else all that is left is that bad row: what stands before it lands, and its reason
    says that nothing after was read.

    Raises:
        UnreadableError: that bad row would be the only one.
    """
    elements = _Elements(window)
    between = 0
    while sign := window.peek():
        between += 1
        check_blank(between, "commas and brackets")
        if sign == "[":
            for row in elements.array():
                yield row
                between = 0
        elif sign == "{":
            yield elements.next_row()
            between = 0
        elif sign in (",", "]"):
            window.position += 1
        else:
            yield elements.last_row("goes on after the JSON array")


class _Elements:
    """The elements of an array, one after the other."""

    def __init__(self, window: Window):
        self._window = window
        self._number, self._key = 0, ""
        self._lost = False
        """Whether the rest of the file was given up."""

    def array(self) -> Iterator[RawRow]:
        """The rows of the array at which the window stands."""
        self._window.skip("[")
        commas = 0
        while (sign := self._window.peek()) not in ("]", ""):
            if sign == ",":
                self._window.position += 1
                commas += 1
                check_blank(commas, "commas")
            else:
                yield self.next_row()
                commas = 0
        if sign:
            self._window.skip("]")
        elif not self._lost:
            yield self.last_row("the JSON array is not closed: the file may be cut off")

    def next_row(self) -> RawRow:
        """The row of the element at which the window stands."""
        self._number += 1
        try:
            value, raw = self._window.decode()
        except (ValueError, RecursionError) as fault:
            return self._broken(fault)
        if isinstance(value, dict):
            self._key = self._key or _first_key(raw)
        return self._window.decoder.row(self._number, raw, value)

    def last_row(self, why: str) -> RawRow:
        """A bad row of all that is left."""
        line = self._window.line()
        (raw, whole), self._lost = self._window.pass_over(None), True
        return _bad_row(self._number + 1, raw, whole, f"{why}, line {line}")

    def _broken(self, fault: Fault) -> RawRow:
        window = self._window
        why, line = explain(fault, window.text), window.line(getattr(fault, "pos", window.position))
        if len(window.text) - window.position > rows.MAX_LINE:
            why = f"an object of over {rows.MAX_LINE} characters; its beginning is kept"
        key = self._key or _first_key(window.text[window.position : window.position + _LONGEST_KEY])
        raw, whole = window.pass_over(re.compile(rf",[ \t\r\n]*(?=\{{[ \t\r\n]*{re.escape(key)})") if key else None)
        if window.peek():
            return _bad_row(self._number, raw, whole, f"{why}, line {line}")
        if self._number == 1:
            raise UnreadableError(f"{why}, in the first row of a JSON array, line {line}")
        self._lost = True
        return _bad_row(self._number, raw, whole, f"{why}; nothing after it was read, line {line}")


def _bad_row(number: int, raw: str, whole: Whole | None, reason: str) -> RawRow:
    return cut_row(number, raw, whole, reason) if whole else text_row(number, raw, None, reason)


def find_list(head: str, start: int) -> str | None:
    """The name under which the first list of objects stands in an object, if it is one of `LISTS`."""
    window = Window(io.StringIO())
    window.text, window.position, window.at_end = head, start, True
    try:
        for name in _keys(window):
            if _OBJECTS.match(window.text, window.position):
                return name if name in LISTS else None
            window.decode()
    except (ValueError, RecursionError, UnreadableError):
        return None
    return None


def listed_rows(window: Window, wanted: str) -> Iterator[RawRow]:
    """The rows that stand under the name `wanted` in the one object of a file.

    Raises:
        UnreadableError: it has another list of objects, or goes on behind the object, or is broken outside of the list.
    """
    read = False
    try:
        for name in _keys(window):
            if name == wanted and not read:
                read = True
                yield from _Elements(window).array()
                if not window.peek():
                    return
            elif window.peek() and _OBJECTS.match(window.text, window.position):
                raise UnreadableError(f"several lists of rows: save each as a file of its own: {wanted}, {name}")
            else:
                window.decode()
    except (ValueError, RecursionError) as fault:
        raise UnreadableError(f"{explain(fault, window.text)}, line {window.line()}") from fault
    if window.peek():
        raise UnreadableError(f"goes on after the object that holds {wanted!r}, line {window.line()}")


def _keys(window: Window) -> Iterator[str]:
    """The names in an object, with the window at the value of each; whoever asks for the next has passed that."""
    window.skip("{")
    count = 0
    while window.peek() != "}":
        name, _ = window.decode()
        if (count := count + 1) > MAX_COLUMNS:
            raise UnreadableError(f"one object with over {MAX_COLUMNS:,} keys: no list of rows")
        window.skip(":")
        window.peek()
        yield str(name)
        if window.peek() != "}":
            window.skip(",")
    window.skip("}")


def _first_key(raw: str) -> str:
    """The first key of an object as it is written, if it is not absurdly long."""
    match = _KEY.match(raw[:_LONGEST_KEY])
    return match[1] if match else ""
