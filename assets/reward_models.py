"""Reward models: the seed RM, and how any of them is trained and measured."""

import dagster as dg

from assets.results import materialized, measured
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Artifact, Inputs, Part
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.stages.sft import SftSpec
from ser.stages.train_reward_model import TrainRewardModelSpec

TRAINING = code_version("ser.stages.train_reward_model")


def trained(
    work: Workshop,
    key: str,
    *,
    human: list[Part],
    pseudo: list[Part],
    roles: list[str],
    epochs: int,
    start: Part | None = None,
    left_out: list[Part] | None = None,
) -> tuple[Artifact, Artifact]:
    """The reward model of an asset, whose labels are of pairs of these roles, and its held-out measurement."""
    spec = TrainRewardModelSpec(
        training=work.settings.reward_model.training,
        arithmetic=work.arithmetic,
        epochs=epochs,
        random_seed=work.settings.random_seed,
    )
    inputs: dict[str, Part | list[Part]] = {
        "backbone": work.backbone(),
        "human": human,
        "pseudo": pseudo,
        "encoded": [work.tokens(role) for role in roles],
    }
    if left_out is not None:
        inputs["left_out"] = left_out
    if start is not None:
        inputs["start"] = start
    model = work.make(key, "train_reward_model", spec, inputs, {"states": [work.states(role) for role in roles]})
    return model, work.heldout(model)


@dg.asset(
    group_name="reward_models",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=["splits"],
    code_version=code_version("ser.stages.sft"),
)
def backbone(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The pretrained model, fine-tuned on the preferred seed responses."""
    work = ser.workshop(context)
    settings = work.settings
    spec = SftSpec(
        training=settings.reward_model.training,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        epochs=settings.reward_model.seed_epochs,
        random_seed=settings.random_seed,
    )
    inputs: Inputs = {"backbone": work.pretrained(), "seed": work.heads.get("splits").part("seed.parquet")}
    return materialized(work.make("backbone", "sft", spec, inputs))


@dg.asset(
    group_name="reward_models",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=["encoded_pairs"],
    code_version=TRAINING,
    kinds={"pytorch"},
)
def seed_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The reward model trained on the human labels of the seed."""
    work = ser.workshop(context)
    model, heldout = trained(
        work,
        "seed_rm",
        human=[work.pairs("seed")],
        pseudo=[],
        roles=["seed"],
        epochs=work.settings.reward_model.seed_epochs,
    )
    return materialized(model, measured(heldout))
