"""One loop: self-label, status, filter, retrain. Loops are unrolled, because a loop cannot be a partition."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.evolved import require_model
from assets.gate import is_closed, why_skipped
from assets.policies import train_policy
from assets.results import examples, materialized, measured, picture
from assets.reward_models import TRAINING, trained
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Artifact, Inputs, Part
from resources.audit.record import model_of
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.stages.filter_pairs import FilterPairsSpec
from ser.stages.label import LabelSpec
from ser.stages.report_status import ReportStatusSpec


def kept_before(work: Workshop, loop: int) -> list[Part]:
    """The tables of pairs that the loops before `loop` kept."""
    return [work.heads.get(f"loop_{k}/filtered_pairs").part("kept.parquet") for k in range(1, loop)]


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
    before = model_of(k - 1)
    options = _options(k, "self_labels", before, HEAVY_POOL)

    @dg.asset(**options, code_version=code_version("ser.stages.label"), output_required=False)
    def self_labels(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
        """The pool, labelled by the reward model of the loop before; nothing behind a closed gate."""
        work = ser.workshop(context)
        if is_closed(work):
            context.log.info(why_skipped(work, "loop is run"))
            return
        heldout = work.heads.get(f"{before}.heldout")
        inputs: Inputs = {
            "backbone": work.backbone(),
            "reward_model": work.heads.get(before).part("rm"),
            "heldout": heldout.part("temperature.json"),
            "encoded": work.tokens("pool"),
            "kept": kept_before(work, k),
        }
        spec, caches = LabelSpec(arithmetic=work.arithmetic), {"states": work.states("pool")}
        artifact = work.make(f"loop_{k}/self_labels", "label", spec, inputs, caches)
        yield materialized(artifact, _pictures(work, artifact))

    return self_labels


def _status_report(k: int) -> dg.AssetsDefinition:
    options = _options(k, "status_report", f"loop_{k}/self_labels")

    @dg.asset(**options, code_version=code_version("ser.stages.report_status"))
    def status_report(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The learning status of the whole pool."""
        work = ser.workshop(context)
        first_pool = work.heads.get("loop_1/self_labels").summary["n_pool"]
        thresholds = work.settings.thresholds
        spec = ReportStatusSpec(loop=k, thresholds=thresholds, n_min=thresholds.sufficient(first_pool))
        made = work.heads.get(f"loop_{k}/self_labels")
        inputs: Inputs = {
            "self_labels": made.part("self_labels.parquet"),
            "summary": made.part("summary.json"),
        }
        artifact = work.make(f"loop_{k}/status_report", "report_status", spec, inputs)
        return materialized(artifact, artifact.summary["thresholds"])

    return status_report


def _filtered_pairs(k: int) -> dg.AssetsDefinition:
    options = _options(k, "filtered_pairs", f"loop_{k}/status_report")

    @dg.asset(**options, code_version=code_version("ser.stages.filter_pairs"), output_required=False)
    def filtered_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
        """The pairs that meet the rule of the status; nothing when converged, and all after it is skipped."""
        work = ser.workshop(context)
        status = work.heads.get(f"loop_{k}/status_report")
        if status.summary["status"] == "converged":
            context.log.info(f"loop {k} has converged: no retraining")
            return
        made = work.heads.get(f"loop_{k}/self_labels")
        inputs: Inputs = {
            "self_labels": made.part("self_labels.parquet"),
            "status": status.part("status.json"),
        }
        spec = FilterPairsSpec(thresholds=work.settings.thresholds)
        artifact = work.make(f"loop_{k}/filtered_pairs", "filter_pairs", spec, inputs)
        yield materialized(artifact, examples(work.heads.get("encoded_pairs"), made, artifact))

    return filtered_pairs


def _retrained_rm(k: int) -> dg.AssetsDefinition:
    options = _options(k, "retrained_rm", f"loop_{k}/filtered_pairs", HEAVY_POOL)

    @dg.asset(**options, code_version=TRAINING, kinds={"pytorch"})
    def retrained_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The reward model, trained on from the loop before with the seed and everything kept so far."""
        work = ser.workshop(context)
        model, heldout = trained(
            work,
            f"loop_{k}/retrained_rm",
            human=[work.pairs("seed")],
            pseudo=kept_before(work, k + 1),
            roles=["seed", "pool"],
            epochs=work.settings.reward_model.loop_epochs,
            start=work.heads.get(model_of(k - 1)).part("rm"),
        )
        return materialized(model, measured(heldout))

    return retrained_rm


def _ppo_policy(k: int) -> dg.AssetsDefinition:
    options = _options(k, "ppo_policy", f"loop_{k}/retrained_rm", HEAVY_POOL)

    @dg.asset(**options, code_version=code_version("ser.stages.ppo"), kinds={"pytorch"})
    def ppo_policy(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """On demand: the policy under this loop's reward model."""
        work = ser.workshop(context)
        require_model(work, k)
        return train_policy(work, f"loop_{k}/ppo_policy", f"loop_{k}/retrained_rm")

    return ppo_policy


def _pictures(work: Workshop, artifact: Artifact) -> dict[str, dg.MetadataValue]:
    table, limits = artifact.path / "self_labels.parquet", work.settings.thresholds
    return {
        "histogram_p": picture(
            table,
            "unnest([p_a, p_b])",
            "p of every response",
            "p = sigmoid(centred reward)",
            "responses",
            {"tau_low": limits.tau_low, "tau_high": limits.tau_high},
        ),
        "histogram_margin": picture(table, "reward_a - reward_b", "margins", "reward_a - reward_b", "pairs"),
    }
