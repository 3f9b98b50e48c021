"""JSON in every layout that is published: an object a line, one array, objects over several lines, a named list."""

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from resources.landing.reading.compressed import Source
from resources.landing.reading.json_arrays import LISTS, Window, array_rows, find_list, listed_rows
from resources.landing.reading.json_lines import line_rows
from resources.landing.reading.rows import HEAD, RawRow, Tell, UnreadableError, is_text
from resources.landing.reading.text import open_text

_COLUMNS = re.compile(r'\{\s*("[^"\\]*"\s*:\s*\{\s*"\d+"\s*:|"columns"\s*:\s*\[|"\d+"\s*:\s*\{)')
"""How pandas begins a file unless it is told to write records."""

_BEFORE_ROWS = " \t\r\n\v\f\ufeff,"
_DECODER = json.JSONDecoder()
_HEAD = 4 * HEAD


def json_rows(source: Source, tell: Tell) -> Iterator[RawRow]:
    """The objects of a file, as rows; see `line_rows`, `array_rows` and `listed_rows` for what a broken one costs.

    Raises:
        UnreadableError: no JSON, or not built of rows.
    """
    with open_text(source, "\n", lambda _: None) as text:
        head = text.read(_HEAD)
    whole = len(head) < _HEAD
    with open_text(source, "\n", tell) as text:
        if _is_array(head):
            tell("a JSON array")
            yield from array_rows(Window(text))
        elif name := _list_of_rows(head, whole):
            tell(f"the rows under {name!r}")
            yield from listed_rows(Window(text), name)
        else:
            _check_begins_as_json(head)
            yield from line_rows(text, tell)


def _is_array(head: str) -> bool:
    """Whether the file is one array, and not lines of which the first begins with a bracket."""
    first, second = _first_lines(head)
    if not first.startswith("["):
        return False
    if first == "[" or first.endswith(",") or not isinstance(_value(second), dict):
        return True
    elements = _value(first)
    return isinstance(elements, list) and any(isinstance(element, dict) for element in elements)


def _list_of_rows(head: str, whole: bool) -> str | None:
    """The name of the one list of objects in the one object of a file, if that list must be its rows.

    Raises:
        UnreadableError: there are several such lists, and nobody can know which is meant; or it is a table by columns.
    """
    start = len(head) - len(head.lstrip())
    if not head.startswith("{", start):
        return None
    try:
        value, end = _DECODER.raw_decode(head, start)
    except JSONDecodeError:
        if isinstance(_value(_first_lines(head)[1]), dict):
            return None
        _refuse_columns(head[start:], {})
    except (ValueError, RecursionError):
        return None
    else:
        if head[end:].strip() or not whole:
            return None
        _refuse_columns(head[start:], value)
        lists = [name for name, items in value.items() if _is_list_of_objects(items)]
        several = [name for name in lists if name in LISTS]
        if len(several) > 1:
            raise UnreadableError(f"several lists of rows: save each as a file of its own: {', '.join(several)}")
        return several[0] if len(lists) == 1 and several else None
    return find_list(head, start)


def _refuse_columns(head: str, value: dict[str, Any]) -> None:
    columns = list(value.values())
    by_lists = len(columns) > 1 and all(_is_column(column) and len(column) == len(columns[0]) for column in columns)
    if by_lists or _COLUMNS.match(head):
        raise UnreadableError("a table by columns: write an object for each row: to_json(orient='records', lines=True)")


def _is_column(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(cell, str) for cell in value)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _first_lines(head: str) -> tuple[str, str]:
    """The first two lines that are not blank."""
    lines = (line for line in (line.strip() for line in head.split("\n")) if line)
    return next(lines, ""), next(lines, "")


def _value(line: str) -> Any:
    """What a line says, or None if it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _check_begins_as_json(head: str) -> None:
    """Stop at a file in which no line near the beginning can be a row."""
    lines = head.strip().split("\n")
    if lines == [""] or any(line.lstrip(_BEFORE_ROWS).startswith(("{", "[")) for line in lines):
        return
    if "\0" in lines[0] or not is_text(lines[0]):
        raise UnreadableError("not a text file of JSON lines in UTF-8")
    raise UnreadableError("not JSON: no line near the beginning starts with '{'")
