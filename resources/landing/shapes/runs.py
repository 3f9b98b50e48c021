"""Scored responses in rows of their own (HelpSteer2): rows of one prompt that follow each other become one row."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from resources.landing.files import RawRow
from resources.landing.shapes.rankings import ranked_pairs
from resources.landing.shapes.shape import Fields

SCORES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
GATHERED = "responses of rows that follow each other"
_NEEDED = frozenset(("prompt", "response", "helpfulness", "correctness"))
_LONGEST, _HEAVIEST = 32, 8 * 2**20


def gather_runs(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """The rows, those of scored responses to one prompt gathered into one row each; all others as they are."""
    run: list[RawRow] = []
    prompt: Any = None
    weight = 0
    for row in rows:
        fields = row.fields or {}
        scored = "helpfulness" in fields and fields.keys() >= _NEEDED
        if run and (not scored or fields["prompt"] != prompt or len(run) == _LONGEST or weight > _HEAVIEST):
            yield _gathered(run)
            run, weight = [], 0
        if scored:
            run.append(row)
            weight += row.weight
            prompt = fields["prompt"]
        else:
            yield row
    if run:
        yield _gathered(run)


def helpsteer2(row: Fields) -> Iterable[Fields]:
    """nvidia/HelpSteer2: the more helpful response is the better one."""
    if len(row[GATHERED]) < 2:
        raise ValueError("one response to this prompt: rows of one prompt must follow each other")
    return ranked_pairs(row["prompt"], row[GATHERED])


def _gathered(run: list[RawRow]) -> RawRow:
    first = run[0].fields or {}
    kept = {name: value for name, value in first.items() if name not in (*SCORES, "response")}
    answers = [(fields["response"], fields["helpfulness"]) for row in run if (fields := row.fields)]
    return replace(run[0], raw="\n".join(row.raw for row in run), fields={**kept, GATHERED: answers})
