"""From what has landed to one table per role."""

import hashlib

import dagster as dg

from assets.results import materialized
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Artifact, Inputs
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.stages.encode import EncodeSpec
from ser.stages.split import SplitSpec


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
        SplitSpec(roles=work.settings.roles),
        {name: landed.part(f"{name}.parquet") for name in ("pairs", "labels", "judge_labels")},
    )
    for note in artifact.summary["notes"]:
        work.progress("splits").warn(note)
    return materialized(artifact)


def encoded_pairs(after: str) -> dg.AssetsDefinition:
    """The asset `encoded_pairs`, downstream of `splits`, or of the fine-tuned `backbone` where there is one."""

    @dg.asset(
        group_name="data",
        partitions_def=SNAPSHOTS,
        deps=[after],
        pool=HEAVY_POOL,
        code_version=code_version("ser.stages.encode"),
        kinds={"parquet"},
    )
    def encoded_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The tokens of every role's pairs, and their states after the frozen layers; what does not fit is left out."""
        work = ser.workshop(context)
        made = work.heads.get("splits")
        inputs: Inputs = {role: made.part(f"{role}.parquet") for role in ("seed", "calibration", "test", "pool")}
        spec = EncodeSpec(encoding=work.settings.encoding)
        artifact = work.make("encoded_pairs", "encode", spec, {"backbone": work.backbone(), **inputs})
        if not artifact.reused:
            _tell_lengths(work, artifact)
        all(work.fill_states(role) for role in ("seed", "calibration", "test", "pool"))  # up to one without room
        return materialized(artifact)

    return encoded_pairs


def _tell_lengths(work: Workshop, artifact: Artifact) -> None:
    counts, length = artifact.summary, work.settings.encoding.max_length
    pairs, cut, tokens = (
        sum(counts[f"{role}{name}"] for role in ("seed", "calibration", "test", "pool"))
        for name in ("", "_prompts_cut", "_tokens_cut")
    )
    tell = work.progress("encoded_pairs").warn
    if counts["left_out"]:
        tell(
            f"{counts['left_out']:,} of {pairs + counts['left_out']:,} pairs are left out: their responses do not fit "
            f"into encoding.max_length {length}."
        )
    if cut:
        tell(
            f"{cut:,} of {pairs:,} prompts were cut from the left, by {tokens:,} tokens, to fit beside their responses "
            f"into encoding.max_length {length}."
        )
