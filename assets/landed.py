"""From what has landed to one table per role."""

from typing import Any

import dagster as dg

from assets import columns, summaries
from assets.results import materialized
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Artifact, Inputs
from resources.evolution import Evolution
from resources.landing.snapshots import tables_version
from ser.data import tables
from ser.stages.encode import EncodeSpec
from ser.stages.split import SplitSpec
from ser.stages.vault import VaultSpec


@dg.asset(group_name="data", partitions_def=SNAPSHOTS, kinds={"parquet"}, metadata=columns.LANDED)
def landed_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """All pairs and labels of the snapshot."""
    work = ser.evolution(context)
    landing = work.landing()
    artifact = work.store.build(
        keys.LANDED_PAIRS,
        tables_version(work.snapshot),
        lambda out: landing.write_snapshot(work.snapshot, out),
        {"stage": "landing", "spec": {"snapshot": work.snapshot}, "inputs": {}, "run_id": work.run_id},
        work.progress(keys.LANDED_PAIRS),
        work.heads.set,
    )
    history = _history(artifact)
    said = summaries.of_landed(artifact.summary["pairs"], history["labelled"], history["new_pairs"])
    return materialized(work, artifact, said, dataset=work.dataset, **history)


def _history(artifact: Artifact) -> dict[str, Any]:
    """When the snapshot landed and how many pairs it has, so that plots over snapshots have an order."""
    *before, (landed_at, pairs, labelled) = tables.ask(
        "SELECT epoch(landed_at), n_pairs, n_labelled FROM t ORDER BY number", t=artifact.path / "snapshots.parquet"
    )
    new = pairs - (before[-1][1] if before else 0)
    counts = {"labelled": labelled, "unlabelled": pairs - labelled, "new_pairs": new}
    return {"landed_at": dg.MetadataValue.timestamp(landed_at)} | counts


@dg.asset(
    group_name="data",
    partitions_def=SNAPSHOTS,
    deps=[landed_pairs],
    kinds={"parquet"},
    metadata=columns.ROLES,
)
def splits(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """Seed, calibration, test and pool, each in a table of its own."""
    work = ser.evolution(context)
    artifact = work.make(keys.SPLITS, "split", SplitSpec(roles=work.settings.roles), _landed_tables(work))
    for note in artifact.summary["notes"]:
        work.progress(keys.SPLITS).warn(note)
    return materialized(work, artifact, summaries.of_splits(artifact))


@dg.asset(
    group_name="data",
    partitions_def=SNAPSHOTS,
    deps=[splits],
    kinds={"parquet"},
    metadata=columns.VAULT,
)
def vault(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The human labels of pool pairs: only the audit, the report and the controls read them."""
    work = ser.evolution(context)
    artifact = work.make(keys.VAULT, "vault", VaultSpec(roles=work.settings.roles), _landed_tables(work))
    return materialized(work, artifact, summaries.of_vault(artifact))


def _landed_tables(work: Evolution) -> Inputs:
    landed = work.heads.get(keys.LANDED_PAIRS)
    return {name: landed.part(f"{name}.parquet") for name in ("pairs", "labels", "judge_labels")}


@dg.asset(
    group_name="data",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.BACKBONE],
    kinds={"parquet"},
    metadata=columns.TOKENS,
)
def encoded_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The tokens of every role's pairs, and their states after the frozen layers; what does not fit is left out."""
    work = ser.evolution(context)
    made = work.heads.get(keys.SPLITS)
    inputs: Inputs = {role: made.part(f"{role}.parquet") for role in ("seed", "calibration", "test", "pool")}
    spec = EncodeSpec(encoding=work.settings.encoding)
    artifact = work.make(keys.ENCODED_PAIRS, "encode", spec, {"backbone": work.backbone(), **inputs})
    if not artifact.reused:
        _tell_lengths(work, artifact)
    all(work.fill_states(role) for role in ("seed", "calibration", "test", "pool"))  # up to one without room
    return materialized(work, artifact, summaries.of_encoded(artifact, spec.encoding.max_length))


def _tell_lengths(work: Evolution, artifact: Artifact) -> None:
    counts, length = artifact.summary, work.settings.encoding.max_length
    pairs, cut, tokens = (
        sum(counts[f"{role}{name}"] for role in ("seed", "calibration", "test", "pool"))
        for name in ("", "_prompts_cut", "_tokens_cut")
    )
    tell = work.progress(keys.ENCODED_PAIRS).warn
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
