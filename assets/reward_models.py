"""Reward models: the seed RM, and how any of them is trained and measured."""

from collections.abc import Sequence

import dagster as dg

from assets.results import materialized, measured, passed_through
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Artifact, Caches, Inputs, Part
from resources.evolution import Evolution
from ser.data.pairs import keyed_hash
from ser.stages.ensemble import EnsembleSpec
from ser.stages.sft import SftSpec
from ser.stages.train_reward_model import TrainRewardModelSpec


def train_and_measure(
    work: Evolution,
    key: str,
    *,
    human: list[Part],
    pseudo: list[Part],
    roles: list[str],
    epochs: int,
    starts: Sequence[Part] = (),
    left_out: Sequence[Part] = (),
) -> tuple[Artifact, Artifact]:
    """The reward model of an asset, with as many members as the recipe has teachers, and its held-out measurement.

    `starts` are the models that the members are trained on from; without them they start from the backbone.
    """
    method, members = work.settings.method, []
    caches: Caches = {"states": [work.states(role) for role in roles]}
    unseen = bool(pseudo) and method.label_with == "unseen"
    for member in range(method.teachers):
        spec = TrainRewardModelSpec(
            training=work.settings.reward_model.training,
            arithmetic=work.arithmetic,
            epochs=epochs,
            random_seed=member_seed(work.settings.random_seed, member),
            human_share=method.human_share,
            folds=method.teachers if unseen else None,
            left_fold=member if unseen else 0,
        )
        inputs: dict[str, Part | list[Part]] = {
            "backbone": work.backbone(),
            "human": human,
            "pseudo": pseudo,
            "encoded": [work.tokens(role) for role in roles],
            "left_out": list(left_out),
        }
        if starts:
            inputs["start"] = starts[member]
        if unseen:
            inputs["units"] = work.heads.get(keys.SPLITS).part("units.parquet")
        # The first member is what the model would be without others, and is stored as that.
        stored_as = key if member == 0 else keys.member_of(key, member)
        stands_for = None if method.teachers == 1 else keys.member_of(key, member)
        members.append(work.make(stored_as, "train_reward_model", spec, inputs, caches, stands_for))
    model = members[0] if method.teachers == 1 else _put_together(work, key, members)
    return model, work.heldout(model)


def _put_together(work: Evolution, key: str, members: Sequence[Artifact]) -> Artifact:
    inputs: Inputs = {
        "members": [member.part("rm") for member in members],
        "summaries": [member.part("summary.json") for member in members],
    }
    return work.make(key, "ensemble", EnsembleSpec(), inputs)


def member_seed(random_seed: int, member: int) -> int:
    """The random seed of a member; the first one's is that of the evolution."""
    return random_seed if member == 0 else int(keyed_hash("member", str(random_seed), str(member))[:7], 16)


@dg.asset(
    group_name="reward_models",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.SPLITS],
)
def backbone(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The pretrained model; with the setting `sft` fine-tuned on the preferred seed responses."""
    work = ser.evolution(context)
    settings = work.settings
    if not settings.sft:
        return passed_through(work, work.pretrained())
    spec = SftSpec(
        training=settings.reward_model.training,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        epochs=settings.reward_model.seed_epochs,
        random_seed=settings.random_seed,
    )
    inputs: Inputs = {"backbone": work.pretrained(), "seed": work.heads.get(keys.SPLITS).part("seed.parquet")}
    return materialized(work, work.make(keys.BACKBONE, "sft", spec, inputs))


@dg.asset(
    group_name="reward_models",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.ENCODED_PAIRS],
    kinds={"pytorch"},
)
def seed_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The reward model trained on the human labels of the seed."""
    work = ser.evolution(context)
    model, heldout = train_and_measure(
        work,
        keys.SEED_RM,
        human=[work.pairs("seed")],
        pseudo=[],
        roles=["seed"],
        epochs=work.settings.reward_model.seed_epochs,
    )
    return materialized(work, model, measured(heldout))
