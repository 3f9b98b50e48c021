"""Pairs in the metadata of assets, as tables that no text in them can break."""

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
    return {name: dg.MetadataValue.md(table(rows)) for name, rows in found.items() if rows}


def read_mistakes(audit: Path, evolution: str) -> Mistakes:
    """The mistakes among the labels that an evolution kept: for the audit's own assets, never for a loop's."""
    with AuditDatabase(audit).reading() as connection:
        known = {"e": evolution}
        [(wrong, checked)] = connection.execute(f"SELECT wrong, known FROM ({QUERIES['labels']})", known).fetchall()
        return Mistakes(wrong, checked, connection.execute(_MISTAKES, known).fetchall())


def shown_mistakes(mistakes: Mistakes) -> dict[str, dg.MetadataValue]:
    """The surest mistakes as a table, if there are any."""
    return {"mistakes": dg.MetadataValue.md(table(mistakes.rows))} if mistakes.rows else {}


def table(rows: Iterable[Row]) -> str:
    """Pairs as a table in markdown."""
    lines = ["| prompt | preferred | other | confidence | reason |", "| --- | --- | --- | --- | --- |"]
    for prompt, preferred, other, confidence, reason in rows:
        texts = (_excerpt(text) for text in (prompt, preferred, other))
        lines.append(f"| {' | '.join([*texts, f'{confidence:.2f}', reason.replace('|', chr(92) + '|')])} |")
    return "\n".join(lines)


def _excerpt(text: str) -> str:
    """The beginning of a text, unable to break the table, to be read as markup, or to be wider than its column."""
    words = (word if len(word) <= _WORD else f"{word[:_WORD]}…" for word in text.split())
    short = printable(" ".join(words))
    short = short if len(short) <= _EXCERPT else f"{short[:_EXCERPT]}…"
    return "".join(f"&#{ord(char)};" if char in "|<>`*_~[]!&\\" else char for char in short)
