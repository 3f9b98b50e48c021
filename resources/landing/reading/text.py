"""Text out of bytes: UTF-8, UTF-16 with its mark, and for tables what old spreadsheets write."""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from resources.landing.reading.compressed import Source
from resources.landing.reading.rows import Tell, is_text

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK = 2**20
_FOREIGN = re.compile("[\udc80-\udcff]+")
_NOT_IN_CP1252 = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]")

_LONELY = "resources.landing.lonely"
"""Damaged UTF-16 becomes lone surrogates, as `surrogateescape` does it for bytes that are no UTF-8."""


def _lonely(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_LONELY, _lonely)


@contextmanager
def open_text(source: Source, newline: str, tell: Tell, *, spreadsheet: bool = False) -> Iterator[IO[str]]:
    """The text of a file, in which every byte that could not be decoded is a lone surrogate.

    Args:
        newline: as for `open`.
        spreadsheet: it may be text of Windows' western code page, which is decided over the whole file.
    """
    with source.open() as stream:
        head = stream.read(3)
    encoding, errors = "utf-8-sig" if head == codecs.BOM_UTF8 else "utf-8", "surrogateescape"
    if head.startswith(_UTF16):
        encoding, errors = "utf-16", _LONELY
        tell("read as UTF-16")
    elif spreadsheet and _is_cp1252(source):
        encoding = "cp1252"
        tell("read as cp1252")
    with source.open() as stream, io.TextIOWrapper(stream, encoding, errors, newline) as text:
        yield text


def _is_cp1252(source: Source) -> bool:
    """Whether a file is cp1252 rather than damaged UTF-8 or another code page.

    Almost no byte beyond ASCII is part of a UTF-8 character then, and such bytes stand alone between ASCII letters,
    as accents do in western languages: in Cyrillic, Greek or Chinese code pages they stand in long runs. No detector of
    code pages is asked: charset-normalizer took one in four tables of prose for another page, and says nothing of it.
    """
    valid = alone = foreign = 0
    with source.open() as stream, io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="") as text:
        while block := text.read(_BLOCK):
            beyond_ascii = len(block) - len(block.encode("ascii", "ignore"))
            runs = [] if is_text(block) else _FOREIGN.findall(block)
            if any(map(_NOT_IN_CP1252.search, runs)):
                return False
            undecoded = sum(map(len, runs))
            alone += len(runs)
            foreign += undecoded
            valid += beyond_ascii - undecoded
    return foreign > 0 and valid * 20 <= foreign and alone * 10 >= foreign * 7
