"""The page that lists the reports: one line an evolution."""

import json
from collections import Counter
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from resources.audit.database import AuditDatabase
from resources.reporting.answers import verdict_on
from resources.reporting.page import environment
from resources.reporting.report_data import Row

_EVOLUTIONS = """
SELECT *, EXISTS (FROM reward_models m WHERE m.evolution = e.evolution AND m.kind = 'loop') AS trained
FROM evolutions e ORDER BY dataset, executed_at DESC NULLS LAST, evolution
"""


def report_path(root: Path, evolution: str) -> Path:
    """The page of an evolution."""
    return root / "reports" / f"{evolution.replace('/', '-')}.html"


def index_path(root: Path) -> Path:
    """The page that lists the others."""
    return root / "reports" / "index.html"


def render_index(path: Path) -> str:
    """All evolutions that the audit database at `path` knows, as an HTML page that needs nothing else.

    Raises:
        SerError: there is no audit database, it is damaged, or (`AuditBusy`) being written.
    """
    root = path.parent
    with AuditDatabase(path).reading(sandbox=True) as connection:
        found = connection.execute(_EVOLUTIONS)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in rows:
        page = report_path(root, row["evolution"])
        row["page"] = page.name if page.exists() else None
        row["statistic"] = json.loads(row["settings"])["promotion"]["statistic"]
        row["helped"], row["tone"] = verdict_on(row, trained=row["trained"])
    return environment().get_template("index.html.j2").render(rows=rows, datasets=_datasets(rows))


_UNTRAINED = "no loop trained a model"
_WORDS = ("YES", "NO", "NOT SHOWN", _UNTRAINED, "NOT FINISHED")


def _counted_as(row: Row) -> str:
    return _UNTRAINED if row["helped"] == "NO" and not row["trained"] else str(row["helped"])


def _datasets(rows: list[Row]) -> list[str]:
    """In how many of its evolutions self-training helped, a sentence for each dataset."""
    said = []
    for dataset, found in groupby(rows, key=itemgetter("dataset")):
        counted = Counter(_counted_as(row) for row in found)
        parts = [f"{word} in {counted[word]}" for word in _WORDS if counted[word]]
        said.append(f"{dataset}: {', '.join(parts)}")
    return said
