"""Reading answers back from what people filled in: pair_id, preferred, annotator and time, and no text.

Each answer is a row as the landing reads them, whose fields are those four.
"""

import json
from collections.abc import Iterator
from typing import Any

from resources.landing.files import RawRow, UnreadableError, read_columns
from resources.landing.opened import OpenedFile
from ser.errors import SerError

FIELDS = ("pair_id", "preferred", "annotator", "time")
NEEDED = ("pair_id", "preferred")

_COLUMNS = (*FIELDS, "created_at", "updated_at")
_SIDES = {"left": "a", "right": "b"}


def read_answers(file: OpenedFile) -> Iterator[RawRow]:
    """The answers in a file, in its order; a question that was not answered has an empty `preferred`.

    A file is a filled queue of any accepted format, or what Label Studio exports: JSON, JSON_MIN or CSV.

    Raises:
        SerError: it is no file of answers. Answers may have been yielded before.
    """
    try:
        for row in read_columns(file, _COLUMNS, NEEDED):
            yield from _answers(row)
    except UnreadableError as error:
        raise SerError(f"{file.path} is no file of answers: {error}.\nNothing was imported.") from error


def _answers(row: RawRow) -> Iterator[RawRow]:
    """The answer in a row, or those in a task as Label Studio exports it in full: one for every annotation."""
    if row.fields is None:
        yield row
        return
    data = row.fields.get("data")
    if not isinstance(data, dict):
        yield _answer(row.line, row.raw, row.fields)
        return
    for annotation in _objects(row.fields.get("annotations")) or [{}]:
        results = [] if annotation.get("was_cancelled") else _objects(annotation.get("result"))
        preferred = [result.get("value") for result in results if result.get("from_name") == "preferred"]
        about = {"pair_id": data.get("pair_id"), "annotator": annotation.get("completed_by")} | annotation
        yield _answer(row.line, json.dumps(about), about | {"preferred": preferred})


def _objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnreadableError("it is not built as Label Studio exports tasks, annotations and results: in lists")
    return value


def _answer(line: int, raw: str, about: dict[str, Any]) -> RawRow:
    annotator = about.get("annotator")
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get("id")
    fields = {
        "pair_id": about.get("pair_id"),
        "preferred": _side(about.get("preferred")),
        "annotator": annotator,
        "time": about.get("time") or about.get("updated_at") or about.get("created_at"),
    }
    return RawRow(line, raw, fields)


def _side(chosen: Any) -> Any:
    """The word of an answer: Label Studio wraps the side in a value, and values in a list; in a table, as JSON."""
    if isinstance(chosen, str) and chosen.lstrip().startswith(("{", "[")):
        try:
            chosen = json.loads(chosen)
        except (ValueError, RecursionError):
            return chosen
    while isinstance(chosen, list) and len(chosen) <= 1:
        chosen = chosen[0] if chosen else None
    if isinstance(chosen, dict) and "selected" in chosen:
        chosen = chosen["selected"]
    return _SIDES.get(chosen.strip(), chosen) if isinstance(chosen, str) else chosen
