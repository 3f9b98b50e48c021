"""Controls: models that the method itself never uses, for comparison and for judging. They may read the vault."""

from collections.abc import Iterator

import dagster as dg

from assets.gate import is_closed, why_skipped
from assets.results import materialized, measured
from assets.reward_models import TRAINING, trained
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Inputs
from resources.code_version import code_version
from ser.errors import SerError
from ser.stages.train_judge import TrainJudgeSpec

JUDGE_SEED = 7919
"""Added to the run's random seed: the judge shares it with no model that it judges."""


@dg.asset(
    key_prefix="controls",
    group_name="controls",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=["seed_rm"],
    code_version=TRAINING,
)
def full_label_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """On demand: the reward model that all human labels, the vault's too, would give."""
    work = ser.workshop(context)
    splits = work.heads.get("splits")
    if splits.summary["vault"] == 0:
        raise SerError(f"snapshot {work.snapshot} has no labels in its vault, so there is no full-label RM to train.")
    model, heldout = trained(
        work,
        "controls/full_label_rm",
        human=[work.pairs("seed"), splits.part("vault.parquet")],
        left_out=[work.heads.get("encoded_pairs").part("left_out.parquet")],
        pseudo=[],
        roles=["seed", "pool"],
        epochs=work.settings.reward_model.seed_epochs,
    )
    return materialized(model, measured(heldout))


@dg.asset(
    key_prefix="controls",
    group_name="controls",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=["evolved_rm"],
    code_version=code_version("ser.stages.train_judge"),
    output_required=False,
)
def judge_rm(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
    """The judge of policies: two cross-fitted reward models on judge labels, else on calibration and test labels."""
    work = ser.workshop(context)
    if is_closed(work):
        context.log.info(why_skipped(work, "judge is trained"))
        return
    splits = work.heads.get("splits")
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
    caches = {"states": [work.states("calibration"), work.states("test")]}
    artifact = work.make("controls/judge_rm", "train_judge", spec, inputs, caches)
    yield materialized(artifact, {name: artifact.summary[name]["value"] for name in ("accuracy", "longer_wins")})
