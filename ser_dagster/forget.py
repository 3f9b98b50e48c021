"""`make clean-demo`: forget a dataset, and nothing else."""

import argparse
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import dagster as dg

from assets.audit import audit_path
from assets.ser_resource import PARTITION_TAG, SNAPSHOTS_NAME
from resources.audit.sync import rebuild
from resources.heads import every_head, known_runs
from resources.landing.store import DatasetStore
from resources.landing.zone import Landing
from resources.lineage import Identity, promotions_of
from resources.locks import own_snapshot
from resources.pruned import record_place
from resources.settings import data_root, load_settings
from resources.store_contents import contents
from resources.workshop import Workshop
from ser.errors import SerError
from ser_dagster.audit import whole_records
from ser_dagster.home import instance


def forget(dataset: str) -> int:
    """Delete a dataset's landed pairs, runs, artifacts, reports and review files; return how many artifacts.

    Artifacts that another dataset's runs refer to stay, and so does the converted embedded model. It may be killed at
    any moment: the next call finishes.

    Raises:
        SerError: a run is working on the dataset now, it cannot be the name of one, the settings of a run cannot be
            read, or the audit database cannot be made without it. Nothing was deleted.
    """
    root = data_root()
    Landing(root, load_settings()).folder(dataset)  # checks the name: it becomes part of paths
    store = DatasetStore(root, dataset)
    with store.lock(), ExitStack() as owned:
        run = {path.name for path in (root / "heads").glob(f"{dataset}-*") if _is_of(path.name, dataset)}
        current = store.current()
        for snapshot in sorted(run | ({current} if current else set())):
            owned.enter_context(own_snapshot(root, snapshot, "of make clean-demo"))
        return _forget(root, store, run)


def _forget(root: Path, store: DatasetStore, run: set[str]) -> int:
    """The audit goes first, because it may fail, then the landed pairs, so that no run can begin.

    The heads go last: they carry the locks of the snapshots, and say what there was to delete.

    Args:
        run: the snapshots that have been run.
    """
    dataset = store.dataset
    snapshots = run | store.snapshots()
    others = [Workshop(root, settings, name) for name, settings in known_runs(root) if name not in snapshots]
    doomed = [root / "artifacts" / key / version for key, version in _doomed(root, snapshots)]
    if others:
        rebuild(audit_path(root), whole_records(others))
    else:
        audit_path(root).unlink(missing_ok=True)
    aside = root / "landing" / f".{dataset}.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    (root / "landing" / dataset).rename(aside)  # with its lock, in one step: a landing that waits for it begins afresh
    for folder in (root / "quarantine" / dataset, aside):
        shutil.rmtree(folder, ignore_errors=True)
    _forget_runs(dataset)
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(record_place(path), ignore_errors=True)
    for snapshot in snapshots:
        for page in (root / "reports").glob(f"{snapshot}-*.html"):
            page.unlink()
        shutil.rmtree(root / "review" / snapshot, ignore_errors=True)
    for snapshot in snapshots:
        shutil.rmtree(root / "heads" / snapshot, ignore_errors=True)
    return len(doomed)


def _doomed(root: Path, snapshots: set[str]) -> set[Identity]:
    """The artifacts of these snapshots that no other refers to, and what earlier code promoted among them."""
    heads = list(every_head(root))
    needed = {(head.key, head.version) for head in heads if head.snapshot not in snapshots}
    mine = {(head.key, head.version) for head in heads if head.snapshot in snapshots} - needed
    return mine | (set(promotions_of(contents(root), mine)) - needed)


def _is_of(snapshot: str, dataset: str) -> bool:
    return snapshot.rpartition("-")[0] == dataset


def _forget_runs(dataset: str) -> None:
    with instance() as current:
        for snapshot in current.get_dynamic_partitions(SNAPSHOTS_NAME):
            if _is_of(snapshot, dataset):
                for run in current.get_runs(filters=dg.RunsFilter(tags={PARTITION_TAG: snapshot})):
                    current.delete_run(run.run_id)
                current.delete_dynamic_partition(SNAPSHOTS_NAME, snapshot)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m ser_dagster.forget", description=__doc__)
    parser.add_argument("dataset", help="which one")
    named = parser.parse_args().dataset
    try:
        print(f"{named} is forgotten; {forget(named)} artifacts were deleted.")
    except SerError as error:
        sys.exit(f"ser: {error}")
