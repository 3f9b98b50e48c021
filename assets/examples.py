"""Pairs in the metadata of assets, each as a table that no text in it can break."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from resources.artifacts import Artifact
from resources.audit.database import AuditDatabase
from resources.reporting.report_queries import QUERIES
from ser.data import tables
from ser.data.pairs import readable_prompt
from ser.terminal import printable

_DECIDED = """
WITH chosen AS (SELECT pair_id, preferred, reason FROM filtered WHERE {kept} ORDER BY pair_id LIMIT 5)
SELECT p.prompt, if(c.preferred = 'a', p.response_a, p.response_b), if(c.preferred = 'a', p.response_b, p.response_a),
       l.confidence, c.reason
FROM chosen c JOIN pool p USING (pair_id) JOIN self_labels l USING (pair_id) ORDER BY pair_id
"""
_MISTAKES = f"""
SELECT prompt, if(machine = 'a', response_a, response_b), if(machine = 'a', response_b, response_a), confidence,
       format('loop {{}}: {{}}', loop, reason)
FROM ({QUERIES["mistakes"]}) ORDER BY confidence DESC, pair_id
"""
_EXCERPT, _WORD = 160, 24

Row = tuple[str, str, str, float, str]
"""A prompt, the preferred response, the other, the confidence, and the reason of what was decided."""


class Mistakes(NamedTuple):
    """Of how many kept pairs (`known`) the vault has a label, how many it contradicts, and the surest of these."""

    wrong: int
    known: int
    rows: list[Row]


def decided(encoded: Artifact, labelled: Artifact, filtered: Artifact) -> dict[str, dg.MetadataValue]:
    """A few pairs that were kept and a few that were not, with the reason."""
    files = {
        "filtered": filtered.path / "filtered.parquet",
        "pool": encoded.path / "pool.parquet",
        "self_labels": labelled.path / "self_labels.parquet",
    }
    found = {
        name: [(readable_prompt(prompt), *rest) for prompt, *rest in tables.ask(_DECIDED.format(kept=kept), **files)]
        for name, kept in (("examples_kept", "kept"), ("examples_not_kept", "NOT kept"))
    }
    return {name: dg.MetadataValue.md(shown(rows)) for name, rows in found.items() if rows}


def read_mistakes(audit: Path, evolution: str) -> Mistakes:
    """The mistakes among the labels that an evolution kept: for the audit's own assets, never for a loop's."""
    with AuditDatabase(audit).reading() as connection:
        known = {"e": evolution}
        [(wrong, checked)] = connection.execute(f"SELECT wrong, known FROM ({QUERIES['labels']})", known).fetchall()
        return Mistakes(wrong, checked, connection.execute(_MISTAKES, known).fetchall())


def shown_mistakes(mistakes: Mistakes) -> dict[str, dg.MetadataValue]:
    """The surest mistakes if there are any."""
    return {"mistakes": dg.MetadataValue.md(shown(mistakes.rows))} if mistakes.rows else {}


def shown(rows: Iterable[Row]) -> str:
    """Pairs in markdown, each as a table with its texts below each other: side by side they would be cut on a page."""
    return "\n\n".join(_table(*row) for row in rows)


def _table(prompt: str, preferred: str, other: str, confidence: float, reason: str) -> str:
    texts = {"prompt": prompt, "preferred": preferred, "other": other}
    head = f"| confidence {confidence:.2f} | {reason.replace('|', chr(92) + '|')} |\n| --- | --- |"
    return "\n".join([head, *(f"| {name} | {_excerpt(text)} |" for name, text in texts.items())])


def _excerpt(text: str) -> str:
    """The beginning of a text, unable to break the table, to be read as markup, or to be wider than its column."""
    words = (word if len(word) <= _WORD else f"{word[:_WORD]}…" for word in text.split())
    short = printable(" ".join(words))
    short = short if len(short) <= _EXCERPT else f"{short[:_EXCERPT]}…"
    return "".join(f"&#{ord(char)};" if char in "|<>`*_~[]!&\\" else char for char in short)
