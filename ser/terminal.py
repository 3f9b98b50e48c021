"""The one door to standard output and error: what is printed there cannot command the terminal.

Texts come from anywhere: prompts, file names, columns of somebody's SQL, messages of libraries. What a terminal obeys
and what hides or reorders text is written as JSON writes it (`\\u001b`): people see it, and a JSON document is as valid
as before and has the same values. Only `resources.console`, and a line of progress that moves, send commands, and of
what they are given they clean every text.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Controls but tab, line feed and the carriage return before one; DEL and C1; marks, embeddings and isolates of text
# direction; separators that some take for line ends; what is invisible and no part of a word (joiners are); tags;
# halves of a character.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text that a terminal shows and does not obey; lines and tabs stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return _OBEYED.sub(_escaped, text)


def one_line(text: str) -> str:
    """A text that a terminal shows on one line."""
    return printable(text).replace("\r", "\\u000d").replace("\n", "\\u000a")


def _escaped(found: re.Match[str]) -> str:
    if found[0] == "\r" and found.string[found.end() : found.end() + 1] == "\n":
        return "\r"
    code = ord(found[0])
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


class GuardedStream:
    """A stream of text, all of which is printable; in everything else it is the stream behind it."""

    def __init__(self, stream: TextIO):
        self.behind = stream

    def write(self, text: str) -> int:
        """Write the text as a terminal can show it: in an encoding that lacks a character, its number stands there."""
        shown = printable(text)
        try:
            self.behind.write(shown)
        except UnicodeEncodeError:
            encoding = self.behind.encoding
            self.behind.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


def guard_output() -> None:
    """Guard standard output and standard error of this process from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream))


@contextmanager
def guarded_output() -> Iterator[None]:
    """Guard both streams while the block runs."""
    before = sys.stdout, sys.stderr
    guard_output()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def behind(stream: TextIO) -> TextIO:
    """The stream behind a guarded one, for who cleans texts before."""
    return stream.behind if isinstance(stream, GuardedStream) else stream


def move_line(text: str, *, stays: bool) -> None:
    """Put a line where the last one of the terminal at standard error was; it `stays`, or the next takes its place."""
    print(f"\r\033[K{printable(text)}", end="\n" if stays else "", file=behind(sys.stderr), flush=True)
