"""One loop: self-label, status, filter, retrain. Loops are unrolled, because a loop cannot be a partition."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.policies import train_policy
from assets.results import examples, materialized, measured, picture
from assets.reward_models import TRAINING, require_better_than_chance, trained
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Artifact, Inputs, Part
from resources.audit.record import model_of
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.stages.specs import FilterPairsSpec, LabelSpec, ReportStatusSpec


def kept_before(work: Workshop, loop: int) -> list[Part]:
    """The tables of pairs that the loops before `loop` kept."""
    return [work.heads.get(f"loop_{k}/filtered_pairs").part("kept.parquet") for k in range(1, loop)]


def loop_assets(k: int) -> list[dg.AssetsDefinition]:
    """The assets of loop `k`."""
    prefix = f"loop_{k}"
    model_key = model_of(k - 1)

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey([prefix, name])

    def labels(work: Workshop) -> Artifact:
        return work.heads.get(f"{prefix}/self_labels")

    common: dict[str, Any] = {"group_name": prefix, "partitions_def": SNAPSHOTS}
    heavy: dict[str, Any] = common | {"pool": HEAVY_POOL}

    @dg.asset(
        key=key("self_labels"),
        deps=[dg.AssetKey(model_key.split("/"))],
        code_version=code_version("ser.stages.label"),
        **heavy,
    )
    def self_labels(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The pool, labelled by the reward model of the loop before."""
        work = ser.workshop(context)
        heldout = work.heads.get(f"{model_key}.heldout")
        if k == 1:
            require_better_than_chance(heldout)
        inputs: Inputs = {
            "backbone": work.backbone(),
            "reward_model": work.heads.get(model_key).part("rm"),
            "heldout": heldout.part("summary.json"),
            "states": work.trunk("pool"),
            "kept": kept_before(work, k),
        }
        artifact = work.make(f"{prefix}/self_labels", "label", LabelSpec(compute=work.compute), inputs)
        return materialized(artifact, _pictures(work, artifact))

    @dg.asset(
        key=key("status_report"),
        deps=[self_labels],
        code_version=code_version("ser.stages.report_status"),
        **common,
    )
    def status_report(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The learning status of the whole pool."""
        work = ser.workshop(context)
        first_pool = work.heads.get("loop_1/self_labels").summary["n_pool"]
        thresholds = work.settings.thresholds
        spec = ReportStatusSpec(loop=k, thresholds=thresholds, n_min=thresholds.sufficient(first_pool))
        made = labels(work)
        inputs: Inputs = {
            "self_labels": made.part("self_labels.parquet"),
            "summary": made.part("summary.json"),
        }
        artifact = work.make(f"{prefix}/status_report", "report_status", spec, inputs)
        return materialized(artifact, artifact.summary["thresholds"])

    @dg.asset(
        key=key("filtered_pairs"),
        deps=[status_report],
        code_version=code_version("ser.stages.filter_pairs"),
        output_required=False,
        **common,
    )
    def filtered_pairs(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
        """The pairs that meet the rule of the status; nothing when converged, and all after it is skipped."""
        work = ser.workshop(context)
        status = work.heads.get(f"{prefix}/status_report")
        if status.summary["status"] == "converged":
            context.log.info(f"loop {k} has converged: no retraining")
            return
        made = labels(work)
        inputs: Inputs = {
            "self_labels": made.part("self_labels.parquet"),
            "status": status.part("status.json"),
        }
        spec = FilterPairsSpec(thresholds=work.settings.thresholds)
        artifact = work.make(f"{prefix}/filtered_pairs", "filter_pairs", spec, inputs)
        yield materialized(artifact, examples(work.heads.get("splits"), made, artifact))

    @dg.asset(key=key("retrained_rm"), deps=[filtered_pairs], code_version=TRAINING, kinds={"pytorch"}, **heavy)
    def retrained_rm(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """The reward model, trained on from the loop before with the seed and everything kept so far."""
        work = ser.workshop(context)
        model, heldout = trained(
            work,
            f"{prefix}/retrained_rm",
            human=[work.heads.get("splits").part("seed.parquet")],
            pseudo=kept_before(work, k + 1),
            states=[work.trunk("seed"), work.trunk("pool")],
            epochs=work.settings.reward_model.loop_epochs,
            start=work.heads.get(model_key).part("rm"),
        )
        return materialized(model, measured(heldout))

    @dg.asset(
        key=key("ppo_policy"),
        deps=[retrained_rm],
        code_version=code_version("ser.stages.ppo"),
        kinds={"pytorch"},
        **heavy,
    )
    def ppo_policy(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
        """On demand: the policy under this loop's reward model."""
        work = ser.workshop(context)
        return train_policy(work, f"{prefix}/ppo_policy", f"{prefix}/retrained_rm")

    return [self_labels, status_report, filtered_pairs, retrained_rm, ppo_policy]


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
