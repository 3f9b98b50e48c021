"""`make clean-demo`: forget a dataset, and nothing else."""

import shutil
import sys

import dagster as dg

from assets.audit import audit_path
from assets.ser_resource import PARTITION_TAG, SNAPSHOTS_NAME
from resources.audit.sync import rebuild
from resources.heads import every_head, known_runs
from resources.locks import is_owned
from resources.pruned import record_place
from resources.settings import data_root
from resources.workshop import Workshop
from ser.errors import SerError
from ser_dagster.audit import whole_records
from ser_dagster.home import instance


def forget(dataset: str) -> int:
    """Delete a dataset's landed pairs, runs, artifacts and reports; return how many artifacts were deleted.

    Artifacts that another dataset's runs refer to stay, and so does the converted embedded model.

    Raises:
        SerError: a run is working on the dataset now, or the settings of a run cannot be read. Nothing was deleted.
    """
    root = data_root()
    runs = list(known_runs(root))
    others = [Workshop(root, settings, name) for name, settings in runs if not _is_of(name, dataset)]
    busy = next((name for name, _ in runs if _is_of(name, dataset) and is_owned(root, name)), None)
    if busy is not None:
        raise SerError(f"{busy} is being worked on. Stop that run first.")
    heads = list(every_head(root))
    needed = {(head.key, head.version) for head in heads if not _is_of(head.snapshot, dataset)}
    mine = {(head.key, head.version) for head in heads if _is_of(head.snapshot, dataset)}
    doomed = [root / "artifacts" / key / version for key, version in mine - needed]
    _forget_runs(dataset)
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(record_place(path), ignore_errors=True)
    for folder in (*(root / "heads").glob(f"{dataset}-*"), root / "landing" / dataset, root / "quarantine" / dataset):
        if folder.name == dataset or _is_of(folder.name, dataset):
            shutil.rmtree(folder, ignore_errors=True)
    for page in (root / "reports").glob(f"{dataset}-*.html"):
        page.unlink()
    if others:
        rebuild(audit_path(root), whole_records(others))
    else:
        audit_path(root).unlink(missing_ok=True)
    return len(doomed)


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
    try:
        print(f"{sys.argv[1]} is forgotten; {forget(sys.argv[1])} artifacts were deleted.")
    except SerError as error:
        sys.exit(f"ser: {error}")
