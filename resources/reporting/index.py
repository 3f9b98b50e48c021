"""The page that lists the reports: one line an evolution."""

import json
from pathlib import Path

from resources.audit.database import AuditDatabase
from resources.reporting.page import environment

_EVOLUTIONS = "SELECT * FROM evolutions ORDER BY dataset, executed_at DESC NULLS LAST, evolution"


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
    return environment().get_template("index.html.j2").render(rows=rows)
