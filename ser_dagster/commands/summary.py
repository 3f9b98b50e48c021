"""The end of a run for people: one table, and where to look next."""

import sys
from pathlib import Path

from rich.console import Console

from assets.audit import audit_path, report_path
from resources.audit.database import AuditBusy
from resources.landing.zone import Landing
from resources.reporting.report import summary_table
from resources.reporting.report_data import UnknownRun
from resources.settings import data_root, load_settings
from ser.errors import SerError


def print_summary(snapshot: str, recipe: str, seconds: float) -> None:
    """Print the table of the run, and three lines that say what to look at next.

    A table that the audit database cannot give at the moment is missed on standard error, and no failure.
    """
    root = data_root()
    console = Console(markup=False, emoji=False)
    try:
        console.print(summary_table(audit_path(root), snapshot, recipe))
    except (AuditBusy, UnknownRun) as error:
        print(f"audit: {error}", file=sys.stderr)
    console.print(f"Done in {seconds:.0f} seconds. Look at:")
    console.print("  the graph and this run   make ui", highlight=False)
    console.print("  what was kept and why    .venv/bin/ser audit loops", highlight=False)
    page = report_path(root, snapshot, recipe)
    where = page if page.exists() else "comes with the next run"
    console.print(f"  the report               {where}", highlight=False, soft_wrap=True)


def find_report(dataset: str | None) -> Path:
    """The report of a dataset's current snapshot.

    Raises:
        SerError: there is none yet, or the dataset has to be named.
    """
    settings = load_settings()
    zone = Landing(data_root(), settings)
    name = zone.only_dataset(dataset)
    path = report_path(data_root(), zone.current_snapshot(name), settings.recipe)
    if not path.exists():
        raise SerError(f"there is no report of {name} yet. Run: ser run --dataset {name}")
    return path
