"""Reward models: the seed RM, and how any of them is trained and measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from assets import pictures, summaries
from assets.results import gain_over_seed, gained, materialized, measured, passed_through
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Artifact, Caches, Inputs, Part
from resources.evolution import Evolution
from resources.measuring import measure
from ser.data.pairs import keyed_hash
from ser.stages.ensemble import EnsembleSpec
from ser.stages.sft import SftSpec
from ser.stages.train_reward_model import TrainRewardModelSpec


@dataclass(frozen=True)
class TrainingSet:
    """What the members of a reward model learn from, and for how long.

    Attributes:
        human: tables of labelled pairs, which all count as human labels.
        roles: whose tokens hold all these pairs.
        as_on_human: the epochs are counted over the human labels alone (`TrainRewardModelSpec`).
        pseudo: tables of selected pairs with targets and weights; of a pair in several the last one counts.
        left_out: tables of pairs whose human label is passed over.
    """

    human: Sequence[Part]
    roles: Sequence[str]
    epochs: int
    as_on_human: bool = False
    pseudo: Sequence[Part] = ()
    left_out: Sequence[Part] = ()


def train_and_measure(
    work: Evolution, key: str, taught: TrainingSet, starts: Sequence[Part] = (), steps: Sequence[int] = ()
) -> tuple[Artifact, Artifact]:
    """The reward model of an asset, with as many members as the recipe has teachers, and its held-out measurement.

    `starts` are the models that the members are trained on from; without them they start from the backbone. `steps` are
    those of the optimiser for each member, where the epochs are not to decide.
    """
    teachers, members = work.settings.method.teachers, []
    for member in range(teachers):
        start, many = starts[member] if starts else None, steps[member] if steps else None
        stands_for = None if teachers == 1 else keys.member_of(key, member)
        members.append(train_member(work, key, member, taught, start=start, steps=many, stands_for=stands_for))
    model = members[0] if teachers == 1 else put_together(work, key, members)
    return model, measure(work, model)


def train_member(
    work: Evolution,
    key: str,
    member: int,
    taught: TrainingSet,
    *,
    start: Part | None = None,
    steps: int | None = None,
    stands_for: str | None = None,
) -> Artifact:
    """A member of the reward model `key`, which its own key or `stands_for` is to stand for."""
    method = work.settings.method
    unseen = bool(taught.pseudo) and method.label_with == "unseen"
    spec = TrainRewardModelSpec(
        training=work.settings.reward_model.training,
        arithmetic=work.arithmetic,
        epochs=taught.epochs,
        as_on_human=taught.as_on_human,
        random_seed=member_seed(work.settings.random_seed, member),
        human_share=method.human_share,
        folds=method.teachers if unseen else None,
        left_fold=member if unseen else 0,
        steps=steps,
    )
    inputs: dict[str, Part | list[Part]] = {
        "backbone": work.backbone(),
        "human": list(taught.human),
        "pseudo": list(taught.pseudo),
        "encoded": [work.tokens(role) for role in taught.roles],
        "left_out": list(taught.left_out),
    }
    if start is not None:
        inputs["start"] = start
    if unseen:
        inputs["units"] = work.heads.get(keys.SPLITS).part("units.parquet")
    caches: Caches = {"states": [work.states(role) for role in taught.roles]}
    # The first member is what the model would be without others, and is stored as that.
    stored_as = key if member == 0 else keys.member_of(key, member)
    return work.make(stored_as, "train_reward_model", spec, inputs, caches, stands_for)


def put_together(work: Evolution, key: str, members: Sequence[Artifact]) -> Artifact:
    """The ensemble `key` of these members."""
    inputs: Inputs = {
        "members": [member.part("rm") for member in members],
        "summaries": [member.part("summary.json") for member in members],
    }
    return work.make(key, "ensemble", EnsembleSpec(), inputs)


def shown_reward_model(work: Evolution, key: str, model: Artifact, heldout: Artifact) -> dg.MaterializeResult:
    """The reward model `key` as Dagster's result, with what it gained over the seed, unless it is the seed."""
    found = None if key == keys.SEED_RM else gain_over_seed(work, heldout)
    said, shown = summaries.of_reward_model(model, heldout, found), pictures.of_reward_model(work, key, model, heldout)
    return materialized(work, model, said, shown, **measured(heldout), **(gained(found) if found else {}))


def seed_training(work: Evolution, more_labels: int = 0) -> TrainingSet:
    """What the seed RM learns from, for as long as so many `more_labels` ask."""
    labels = work.heads.get(keys.ENCODED_PAIRS).summary["seed"] + more_labels
    return TrainingSet([work.pairs("seed")], ["seed"], work.settings.reward_model.epochs_on(labels))


def member_seed(random_seed: int, member: int) -> int:
    """The random seed of a member; the first one's is that of the evolution."""
    return random_seed if member == 0 else int(keyed_hash("member", str(random_seed), str(member))[:7], 16)


@dg.asset(
    group_name="reward_models",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.SPLITS],
    kinds={"huggingface"},
)
def backbone(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """The pretrained model; with the setting `sft` fine-tuned on the preferred seed responses."""
    work = ser.evolution(context)
    settings = work.settings
    if not settings.sft:
        model = work.pretrained()
        return passed_through(work, model, summaries.of_backbone(settings.backbone.model, model.path))
    spec = SftSpec(
        training=settings.reward_model.training,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        epochs=settings.reward_model.seed_epochs,
        random_seed=settings.random_seed,
    )
    inputs: Inputs = {"backbone": work.pretrained(), "seed": work.heads.get(keys.SPLITS).part("seed.parquet")}
    tuned = work.make(keys.BACKBONE, "sft", spec, inputs)
    said = summaries.of_backbone(settings.backbone.model, tuned.part("model").path, tuned)
    return materialized(work, tuned, said)


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
    model, heldout = train_and_measure(work, keys.SEED_RM, seed_training(work))
    return shown_reward_model(work, keys.SEED_RM, model, heldout)
