"""The end of a run for people: one table, and where to look next."""

import argparse
import sys
import webbrowser
from pathlib import Path

from rich.console import Console

from assets.audit import audit_path
from resources.audit.database import AuditBusy
from resources.audit.queries import find_evolution
from resources.landing.zone import Landing
from resources.reporting.index import report_path
from resources.reporting.report import summary_table
from resources.reporting.report_data import UnknownEvolution
from resources.settings_file import data_root, load_settings
from ser.errors import SerError


def print_summary(evolution: str, seconds: float) -> None:
    """Print the table of the evolution, and three lines that say what to look at next.

    A table that the audit database cannot give at the moment is missed on standard error, and no failure.
    """
    root = data_root()
    console = Console(markup=False, emoji=False)
    try:
        console.print(summary_table(audit_path(root), evolution))
    except (AuditBusy, UnknownEvolution) as error:
        print(f"audit: {error}", file=sys.stderr)
    console.print(f"Done in {seconds:.0f} seconds. Look at:")
    console.print("  the graph and this run   make ui", highlight=False)
    console.print("  what was kept and why    .venv/bin/ser audit loops", highlight=False)
    page = report_path(root, evolution)
    where = page if page.exists() else "comes with the next run"
    console.print(f"  the report               {where}", highlight=False, soft_wrap=True)


def report_command(parsed: argparse.Namespace) -> None:
    """Print where the report is, and open it if that was asked for."""
    path = find_report(parsed.dataset, parsed.evolution)
    print(path)
    if parsed.open:
        webbrowser.open(path.as_uri())


def find_report(dataset: str | None, evolution: str | None) -> Path:
    """The report of an evolution, by default of the one of a dataset that was touched last.

    Raises:
        SerError: there is none yet, or the dataset has to be named.
    """
    root = data_root()
    zone = Landing(root, load_settings())
    name = None if evolution else zone.only_dataset(dataset)
    if name is not None:
        zone.current_snapshot(name)  # an unknown dataset is named before a database that is not there
    path = report_path(root, find_evolution(audit_path(root), evolution, name or dataset))
    if not path.exists():
        raise SerError(f"there is no report at {path} yet. Run: ser run{f' --dataset {name}' if name else ''}")
    return path
