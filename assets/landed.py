"""From what has landed to one table per role."""

import hashlib

import dagster as dg

from assets.results import materialized
from assets.ser_resource import SNAPSHOTS, SerResource
from resources.code_version import code_version
from ser.stages.specs import SplitSpec


@dg.asset(group_name="data", partitions_def=SNAPSHOTS, kinds={"parquet"})
def landed_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """All pairs and labels of the snapshot."""
    work = ser.workshop(context)
    landing = work.landing()
    version = hashlib.sha256(work.snapshot.encode()).hexdigest()[:16]
    artifact = work.store.build(
        "landed_pairs",
        version,
        lambda out: landing.write_snapshot(work.snapshot, out),
        {"stage": "landing", "spec": {"snapshot": work.snapshot}, "inputs": {}, "run_id": work.run_id},
        work.progress("landed_pairs"),
        work.heads.set,
    )
    return materialized(artifact, {"dataset": landing.dataset_of(work.snapshot)})


@dg.asset(
    group_name="data",
    partitions_def=SNAPSHOTS,
    deps=[landed_pairs],
    code_version=code_version("ser.stages.split"),
    kinds={"parquet"},
)
def splits(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """Seed, calibration, test, pool and vault, each in a table of its own."""
    work = ser.workshop(context)
    landed = work.heads.get("landed_pairs")
    artifact = work.make(
        "splits",
        "split",
        SplitSpec(max_pairs=work.settings.max_pairs),
        {name: landed.part(f"{name}.parquet") for name in ("pairs", "labels", "judge_labels")},
    )
    return materialized(artifact)
