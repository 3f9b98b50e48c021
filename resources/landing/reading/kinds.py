"""What a file is: what its name says, and what its first bytes say for certain."""

import re
from enum import StrEnum

from resources.landing.reading.rows import UnreadableError


class Kind(StrEnum):
    """How rows stand in a file."""

    JSON = "JSON"
    TABLE = "CSV"
    PARQUET = "parquet"
    ARROW = "arrow"


_ENDINGS = {
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON,
    ".ndjson": Kind.JSON,
    ".csv": Kind.TABLE,
    ".tsv": Kind.TABLE,
    ".parquet": Kind.PARQUET,
    ".arrow": Kind.ARROW,
}
FORMATS = tuple(_ENDINGS)
"""The accepted endings of names; each may be followed by one of `COMPRESSED`."""

COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
"""Endings of compressed files, and the method."""

_CERTAIN = (
    (re.compile(rb"PAR1\x15"), Kind.PARQUET),  # the mark, and the number with which the first header begins
    (re.compile(rb"ARROW1\0\0"), Kind.ARROW),
    (re.compile(rb"\xff{4}...\0..\0\0", re.DOTALL), Kind.ARROW),  # a stream: its mark, and two small numbers
)
PARQUET_MARK = b"PAR1"
_METHODS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A zstd frame without data, with which some tools begin a file."""

_REFUSED = (
    (b"version https://git-lfs", "a Git LFS pointer, not the data: run git lfs pull"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook: save it as CSV"),
    (b"%PDF-", "a PDF document, not data"),
    (b"SQLite format 3\0", "an SQLite database: export the table as CSV"),
    (b"\xfd7zXZ\0", "compressed with xz: decompress it, or use gzip or zstd"),
    (b"BZh91AY&SY", "compressed with bzip2: decompress it, or use gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it and name the files in it"),
    (b"\xff\xfe\0\0", "text in UTF-32: save it as UTF-8"),
    (b"\0\0\xfe\xff", "text in UTF-32: save it as UTF-8"),
    (b"FEA1", "a Feather file of version 1: save it as version 2, or as parquet"),
    (b"\x93NUMPY", "a numpy array, not rows with names: save it as parquet"),
)
_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)\b", re.IGNORECASE)


def accepted(name: str) -> bool:
    """Whether a file of this name can hold rows."""
    return _of_name(name)[0] is not None


def kind_of_name(name: str) -> tuple[Kind, str | None]:
    """What a name says of a file: its kind, and how it is compressed.

    Raises:
        UnreadableError: nothing that is accepted.
    """
    kind, method = _of_name(name)
    if kind is None:
        raise UnreadableError(f"unknown kind of file; accepted are {', '.join(FORMATS)}, each also as .gz or .zst")
    return kind, method


def method_of(head: bytes) -> str | None:
    """How a file with these first bytes is compressed."""
    if _SKIPPABLE.match(head):
        return "zstd"
    return next((method for magic, method in _METHODS if head.startswith(magic)), None)


def certain_kind(head: bytes) -> Kind | None:
    """The kind that nothing but such a file has these first bytes of."""
    return next((kind for magic, kind in _CERTAIN if magic.match(head)), None)


def refuse(head: bytes) -> None:
    """Stop at what is certainly no rows.

    Raises:
        UnreadableError: says what it is and what to do.
    """
    text = head.removeprefix(b"\xef\xbb\xbf")
    for magic, what in _REFUSED:
        if text.startswith(magic):
            raise UnreadableError(what)
    if head.startswith(b"PK\x03\x04"):
        workbook = b"[Content_Types].xml" in head or b"xl/" in head or b"_rels/" in head
        raise UnreadableError("an Excel workbook: save it as CSV" if workbook else "a zip archive: unpack it first")
    if _PAGE.match(text):
        raise UnreadableError("a web page (HTML or XML), not the data: the download may need a login")


def _of_name(name: str) -> tuple[Kind | None, str | None]:
    name = name.lower()
    method = None
    for ending, compression in COMPRESSED.items():
        if name.endswith(ending):
            name, method = name.removesuffix(ending), compression
            break
    kind = next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)
    return kind, method
