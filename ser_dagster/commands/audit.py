"""`ser audit`: named queries and read-only SQL over the audit database."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.audit import audit_path
from resources.audit.database import query
from resources.audit.queries import named_queries, run_named
from resources.audit.record import RunRecord
from resources.audit.render import render
from resources.audit.sync import rebuild
from resources.evolution import Evolution
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.settings import data_root
from ser.errors import SerError


def answer(name: str | None, sql: str | None, pair: str | None, snapshot: str | None, form: str) -> str:
    """The answer to a named query or to SQL, as a table, CSV or JSON; without either, what can be asked."""
    path = audit_path(data_root())
    if sql:
        columns, rows = query(path, sql)
    elif name:
        columns, rows = run_named(path, name, snapshot, pair)
    else:
        return "Named queries:\n" + "\n".join(f"  {key:20} {about}" for key, (about, _) in named_queries().items())
    return render(columns, rows, form).rstrip("\n")


def misuse(given: argparse.Namespace) -> str | None:
    """What of the options would not be used, in a sentence; None if all are."""
    asked = given.query or given.sql
    if given.query and given.sql:
        return "give a named query or --sql, not both."
    if given.rebuild and asked:
        return "--rebuild makes the database again and answers nothing: ask afterwards."
    if given.pair and given.query != "history" and (not given.query or given.query in named_queries()):
        return "--pair is for the query history: ser audit history --pair ID."
    if given.snapshot and not given.query:
        return "--snapshot is for named queries; in SQL, name the snapshot in a WHERE."
    if given.format and not asked:
        return "--format is for answers: give a named query or --sql."
    return None


def rebuild_database() -> str:
    """Make the audit database again from the artifacts of every run."""
    root = data_root()
    works = [open_evolution(root, one, terminal=True) for one in known_evolutions(root)]
    if not works:
        raise SerError("there is nothing to rebuild from: no run has made artifacts yet.")
    print(f"rebuilding from {len(works)} runs", file=sys.stderr)
    rebuild(audit_path(root), whole_records(works))
    return f"{audit_path(root)} was made again from {len(works)} runs."


def whole_records(works: list[Evolution]) -> Iterator[RunRecord]:
    """The record of every run, one at a time; pairs that were pruned are written out again from the landing zone.

    If their landing is gone too they are left out, and that is said: it must not keep out what other runs have.
    """
    for work in works:
        record, landed = work.record(), work.find("landed_pairs")
        if landed is None or not landed.pruned:
            yield record
            continue
        if not work.landing().has(work.snapshot):
            print(f"{work.snapshot}: its pairs are left out, they were pruned and its landing is gone", file=sys.stderr)
            yield record
            continue
        with TemporaryDirectory() as folder:
            shutil.copytree(landed.path, folder, dirs_exist_ok=True)
            work.landing().write_snapshot(work.snapshot, Path(folder))
            tables = replace(landed, path=Path(folder), pruned=False)
            yield replace(record, artifacts={**record.artifacts, "landed_pairs": tables})
