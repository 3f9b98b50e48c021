"""Reading answers back from what people filled in: pair_id, preferred, annotator and time, and no text.

Each answer is a row as the landing reads them, whose fields are those four.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.landing.files import MAX_LINE, RawRow, UnreadableError, read_rows
from ser.errors import SerError

FIELDS = ("pair_id", "preferred", "annotator", "time")
FORMATS = (".jsonl", ".jsonl.gz", ".csv", ".json (an export of Label Studio)")

_SIDES = {"left": "a", "right": "b"}


def read_answers(path: Path) -> Iterator[RawRow]:
    """The answers in a file, in its order; a question that was not answered has an empty `preferred`.

    Raises:
        SerError: it is no file of answers. Answers may have been yielded before.
    """
    name = path.name.lower()
    try:
        if name.endswith((".jsonl", ".jsonl.gz")):
            yield from map(_jsonl_row, read_rows(path))
        elif name.endswith(".csv"):
            yield from _csv(path)
        elif name.endswith(".json"):
            yield from _label_studio(path)
        else:
            raise UnreadableError(f"answers come as {', '.join(FORMATS)}")
    except (OSError, ValueError, RecursionError, csv.Error, UnreadableError) as error:
        raise SerError(f"{path} is no file of answers: {error}.\nNothing was imported.") from error


def _jsonl_row(row: RawRow) -> RawRow:
    return row if row.fields is None else _answer(row.line, row.raw, row.fields)


def _csv(path: Path) -> Iterator[RawRow]:
    """The rows of a table as a spreadsheet may have saved it: any separator, end of line and order of columns.

    Texts may have lost their encoding on the way, so only the columns that are read have to be UTF-8.
    """
    csv.field_size_limit(MAX_LINE)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline(MAX_LINE)
        separator = max(",;\t", key=first.count)
        header = [name.strip().lower() for name in next(csv.reader([first], delimiter=separator), [])]
        for name in ("pair_id", "preferred"):
            if header.count(name) != 1:
                raise UnreadableError(f"it needs one column {name!r} (and has {header.count(name)})")
        rows = csv.reader(file, delimiter=separator)
        line = 2
        for values in rows:
            fields = {name: value for name, value in zip(header, values, strict=False) if name in FIELDS}
            if any(value.strip() for value in fields.values()):
                yield _answer(line, json.dumps(fields), fields)
            line = rows.line_num + 2


def _label_studio(path: Path) -> Iterator[RawRow]:
    """The annotations of an export as JSON, or as JSON_MIN, in which every annotation is a record of its own."""
    for number, task in enumerate(_objects(json.loads(path.read_text(encoding="utf-8-sig"))), start=1):
        data = task.get("data")
        if not isinstance(data, dict):
            yield _annotation(number, task, task.get("pair_id"), task.get("preferred"), task.get("annotator"))
            continue
        for annotation in _objects(task.get("annotations")) or [{}]:
            results = [] if annotation.get("was_cancelled") else _objects(annotation.get("result"))
            values = [result.get("value") for result in results if result.get("from_name") == "preferred"]
            yield _annotation(number, annotation, data.get("pair_id"), values, annotation.get("completed_by"))


def _objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise UnreadableError("it is not built as Label Studio exports tasks, annotations and results: in lists")
    return value


def _annotation(number: int, about: dict[str, Any], pair_id: Any, chosen: Any, annotator: Any) -> RawRow:
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get("id")
    fields = {
        "pair_id": pair_id,
        "preferred": _side(chosen),
        "annotator": annotator,
        "time": about.get("updated_at") or about.get("created_at"),
    }
    return _answer(number, json.dumps({"pair_id": pair_id} | about), fields)


def _side(chosen: Any) -> Any:
    """The word of an answer: Label Studio wraps the side in a value, and values in a list."""
    while isinstance(chosen, list) and len(chosen) <= 1:
        chosen = chosen[0] if chosen else None
    if isinstance(chosen, dict) and "selected" in chosen:
        chosen = chosen["selected"]
    return _SIDES.get(chosen, chosen) if isinstance(chosen, str) else chosen


def _answer(line: int, raw: str, fields: dict[str, Any]) -> RawRow:
    return RawRow(line, raw, {name: fields.get(name) for name in FIELDS})
