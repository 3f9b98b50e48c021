"""One loop: self-label, status, filter, retrain. Loops are unrolled, because a loop cannot be a partition."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg

from assets import columns, examples, pictures, summaries
from assets.policies import train_policy
from assets.results import materialized
from assets.reward_models import TrainingSet, seed_training, shown_reward_model, train_and_measure
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Part
from resources.evolution import Evolution
from resources.reuse import earlier_rewards
from ser.stages.filter_pairs import FilterPairsSpec
from ser.stages.label import LabelSpec
from ser.stages.report_status import ReportStatusSpec

PROMISE = ("promised", "precision", "precision_low")
"""Of a cut that keeps a promise: what is shown in the UI beside the thresholds."""


def kept_before(work: Evolution, loop: int) -> list[Part]:
    """The tables of pairs that the loops before `loop` kept."""
    return [work.heads.get(keys.filtered_pairs(k)).part("kept.parquet") for k in range(1, loop)]


def training_set(work: Evolution, pseudo: list[Part]) -> TrainingSet:
    """What a student learns from: the seed, and these tables of selected pairs."""
    taught = replace(seed_training(work), roles=["seed", "pool"], pseudo=pseudo)
    epochs = work.settings.method.student_epochs
    return replace(taught, as_on_human=True) if epochs is None else replace(taught, epochs=epochs)


def learnt_in(work: Evolution, loop: int) -> list[Part]:
    """The tables of selected pairs that the student of `loop` learns from."""
    kept = kept_before(work, loop + 1)
    return kept if work.settings.method.replay == "all" else kept[-1:]


def starts_of(work: Evolution, loop: int) -> list[Part]:
    """The models that the students of `loop` are trained on from; none where they start from the backbone."""
    goes_on = work.settings.method.student == "continue"
    return work.members(work.heads.get(keys.model_of(loop - 1))) if goes_on else []


def loop_assets(k: int) -> list[dg.AssetsDefinition]:
    """The assets of loop `k`."""
    return [_self_labels(k), _status_report(k), _filtered_pairs(k), _retrained_rm(k), _ppo_policy(k)]


def _options(k: int, name: str, after: str, pool: str | None = None) -> dict[str, Any]:
    """What the decorators of loop `k` have in common; `after` is the key of the asset that this one waits for."""
    return {
        "key": dg.AssetKey([f"loop_{k}", name]),
        "deps": [dg.AssetKey(after.split("/"))],
        "group_name": f"loop_{k}",
        "partitions_def": SNAPSHOTS,
        "pool": pool,
    }


def _self_labels(k: int) -> dg.AssetsDefinition:
    before = keys.model_of(k - 1)
    options = _options(k, "self_labels", before, HEAVY_POOL)

    @dg.asset(**options, output_required=False, kinds={"pytorch", "parquet"}, metadata=columns.SELF_LABELS)
    def self_labels(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
        """The pool, labelled by the model of the loop before; nothing behind a closed gate or the last loop."""
        work = ser.evolution(context)
        if k > work.until:
            context.log.info(f"loop {k} is not run: this execution stops after loop {work.until}")
            return
        if work.gate_is_closed():
            context.log.info(work.why_skipped("loop is run"))
            return
        method, heldout = work.settings.method, work.heads.get(keys.heldout_of(before))
        sure = work.heads.get(keys.heldout_of(keys.SEED_RM)) if method.temperature == "seed" else heldout
        inputs: dict[str, Part | list[Part]] = {
            "backbone": work.backbone(),
            "reward_model": work.heads.get(before).part("rm"),
            "heldout": sure.part("temperature.json"),
            "scales": heldout.part("temperature.json"),
            "encoded": work.tokens("pool"),
            "kept": kept_before(work, k) if method.pool == "shrinks" else [],
        }
        unseen = method.label_with == "unseen" and k > 1  # the seed's members have seen no label of the pool
        if unseen:
            inputs["units"] = work.heads.get(keys.SPLITS).part("units.parquet")
        spec, key = LabelSpec(arithmetic=work.arithmetic), keys.self_labels(k)
        earlier = earlier_rewards(work.store, key, spec, inputs)
        artifact = work.make(key, "label", spec, inputs, {"states": work.states("pool"), "earlier": earlier})
        flipped = summaries.count_flipped(artifact, work.heads.get(keys.self_labels(k - 1))) if k > 1 else None
        said, shown = summaries.of_self_labels(artifact, flipped), pictures.of_labels(work, artifact)
        yield materialized(work, artifact, said, shown, **({} if flipped is None else {"flipped": flipped}))

    return self_labels


def _status_report(k: int) -> dg.AssetsDefinition:
    options = _options(k, "status_report", keys.self_labels(k))

    @dg.asset(**options, kinds={"json"})
    def status_report(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The learning status of the whole pool."""
        work = ser.evolution(context)
        first_pool = work.heads.get(keys.self_labels(1)).summary["n_pool"]
        thresholds, method = work.settings.thresholds, work.settings.method
        spec = ReportStatusSpec(
            loop=k,
            thresholds=thresholds,
            n_min=thresholds.sufficient(first_pool),
            select=method.select,
            min_precision=method.min_precision,
        )
        made = work.heads.get(keys.self_labels(k))
        inputs: dict[str, Part | list[Part]] = {
            "self_labels": made.part("self_labels.parquet"),
            "summary": made.part("summary.json"),
        }
        if method.select == "calibrated":
            inputs |= _calibration_inputs(work, k)
        artifact = work.make(keys.status_report(k), "report_status", spec, inputs)
        promise = {name: value for name, value in (artifact.summary["precision"] or {}).items() if name in PROMISE}
        return materialized(work, artifact, summaries.of_status(artifact), **artifact.summary["thresholds"], **promise)

    return status_report


