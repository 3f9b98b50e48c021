"""`ser study`: many evolutions that differ in what is studied, and the page that they come to."""

import argparse
import json
import shlex
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from resources.caches import free_memory
from resources.code_version import git_commit
from resources.disk import write_text
from resources.evolution import Evolution
from resources.known_evolutions import find_evolution, open_evolution
from resources.landing.zone import Landing
from resources.settings import Settings
from resources.settings_file import ROOT, data_root, load_settings
from resources.stamp import machine, versions
from resources.studies.ledger import Ledger
from resources.studies.outcome import AnsweredPairs, Outcome, outcome_of
from resources.studies.plan import Cell, StudyPlan, read_plan, with_datasets
from resources.studies.report import study_page, study_plot
from resources.studies.transfer import missing_transfers, transfer
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
    for cell, _ in cells:
        _check_settings(name, cell)
    failed = {} if parsed.page_only else _run_missing(plan, cells, ledger, name)
    found = ledger.of(cells)
    if not found:
        others = f"\n{ledger.path} is about other pairs, settings or draws." if ledger.outcomes else ""
        raise SerError(f"study {name}: no evolution has ended, so there is nothing to show.{others}")
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
        raise SerError(_failures(name, len(cells), set(failed) & {cell.words for cell, _ in cells}, failed))


def _check_settings(name: str, cell: Cell) -> None:
    """Refuse a study of which an evolution has impossible settings, before the others have run for hours."""
    try:
        load_settings(assignments=cell.assignments)
    except SerError as error:
        what = str(error).partition("\n")[0].replace("--set ", "")
        raise SerError(f"study {name}, {cell.words}: {what}\nMend the study (or ser.toml, if it says that).") from error


def _run_missing(plan: StudyPlan, cells: Sequence[tuple[Cell, str]], ledger: Ledger, name: str) -> dict[str, str]:
    """Run what the ledger has no outcome of; what failed, and why, is returned, and the rest goes on."""
    missing = [(cell, snapshot) for cell, snapshot in cells if ledger.find(cell, snapshot) is None]
    _say(f"study {name}: {len(cells)} evolutions, {len(cells) - len(missing)} of them known")
    failed: dict[str, str] = {}
    for number, (cell, snapshot) in enumerate(missing, start=1):
        _say(f"study {name}: {number} of {len(missing)}: {cell.words}")
        try:
            outcome, tests = _run_cell(cell, snapshot, name)
        except SerError as error:
            _fail(failed, cell.words, error)
            continue
        ledger.add(outcome, tests)
        if plan.transfer:
            _transfer_missing(cells, ledger, failed)
    if plan.transfer:
        _transfer_missing(cells, ledger, failed)
    return failed


def _run_cell(cell: Cell, snapshot: str, name: str) -> tuple[Outcome, AnsweredPairs]:
    ran = run(cell.dataset, policy=False, assignments=cell.assignments, study=name)
    if ran["snapshot"] != snapshot:
        raise SerError(f"more of {cell.dataset} has landed meanwhile.\nRun the study again: it is of the new snapshot.")
    settings = load_settings(assignments=cell.assignments)
    return outcome_of(cell, Evolution(data_root(), settings, snapshot), _about(settings))


def _transfer_missing(cells: Sequence[tuple[Cell, str]], ledger: Ledger, failed: dict[str, str]) -> None:
    """Score the models of ended evolutions on the test pairs of the others, where the ledger has no answers."""
    for cell, outcome, other in list(missing_transfers(cells, ledger)):
        words = f"{cell.words}, on {other.dataset}"
        if words in failed:
            continue
        _say(words)
        try:
            root = data_root()
            work, onto = (open_evolution(root, find_evolution(root, one.evolution)) for one in (outcome, other))
            transferred, tests = transfer(work, onto, outcome.last_loop(), "of ser study")
        except SerError as error:
            _fail(failed, words, error)
            continue
        finally:
            free_memory()
        now = ledger.find(cell, outcome.snapshot) or outcome
        known = now.transfers | {other.dataset: transferred}
        ledger.add(now.model_copy(update={"transfers": known}), tests)


def _fail(failed: dict[str, str], words: str, error: SerError) -> None:
    failed[words] = str(error)
    _say(f"{words} failed: {error}")


def _failures(name: str, total: int, evolutions: Collection[str], failed: Collection[str]) -> str:
    transfers = len(failed) - len(evolutions)
    counts = [f"{len(evolutions)} of {total} evolutions failed"] if evolutions else []
    counts += [f"{transfers} {'transfer' if transfers == 1 else 'transfers'} failed"] if transfers else []
    return f"study {name}: {' and '.join(counts)}; the others are on the page."


def _snapshot(dataset: str) -> str:
    return Landing(data_root(), load_settings()).current_snapshot(dataset)


def _about(settings: Settings) -> dict[str, str]:
    model = settings.backbone.model
    return {
        "machine": machine(),
        "versions": versions(),
        "model": settings.preset if model == "embedded" else model,
        "arithmetic": settings.compute.words,
        "commit": git_commit() or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
    }


def _say(line: str) -> None:
    print(f"ser: {line}", file=sys.stderr, flush=True)
