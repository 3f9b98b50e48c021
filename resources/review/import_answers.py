"""`ser review import`: answers become labels through the ordinary door of the landing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.landing.comparison import JUDGE
from resources.landing.files import RawRow
from resources.landing.landed import Landed
from resources.landing.opened import ChangedError, NamedFile, OpenedFile
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.zone import Landing
from resources.review.answers import read_answers
from ser.data.pairs import Pair, prompt_messages
from ser.errors import SerError

_PAIR_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class TakenBack:
    """What the landing did with the answers, and how many questions had none."""

    landed: Landed
    unanswered: int


def take_back(zone: Landing, dataset: str, files: Sequence[Path], annotator: str) -> TakenBack:
    """Land the answers in `files` as people's labels for the seed; what cannot be one is quarantined.

    Args:
        annotator: who answered, unless the file says so. People whom it only numbers, as Label Studio does, are
            `<annotator>-<number>`.

    Raises:
        SerError: nothing lands: the dataset or the annotator cannot be, a file is none of answers, or none has one.
    """
    zone.current_snapshot(dataset)
    if not annotator.strip() or annotator.strip() == JUDGE:
        raise SerError(f"--annotator {annotator!r} cannot be: name the person who answered.")
    read, digests = {}, {}
    for path in files:
        read[path], digests[path] = _read(path)
    given = {path: [row for row in rows if _answered(row)] for path, rows in read.items()}
    unanswered = sum(len(read[path]) - len(given[path]) for path in read)
    if not any(given.values()):
        names = ", ".join(path.name for path in read)
        raise SerError(f"no answer in {names}: preferred is empty in {unanswered} of {unanswered} rows.")
    wanted = {identity for rows in given.values() for row in rows if (identity := _identity(row)) is not None}
    pairs = zone.find_pairs(dataset, wanted)
    labels = {path: [_label(row, pairs, annotator.strip()) for row in rows] for path, rows in given.items()}
    kept = [path for path in files if labels[path]]

    def given_in(file: OpenedFile, _: Callable[[str], None]) -> list[RawRow]:
        if file.digest() != digests[file.path]:
            raise ChangedError(file.path)
        return labels[file.path]

    return TakenBack(zone.land(kept, dataset, ColumnMap(), given_in, origin="review"), unanswered)


def _read(path: Path) -> tuple[list[RawRow], str]:
    """The answers in a file, and its digest.

    Raises:
        SerError: it cannot be read, or is no file of answers.
    """
    try:
        with NamedFile(path).open() as file:
            digest, rows = file.digest(), list(read_answers(file))
            file.check_unchanged()
    except OSError as error:
        raise SerError(f"{path} cannot be read: {error.strerror}. Nothing was imported; check the path.") from error
    return rows, digest


def _answered(row: RawRow) -> bool:
    """Whether somebody answered (or the row is too broken to tell)."""
    return row.fields is None or bool(str(_or_empty(row.fields["preferred"])).strip())


def _label(row: RawRow, pairs: Mapping[str, Pair], annotator: str) -> RawRow:
    """The row that lands: the pair's own texts with the answer, or the reason why there is none."""
    if row.fields is None:
        return row
    who = _who(row.fields["annotator"], annotator)
    word = str(row.fields["preferred"]).strip().lower()
    pair = pairs.get(_identity(row) or "")
    if pair is None:
        return _bad(row, f"unknown pair_id {_shown(row.fields['pair_id'])}: the dataset has no such pair")
    if word not in ("a", "b"):
        return _bad(row, f"preferred is {_shown(row.fields['preferred'])}; allowed are a, b or empty")
    if who == JUDGE:
        return _bad(row, f"annotator {JUDGE!r} is the judge of the policies, whose labels are no people's")
    fields = {
        "prompt": prompt_messages(pair.prompt),
        "response_a": pair.response_a,
        "response_b": pair.response_b,
        "preferred": word,
        "annotator": who,
        "reviewed_at": _or_empty(row.fields["time"]) or None,
    }
    return RawRow(row.line, row.raw, fields)


def _who(named: Any, annotator: str) -> Any:
    if isinstance(named, int):
        return f"{annotator}-{named}"
    named = _or_empty(named)
    return named.strip() or annotator if isinstance(named, str) else named


def _identity(row: RawRow) -> str | None:
    """The pair_id of an answer, without the apostrophe that keeps spreadsheets from rounding it."""
    value = row.fields["pair_id"] if row.fields else None
    text = value.strip().removeprefix("'") if isinstance(value, str) else ""
    return text if _PAIR_ID.fullmatch(text) else None


def _bad(row: RawRow, reason: str) -> RawRow:
    return RawRow(row.line, row.raw, None, reason, row.raw_base64)


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
