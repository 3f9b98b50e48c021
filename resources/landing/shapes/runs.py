"""Scored responses in rows of their own (HelpSteer2): rows of one prompt that follow each other become one row."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from resources.landing.files import RawRow
from resources.landing.shapes.rankings import ranked_pairs
from resources.landing.shapes.shape import Fields

SCORES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
GATHERED = "responses of rows that follow each other"
_LONGEST = 32


def gather_runs(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """The rows, those of scored responses to one prompt gathered into one row each; all others as they are."""
    run: list[RawRow] = []
    for row in rows:
        if run and (not _scored(row) or row.fields["prompt"] != _prompt(run) or len(run) == _LONGEST):  # type: ignore[index]
            yield _gathered(run)
            run = []
        if _scored(row):
            run.append(row)
        else:
            yield row
    if run:
        yield _gathered(run)


def helpsteer2(row: Fields) -> Iterable[Fields]:
    """nvidia/HelpSteer2: the more helpful response is the better one."""
    return ranked_pairs(row["prompt"], row[GATHERED])


def _scored(row: RawRow) -> bool:
    fields = row.fields
    return (
        fields is not None
        and "helpfulness" in fields
        and "correctness" in fields
        and "prompt" in fields
        and "response" in fields
    )


def _prompt(run: list[RawRow]) -> Any:
    fields = run[0].fields
    return fields and fields["prompt"]


def _gathered(run: list[RawRow]) -> RawRow:
    first = run[0].fields or {}
    kept = {name: value for name, value in first.items() if name not in (*SCORES, "response")}
    answers = [(fields["response"], fields["helpfulness"]) for row in run if (fields := row.fields)]
    return replace(run[0], raw="\n".join(row.raw for row in run), fields={**kept, GATHERED: answers})
