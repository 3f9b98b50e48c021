"""`ser audit`: named queries and read-only SQL over the audit database."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.audit import audit_path
from resources.asset_keys import LANDED_PAIRS
from resources.audit.answer import ask_worker
from resources.audit.database import NothingAudited
from resources.audit.first_run import first_runs, refuse_before_its_end
from resources.audit.heading import heading
from resources.audit.history import render_history
from resources.audit.layout import record, terminal_width
from resources.audit.queries import check_query, find_evolution, named_queries, run_named
from resources.audit.record import EvolutionRecord
from resources.audit.render import render
from resources.audit.sync import rebuild
from resources.evolution import Evolution
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.zone import Landing
from resources.locks import owner_of
from resources.reporter import SCREEN
from resources.settings_file import data_root, load_settings
from ser.errors import SerError


def audit_command(parsed: argparse.Namespace) -> None:
    """Answer a named query or SQL, list the named queries, or make the database again."""
    if unused := misuse(parsed):
        parsed.wrong_use(unused)
    if parsed.rebuild:
        print(rebuild_database())
        return
    form = parsed.format or "table"
    if parsed.sql:
        for text in answer_sql(parsed.sql, form):
            sys.stdout.write(text)
    elif parsed.query:
        print(answer(parsed.query, parsed.pair, parsed.evolution, parsed.dataset, form))
    else:
        print("Named queries:")
        about = [(f"  {name}", words) for name, (words, _) in named_queries().items()]
        print(record(about, terminal_width()), end="")


def answer(
    name: str, pair: str | None = None, evolution: str | None = None, dataset: str | None = None, form: str = "table"
) -> str:
    """The answer to a named query about an evolution.

    A table says above it what it is about; elsewhere an evolution that was not asked for is named on standard error.
    """
    check_query(name, pair)
    root = data_root()
    path, chosen = audit_path(root), _choose(root, evolution, dataset)
    columns, rows = run_named(path, name, chosen, pair)
    if form == "table":
        about = heading(path, chosen, running=owner_of(root, chosen) is not None)
        shown = render_history(columns, rows) if name == "history" else render(columns, rows)
        return f"{about}\n{shown}".rstrip("\n")
    if evolution is None:
        print(f"evolution {chosen}", file=sys.stderr)
    return render(columns, rows, form).rstrip("\n")


def _choose(root: Path, wanted: str | None, dataset: str | None) -> str:
    """The full name of the evolution that is meant; one that comes into the audit later is told of."""
    path = audit_path(root)
    try:
        chosen = find_evolution(path, wanted, dataset)
    except NothingAudited:
        refuse_before_its_end(root, wanted, dataset)
        raise
    if wanted is None:
        for words in [*first_runs(root, path, dataset), *_newer_snapshot(root, chosen)]:
            print(words, file=sys.stderr)
    return chosen


def _newer_snapshot(root: Path, chosen: str) -> Iterator[str]:
    """A sentence if newer data have landed than the evolution has seen."""
    snapshot = chosen.partition("/")[0]
    zone, name = Landing(root, load_settings()), snapshot.rpartition("-")[0]
    if name in zone.datasets() and (current := zone.current_snapshot(name)) != snapshot:
        yield f"No evolution of {current} is in the audit yet: this is {chosen}."


def answer_sql(sql: str, form: str = "table") -> Iterator[str]:
    """The answer to a read-only SQL statement, in pieces."""
    root = data_root()
    path = audit_path(root)
    if not path.exists():
        refuse_before_its_end(root)
    return ask_worker(path, sql, form)


def misuse(given: argparse.Namespace) -> str | None:
    """What of the options would not be used, in a sentence; None if all are."""
    asked = given.query or given.sql
    if given.query and given.sql:
        return "give a named query or --sql, not both."
    if given.rebuild and asked:
        return "--rebuild makes the database again and answers nothing: ask afterwards."
    if given.pair and given.query != "history" and (not given.query or given.query in named_queries()):
        return "--pair is for the query history: ser audit history --pair ID."
    if (given.evolution or given.dataset) and not given.query:
        option = "--evolution" if given.evolution else "--dataset"
        return f"{option} is for named queries; in SQL, name the evolution in a WHERE."
    if given.format and not asked:
        return "--format is for answers: give a named query or --sql."
    return None


def rebuild_database() -> str:
    """Make the audit database again from the artifacts of every evolution."""
    root = data_root()
    works = [open_evolution(root, one, screen=SCREEN) for one in known_evolutions(root)]
    if not works:
        raise SerError("there is nothing to rebuild from: no run has made artifacts yet.")
    print(f"rebuilding from {len(works)} evolutions", file=sys.stderr)
    rebuild(audit_path(root), whole_records(works))
    return f"{audit_path(root)} was made again from {len(works)} evolutions."


def whole_records(works: list[Evolution]) -> Iterator[EvolutionRecord]:
    """The record of every evolution, one at a time; pruned pairs are written out again from the landing zone.

    If their landing is gone too they are left out, and that is said: it must not keep out what others have.
    """
    for work in works:
        record, landed = work.record(), work.find(LANDED_PAIRS)
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
            yield replace(record, artifacts={**record.artifacts, LANDED_PAIRS: tables})
