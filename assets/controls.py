"""Controls: models that the method itself never uses, for comparison and for judging. They may read the vault."""

from collections.abc import Iterator

import dagster as dg

from assets.results import materialized, measured
from assets.reward_models import train_and_measure
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Caches, Inputs
from ser.stages.train_judge import TrainJudgeSpec

JUDGE_SEED = 7919
"""Added to the run's random seed: the judge shares it with no model that it judges."""


@dg.asset(
    key_prefix="controls",
    group_name="on_demand_controls",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.SEED_RM, keys.VAULT],
    output_required=False,
)
def full_label_rm(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
    """On demand: the reward model that all human labels, the vault's too, would give; nothing without a vault."""
    work = ser.evolution(context)
    vault = work.heads.get(keys.VAULT)
    if vault.summary["vault"] == 0:
        context.log.warning(f"no full-label RM is trained: {work.snapshot} has no label in its vault.")
        return
    model, heldout = train_and_measure(
        work,
        keys.FULL_LABEL_RM,
        human=[work.pairs("seed"), vault.part("vault.parquet")],
        left_out=[work.heads.get(keys.ENCODED_PAIRS).part("left_out.parquet")],
        pseudo=[],
        roles=["seed", "pool"],
        epochs=work.settings.reward_model.seed_epochs,
    )
    yield materialized(work, model, measured(heldout))


@dg.asset(
    key_prefix="controls",
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.EVOLVED_RM],
    output_required=False,
)
def judge_rm(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
    """The judge of policies: two cross-fitted reward models on judge labels, else on calibration and test labels."""
    work = ser.evolution(context)
    if work.gate_is_closed():
        context.log.info(work.why_skipped("judge is trained"))
        return
    splits = work.heads.get(keys.SPLITS)
    spec = TrainJudgeSpec(
        training=work.settings.reward_model.training,
        arithmetic=work.arithmetic,
        epochs=work.settings.judging.epochs,
        random_seed=work.settings.random_seed + JUDGE_SEED,
    )
    inputs: Inputs = {
        "backbone": work.backbone(),
        "pairs": [work.pairs("calibration"), work.pairs("test")],
        "encoded": [work.tokens("calibration"), work.tokens("test")],
        "judge_labels": splits.part("judge.parquet"),
    }
    caches: Caches = {"states": [work.states("calibration"), work.states("test")]}
    artifact = work.make(keys.JUDGE_RM, "train_judge", spec, inputs, caches)
    yield materialized(work, artifact, {name: artifact.summary[name]["value"] for name in ("accuracy", "longer_wins")})
