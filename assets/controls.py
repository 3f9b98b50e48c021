"""Controls: the evolution's recipe with one stated change each, for comparison; and the judge. They may read the vault.

Nothing that the method makes is made from a control, and none is ever promoted. What a control trains on is said here
and nowhere else: no setting can name the vault.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import dagster as dg

from assets import summaries
from assets.links import code_of
from assets.loops import learnt_in, starts_of, training_set
from assets.results import materialized
from assets.reward_models import put_together, seed_training, shown_reward_model, train_and_measure, train_member
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Artifact, Caches, Inputs
from resources.evolution import Evolution
from resources.measuring import measure
from ser.stages.filter_pairs import FilterPairsSpec
from ser.stages.halve_seed import HalveSeedSpec
from ser.stages.report_status import ReportStatusSpec
from ser.stages.train_judge import TrainJudgeSpec
from ser.stages.true_labels import TrueLabelsSpec

JUDGE_SEED = 7919
"""Added to the run's random seed: the judge shares it with no model that it judges."""

Trained = tuple[Artifact, Artifact]
"""A reward model and its held-out measurement."""


def _control(
    *after: str, vault: bool = False, gate: bool = False, loop: bool = False
) -> Callable[[Callable[[Evolution], Trained | str]], dg.AssetsDefinition]:
    """Make an asset on demand of a function that trains a control, or says why there is none.

    Args:
        after: the keys of the assets that it waits for.
        vault: whether it needs human labels of the pool.
        gate: whether it needs loops that are run.
        loop: whether it needs one that has trained a reward model.
    """

    def define(train: Callable[[Evolution], Trained | str]) -> dg.AssetsDefinition:
        @dg.asset(
            name=train.__name__,
            description=train.__doc__,
            key_prefix="controls",
            group_name="on_demand_controls",
            partitions_def=SNAPSHOTS,
            pool=HEAVY_POOL,
            deps=[dg.AssetKey(key.split("/")) for key in after],
            output_required=False,
            kinds={"pytorch"},
            metadata=code_of(train),
        )
        def control(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
            work = ser.evolution(context)
            trained = _why_none(work, vault=vault, gate=gate, loop=loop) or train(work)
            if isinstance(trained, str):
                context.log.warning(f"controls/{train.__name__} is not trained: {trained}.")
                return
            yield shown_reward_model(work, f"controls/{train.__name__}", *trained)

        return control

    return define


def _why_none(work: Evolution, *, vault: bool, gate: bool, loop: bool) -> str | None:
    """Why there is no control that needs these; None if there can be."""
    if vault and work.heads.get(keys.VAULT).summary["vault"] == 0:
        return f"no human label of the pool of {work.snapshot} is known"
    if (gate or loop) and work.gate_is_closed():
        return f"no loop was run, because the seed RM is {work.gate().words}"
    if loop and work.trained_loops() == [0]:
        return "no loop has trained a reward model"
    return None


@_control(keys.SEED_RM, keys.VAULT, vault=True)
def full_label_rm(work: Evolution) -> Trained:
    """On demand, the seed with all labels of the vault: how good is a model of all human labels (the ceiling)?"""
    vault = work.heads.get(keys.VAULT)
    taught = replace(
        seed_training(work, more_labels=vault.summary["vault"]),
        human=[work.pairs("seed"), vault.part("vault.parquet")],
        roles=["seed", "pool"],
        left_out=[work.heads.get(keys.ENCODED_PAIRS).part("left_out.parquet")],
    )
    return train_and_measure(work, keys.FULL_LABEL_RM, taught)


@_control(keys.EVOLVED_RM, loop=True)
def more_steps_rm(work: Evolution) -> Trained:
    """On demand, the seed again, for as many steps as the last loop's model took in all: is it only longer training?"""
    loops = work.trained_loops() if work.settings.method.student == "continue" else work.trained_loops()[-1:]
    teachers = range(work.settings.method.teachers)
    steps = [sum(_steps(work, keys.model_of(loop), member) for loop in loops) for member in teachers]
    return train_and_measure(work, keys.MORE_STEPS_RM, seed_training(work), steps=steps)


def _steps(work: Evolution, model: str, member: int) -> int:
    """The steps of the optimiser that a member of a reward model took, on from wherever it started."""
    alone = work.settings.method.teachers == 1
    steps: int = work.heads.get(model if alone else keys.member_of(model, member)).summary["steps"]
    return steps


@_control(keys.self_labels(1), gate=True)
def naive_self_training_rm(work: Evolution) -> Trained | str:
    """On demand, the student of loop 1 on its labels of the whole pool, all of them kept: does selection matter?"""
    method, labels = work.settings.method, work.heads.get(keys.self_labels(1))
    if method.select == "all":
        return "the recipe keeps every pair, so that loop 1 is this control"
    seen = {"self_labels": labels.part("self_labels.parquet")}
    thresholds = work.settings.thresholds
    n_min = thresholds.sufficient(labels.summary["n_pool"])
    keep_all = ReportStatusSpec(loop=1, thresholds=thresholds, n_min=n_min, select="all")
    about = work.make(keys.NAIVE_STATUS, "report_status", keep_all, seen | {"summary": labels.part("summary.json")})
    rule = FilterPairsSpec(target=method.target)
    kept = work.make(keys.NAIVE_PAIRS, "filter_pairs", rule, seen | {"status": about.part("status.json")})
    return train_and_measure(work, keys.NAIVE_RM, training_set(work, [kept.part("kept.parquet")]), starts_of(work, 1))


@_control(keys.EVOLVED_RM, keys.VAULT, vault=True, loop=True)
def true_label_rm(work: Evolution) -> Trained | str:
    """On demand, the last loop's student on its pairs with the vault's labels: what would right labels have given?"""
    loop = work.trained_loops()[-1]
    inputs: Inputs = {"kept": learnt_in(work, loop), "vault": work.heads.get(keys.VAULT).part("vault.parquet")}
    labels = work.make(keys.TRUE_LABELS, "true_labels", TrueLabelsSpec(), inputs)
    if labels.summary["n_labelled"] == 0:
        return f"the vault has no label of the pairs that loop {loop} was trained on"
    taught = training_set(work, [labels.part("kept.parquet")])
    return train_and_measure(work, keys.TRUE_LABEL_RM, taught, starts_of(work, loop))


@_control(keys.EVOLVED_RM, loop=True)
def seed_ensemble_rm(work: Evolution) -> Trained:
    """On demand, the mean of as many seed RMs as the evolution trained models in all: is it only ensembling?"""
    key, members = keys.SEED_ENSEMBLE_RM, []
    for member in range(work.settings.method.teachers * len(work.trained_loops())):
        # Each is stored as a member of the seed, and is that for every recipe with more teachers, and for this control.
        stands_for = keys.member_of(key, member)
        members.append(train_member(work, keys.SEED_RM, member, seed_training(work), stands_for=stands_for))
    model = put_together(work, key, members)
    return model, measure(work, model)


@_control(keys.SEED_RM)
def half_seed_rm(work: Evolution) -> Trained | str:
    """On demand, the seed on half of its labels, whole groups of them: does the model still learn from more labels?"""
    halving = HalveSeedSpec(random_seed=work.settings.random_seed)
    halves = work.make(keys.SEED_HALVES, "halve_seed", halving, {"seed": work.pairs("seed")})
    if halves.summary["n_left_out"] == 0:
        return "whole groups make no half of the seed"
    left_out = [halves.part("left_out.parquet")]
    taught = replace(seed_training(work, more_labels=-halves.summary["n_left_out"]), left_out=left_out)
    return train_and_measure(work, keys.HALF_SEED_RM, taught)


@dg.asset(
    key_prefix="controls",
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.EVOLVED_RM],
    output_required=False,
    kinds={"pytorch"},
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
    numbers = {name: artifact.summary[name]["value"] for name in ("accuracy", "longer_wins")}
    yield materialized(work, artifact, summaries.of_judge(artifact), **numbers)
