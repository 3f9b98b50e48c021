"""The end of a run for people: one table, and where to look next."""

import argparse
import sys
import webbrowser
from pathlib import Path

from assets.audit import audit_path
from resources.audit.writing import AuditBusy
from resources.console import Terminal
from resources.reporting.index import index_path, report_path
from resources.reporting.report_data import UnknownEvolution
from resources.reporting.terminal import summary
from resources.settings_file import data_root
from ser_dagster.commands.choose_evolution import REPORTED, choose_evolution


def print_summary(evolution: str, seconds: float) -> None:
    """Print the table of the evolution, and three lines that say what to look at next.

    A table that the audit database cannot give at the moment is missed on standard error, and no failure.
    """
    root = data_root()
    console = Terminal()
    try:
        console.print(summary(audit_path(root), evolution))
    except (AuditBusy, UnknownEvolution) as error:
        print(f"audit: {error}", file=sys.stderr)
    console.print(f"Done in {seconds:.0f} seconds. Look at:")
    console.print("  the graph and this run   make ui")
    console.print("  what was kept and why    .venv/bin/ser audit loops")
    page = report_path(root, evolution)
    where = page if page.exists() else "comes with the next run"
    console.print(f"  the report               {where}", soft_wrap=True)


def report_command(parsed: argparse.Namespace) -> None:
    """Print where the report is, and open it if that was asked for."""
    path = find_report(parsed.dataset, parsed.evolution)
    print(path)
    if parsed.open:
        webbrowser.open(path.as_uri())


def find_report(dataset: str | None, evolution: str | None) -> Path:
    """The report of an evolution, by default of the one that is meant; other pages are counted on standard error.

    Raises:
        SerError: there is none yet, or the dataset has to be named.
    """
    work = choose_evolution(dataset, evolution, REPORTED)
    path, index = report_path(work.root, work.identity), index_path(work.root)
    if others := len({*path.parent.glob("*.html")} - {path, index}):
        print(f"{others} other report{'s' if others > 1 else ''}, listed in {index}", file=sys.stderr)
    return path
