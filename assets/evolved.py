"""The promoted reward model: the fan-in of the seed RM and every loop."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets import pictures, summaries
from assets.fan_in import fan_in
from assets.results import described, gain_over_seed
from assets.ser_resource import SerResource
from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.evolution import Evolution
from ser.specs import HandPromotion
from ser.stages.promote import PromoteSpec

# The only way for an op to state a data version; the versions of Dagster are pinned, so its beta is no surprise.
warnings.filterwarnings("ignore", "Parameter `data_version`", dg.BetaWarning)


def choose_promoted(work: Evolution) -> Artifact:
    """Choose among the evolution's models and let `evolved_rm` stand for the choice."""
    loops = work.trained_loops()
    models = [keys.model_of(loop) for loop in loops]
    versions = [work.heads.get(key).version for key in models]
    spec = PromoteSpec(
        loops=loops,
        rm_versions=versions,
        rule=work.settings.promotion,
        seed=work.seed_data(),
        anyway=work.settings.anyway,
        by_hand=_by_hand(work, dict(zip(loops, versions, strict=True))),
    )
    heldout = [work.heads.get(keys.heldout_of(key)).part("heldout.parquet") for key in models]
    calibration = work.pairs("calibration")
    return work.make(keys.EVOLVED_RM, "promote", spec, {"heldout": heldout, "calibration": calibration})


def _by_hand(work: Evolution, versions: Mapping[int, str]) -> HandPromotion | None:
    """A person's decision, if it is about one of these models."""
    decision = work.heads.promoted_by_hand()
    if decision is None or versions.get(decision.loop) == decision.rm_version:
        return decision
    work.progress(keys.EVOLVED_RM).warn(
        f"{decision.by} promoted loop {decision.loop} by hand, whose reward model was {decision.rm_version} and has "
        "been made anew since: the rule decides. To promote it again: ser promote."
    )
    return None


@dg.op(ins={"reward_models": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing, is_required=False))
def promote(context: dg.OpExecutionContext, ser: SerResource):
    """Compare the seed RM and every loop's RM on the calibration pairs; nothing while loops are left to be run."""
    work = ser.evolution(context)
    if not work.is_ended():
        context.log.info(f"nothing is promoted after loop {work.until} of {work.settings.loops}")
        return
    artifact = choose_promoted(work)
    yield dg.Output(None, metadata=described_promotion(work, artifact), data_version=dg.DataVersion(artifact.version))


def described_promotion(work: Evolution, promotion: Artifact) -> dict[str, Any]:
    """The metadata of the promoted model: the verdict, what each loop gained over the seed, and the decisive gain."""
    gains = {
        loop: gain_over_seed(work, work.heads.get(keys.heldout_of(keys.model_of(loop))))
        for loop in work.trained_loops()[1:]
    }
    said = summaries.of_promotion(promotion, work.settings.promotion.statistic)
    shown = pictures.of_gains(gains, promotion.summary["promoted_loop"])
    return described(work, promotion, said, shown, **_gain(promotion))


def _gain(promotion: Artifact) -> dict[str, float]:
    """What the last loop gains over the seed on calibration pairs, where a loop was run, as plottable numbers."""
    found: dict[str, float] = promotion.summary.get("gain") or {}
    names = {"gain": "value", "gain_low": "low", "gain_high": "high"}
    return {name: found[key] for name, key in names.items() if found}


def evolved_rm(loops: int) -> dg.AssetsDefinition:
    """The asset `evolved_rm` over `loops` loops."""
    return fan_in(
        promote,
        [keys.model_of(k) for k in range(loops + 1)],
        name=keys.EVOLVED_RM,
        description="The promoted reward model, chosen on calibration pairs.",
        group="reward_models",
        kinds={"json"},
    )