def _calibration_inputs(work: Evolution, k: int) -> dict[str, Part | list[Part]]:
    """How the model that labelled the pool of loop `k` ranks the calibration pairs, and how the seed RM does."""
    scored = work.heads.get(keys.heldout_of(keys.model_of(k - 1)))
    unseen = work.settings.method.label_with == "unseen" and k > 1
    return {
        "calibration": work.pairs("calibration"),
        "alike": scored.part("alike_unseen.parquet" if unseen else "alike.parquet"),
        "seed": work.heads.get(keys.heldout_of(keys.SEED_RM)).part("heldout.parquet"),
    }


def _filtered_pairs(k: int) -> dg.AssetsDefinition:
    options = _options(k, "filtered_pairs", keys.status_report(k))

    @dg.asset(**options, output_required=False, kinds={"parquet"}, metadata=columns.FILTERED)
    def filtered_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
        """The pairs that meet the rule of the status; nothing when converged, and all after it is skipped."""
        work = ser.evolution(context)
        status = work.heads.get(keys.status_report(k))
        if status.summary["ends"]:
            context.log.info(f"loop {k} has converged, no retraining: {status.summary['why']}")
            return
        made = work.heads.get(keys.self_labels(k))
        method = work.settings.method
        inputs: dict[str, Part | list[Part]] = {
            "self_labels": made.part("self_labels.parquet"),
            "status": status.part("status.json"),
        }
        spec = FilterPairsSpec(target=method.target)
        artifact = work.make(keys.filtered_pairs(k), "filter_pairs", spec, inputs)
        shown = examples.decided(work.heads.get(keys.ENCODED_PAIRS), made, artifact)
        yield materialized(work, artifact, summaries.of_filtered(artifact), shown)

    return filtered_pairs


def _retrained_rm(k: int) -> dg.AssetsDefinition:
    options = _options(k, "retrained_rm", keys.filtered_pairs(k), HEAVY_POOL)

    @dg.asset(**options, kinds={"pytorch"})
    def retrained_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The reward model, trained with the seed and what was kept, on from the loop before or afresh."""
        work = ser.evolution(context)
        taught = training_set(work, learnt_in(work, k))
        model, heldout = train_and_measure(work, keys.model_of(k), taught, starts_of(work, k))
        return shown_reward_model(work, keys.model_of(k), model, heldout)

    return retrained_rm


def _ppo_policy(k: int) -> dg.AssetsDefinition:
    options = _options(k, "ppo_policy", keys.model_of(k), HEAVY_POOL) | {"group_name": "on_demand_policies"}

    @dg.asset(**options, kinds={"pytorch"})
    def ppo_policy(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """On demand: the policy under this loop's reward model."""
        work = ser.evolution(context)
        work.require_model(k)
        return train_policy(work, keys.policy_of(k), keys.model_of(k))

    return ppo_policy
