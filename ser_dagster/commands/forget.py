"""`ser forget`: a dataset and all that was made of it, and nothing else."""

import argparse
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from assets.audit import audit_path
from assets.ser_resource import PARTITION_TAG, SNAPSHOTS_NAME
from resources import asset_keys as keys
from resources.audit.record import EvolutionRecord
from resources.audit.sync import rebuild
from resources.disk import write_text
from resources.heads import every_head, known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.folders import DATASET_NAME, known_words
from resources.landing.store import DatasetStore
from resources.landing.zone import Landing
from resources.lineage import Identity, promotions_of
from resources.locks import own_snapshot
from resources.pruned import record_place
from resources.reporting.index import index_path, render_index
from resources.retention import idle_caches
from resources.settings_file import data_root, load_settings
from resources.store_contents import contents
from ser.errors import SerError
from ser_dagster.commands.audit import whole_records
from ser_dagster.dagster_instance import instance


@dataclass(frozen=True)
class Forgotten:
    """How much of a dataset was deleted."""

    snapshots: int
    artifacts: int
    reports: int
    quarantine_files: int


def forget_command(parsed: argparse.Namespace) -> None:
    """Forget the dataset, and say what was deleted."""
    done = forget(parsed.dataset)
    print(
        f"{parsed.dataset} is forgotten. Deleted: its landed pairs ({_counted(done.snapshots, 'snapshot')}), "
        f"{_counted(done.artifacts, 'artifact')}, {_counted(done.reports, 'report')}, "
        f"{_counted(done.quarantine_files, 'quarantine file')}, its runs and its rows in the audit."
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def forget(dataset: str) -> Forgotten:
    """Delete a dataset's landed pairs, quarantine, runs, artifacts, reports and review files.

    Artifacts that another dataset's runs refer to stay, and so does the converted embedded model; not what their models
    say of this dataset's pairs (`ser study`). It may be killed at any moment: the next call finishes.

    Raises:
        SerError: there is no such dataset, nor anything left of it; a run is working on it now, it cannot be the name
            of one, the settings of a run cannot be read, or the audit database cannot be made without it. Nothing was
            deleted.
    """
    root = data_root()
    Landing(root, load_settings()).folder(dataset)  # checks the name: it becomes part of paths
    if dataset not in (known := _known(root)):
        raise SerError(f"unknown dataset {dataset!r}, so nothing was deleted. {known_words(known)}")
    store = DatasetStore(root, dataset)
    with store.lock(), ExitStack() as owned:
        run = {path.name for path in (root / "heads").glob(f"{dataset}-*") if _is_of(path.name, dataset)}
        for snapshot in sorted(run | store.snapshots()):
            owned.enter_context(own_snapshot(root, snapshot, "of ser forget"))
        return _forget(root, store, run, owned.enter_context(instance()))


def _known(root: Path) -> list[str]:
    """Every dataset of which there is something: that landed, was run, or left files in quarantine.

    One that a killed call has begun to forget is among them.
    """
    landed = {path.name for path in (root / "landing").glob("*/")}
    aside = {path.name[1:].removesuffix(".tmp") for path in (root / "landing").glob(".*.tmp/")}
    rejected = {path.name for path in (root / "quarantine").glob("*/")}
    run = {path.name.rpartition("-")[0] for path in (root / "heads").glob("*/")}
    return sorted(name for name in landed | aside | rejected | run if DATASET_NAME.fullmatch(name))


def _forget(root: Path, store: DatasetStore, run: set[str], current: dg.DagsterInstance) -> Forgotten:
    """The audit goes first, because it may fail, then the landed pairs, so that no run can begin.

    The heads go last: they carry the locks of the snapshots, and say what there was to delete.

    Args:
        run: the snapshots that have been run.
        current: Dagster's instance, which knows their executions.
    """
    dataset = store.dataset
    snapshots = run | store.snapshots()
    others = [open_evolution(root, one) for one in known_evolutions(root) if one.snapshot not in snapshots]
    doomed = [root / "artifacts" / key / version for key, version in _doomed(root, snapshots, dataset)]
    if others:
        rebuild(audit_path(root), (_without_transfers(one, dataset) for one in whole_records(others)))
        write_text(index_path(root), render_index(audit_path(root)))
    else:
        audit_path(root).unlink(missing_ok=True)
        index_path(root).unlink(missing_ok=True)
    quarantine, aside = root / "quarantine" / dataset, root / "landing" / f".{dataset}.tmp"
    rejected = [path for path in quarantine.rglob("*") if path.is_file()]
    shutil.rmtree(aside, ignore_errors=True)
    (root / "landing" / dataset).rename(aside)  # with its lock, in one step: a landing that waits for it begins afresh
    for folder in (quarantine, aside):
        shutil.rmtree(folder, ignore_errors=True)
    _forget_runs(current, dataset)
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(record_place(path), ignore_errors=True)
    heads = {(head.key, head.version) for head in every_head(root) if head.snapshot not in snapshots}
    for cache in idle_caches(root, contents(root), heads):
        shutil.rmtree(cache.path, ignore_errors=True)
    pages = [page for snapshot in snapshots for page in (root / "reports").glob(f"{snapshot}-*.html")]
    for page in pages:
        page.unlink()
    for snapshot in snapshots:
        shutil.rmtree(root / "review" / snapshot, ignore_errors=True)
    for transfers in (root / "heads").glob(f"*/*/{keys.transfers_to(dataset)}"):
        shutil.rmtree(transfers, ignore_errors=True)
    for snapshot in snapshots:
        shutil.rmtree(root / "heads" / snapshot, ignore_errors=True)
    return Forgotten(len(snapshots), len(doomed), len(pages), len(rejected))


def _doomed(root: Path, snapshots: set[str], dataset: str) -> set[Identity]:
    """The artifacts of these snapshots that no other refers to, what earlier code promoted among them, and what the
    models of other datasets say of this one's pairs."""
    mine: set[Identity] = set()
    needed: set[Identity] = set()
    for head in every_head(root):
        is_mine = head.snapshot in snapshots or _is_transfer(head.key, dataset)
        (mine if is_mine else needed).add((head.key, head.version))
    mine -= needed
    return mine | (set(promotions_of(contents(root), mine)) - needed)


def _is_transfer(key: str, dataset: str) -> bool:
    return key.startswith(f"{keys.transfers_to(dataset)}/")


def _without_transfers(record: EvolutionRecord, dataset: str) -> EvolutionRecord:
    kept = {key: one for key, one in record.artifacts.items() if not _is_transfer(key, dataset)}
    return replace(record, artifacts=kept)


def _is_of(snapshot: str, dataset: str) -> bool:
    return snapshot.rpartition("-")[0] == dataset


def _forget_runs(current: dg.DagsterInstance, dataset: str) -> None:
    for snapshot in current.get_dynamic_partitions(SNAPSHOTS_NAME):
        if _is_of(snapshot, dataset):
            for run in current.get_runs(filters=dg.RunsFilter(tags={PARTITION_TAG: snapshot})):
                current.delete_run(run.run_id)
            current.delete_dynamic_partition(SNAPSHOTS_NAME, snapshot)
