"""`ser study`: many evolutions that differ in what is studied, and the page that they come to."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from resources.code_version import git_commit
from resources.disk import write_text
from resources.evolution import Evolution
from resources.landing.zone import Landing
from resources.settings_file import ROOT, data_root, load_settings
from resources.stamp import machine, versions
from resources.studies.ledger import Ledger
from resources.studies.outcome import outcome_of
from resources.studies.plan import Cell, read_plan, with_datasets
from resources.studies.report import study_page, study_plot
from ser.errors import SerError
from ser_dagster.commands.run import run


def study_command(parsed: argparse.Namespace) -> None:
    """Run what is missing of a study, and write its page."""
    name, plan = read_plan(parsed.study)
    plan = with_datasets(name, plan, parsed.dataset or [])
    out = Path(parsed.out) if parsed.out else ROOT / "docs" / "results"
    ledger = Ledger(out / f"{name}.jsonl")
    snapshots = {dataset: _snapshot(dataset) for dataset in plan.datasets}
    cells = [(cell, snapshots[cell.dataset]) for cell in plan.cells()]
    failed = {} if parsed.page_only else _run_missing(cells, ledger, name)
    found = ledger.of(cells)
    if not found:
        raise SerError(f"study {name}: no evolution has ended, so there is nothing to show.")
    command = shlex.join(["ser", "study", parsed.study, *(f"--dataset={one}" for one in parsed.dataset or [])])
    page = out / f"{name}.md"
    write_text(out / f"{name}.svg", study_plot(plan, found, ledger))
    write_text(page, study_page(name, plan, found, ledger, command, len(cells)))
    if parsed.json:
        outcomes = [one.model_dump(mode="json", exclude={"answers"}) for one in found]
        print(json.dumps({"study": name, "page": str(page), "outcomes": outcomes, "failed": failed}))
    else:
        print(page)
    if failed:
        raise SerError(f"study {name}: {len(failed)} of {len(cells)} evolutions failed; the others are on the page.")


def _run_missing(cells: Sequence[tuple[Cell, str]], ledger: Ledger, name: str) -> dict[str, str]:
    """Run what the ledger has no outcome of; what failed, and why, is returned, and the rest goes on."""
    missing = [(cell, snapshot) for cell, snapshot in cells if ledger.find(cell, snapshot) is None]
    _say(f"study {name}: {len(cells)} evolutions, {len(cells) - len(missing)} of them known")
    failed = {}
    for number, (cell, snapshot) in enumerate(missing, start=1):
        _say(f"study {name}: {number} of {len(missing)}: {cell.words}")
        try:
            run(cell.dataset, policy=False, assignments=cell.assignments, study=name)
        except SerError as error:
            failed[cell.words] = str(error)
            _say(f"{cell.words} failed: {error}")
            continue
        settings = load_settings(assignments=cell.assignments)
        evolution = Evolution(data_root(), settings, snapshot)
        ledger.add(*outcome_of(cell, evolution, _about(settings.compute.words)))
    return failed


def _snapshot(dataset: str) -> str:
    return Landing(data_root(), load_settings()).current_snapshot(dataset)


def _about(arithmetic: str) -> dict[str, str]:
    return {
        "machine": machine(),
        "versions": versions(),
        "arithmetic": arithmetic,
        "commit": git_commit() or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
    }


def _say(line: str) -> None:
    print(f"ser: {line}", file=sys.stderr, flush=True)
