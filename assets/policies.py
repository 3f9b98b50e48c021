"""The policy: trained with PPO against a reward model, and compared with its base model."""

from collections.abc import Iterator

import dagster as dg

from assets.evolved import promoted_model
from assets.gate import is_closed, why_skipped
from assets.results import materialized
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources.artifacts import Inputs
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.stages.evaluate_policy import EvaluatePolicySpec
from ser.stages.ppo import PpoSpec


def train_policy(work: Workshop, key: str, model_key: str) -> dg.MaterializeResult:
    """Train the policy `key` against the reward model that `model_key` stands for."""
    settings = work.settings
    spec = PpoSpec(
        ppo=settings.ppo,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        random_seed=settings.random_seed,
        reward_offset=work.heads.get(f"{model_key}.heldout").summary["reward_offset"],
    )
    inputs: Inputs = {
        "backbone": work.backbone(),
        "reward_model": work.heads.get(model_key).part("rm"),
        "prompts": [work.pairs("seed"), work.pairs("pool")],
    }
    return materialized(work.make(key, "ppo", spec, inputs))


@dg.asset(
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=["evolved_rm"],
    code_version=code_version("ser.stages.ppo"),
    kinds={"pytorch"},
    output_required=False,
)
def ppo_policy(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
    """The policy under the promoted reward model; nothing when the gate is closed."""
    work = ser.workshop(context)
    if is_closed(work):
        context.log.info(why_skipped(work, "policy is trained"))
        return
    yield train_policy(work, "ppo_policy", promoted_model(work).key)


@dg.asset(
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[ppo_policy, dg.AssetKey(["controls", "judge_rm"])],
    code_version=code_version("ser.stages.evaluate_policy"),
)
def policy_evaluation(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """Wins, ties and losses of the policy against its base model on test prompts, by the judge."""
    work = ser.workshop(context)
    settings, model = work.settings, promoted_model(work)
    spec = EvaluatePolicySpec(
        judging=settings.judging,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        response_tokens=settings.ppo.response_tokens,
        random_seed=settings.random_seed,
        reward_offset=work.heads.get(f"{model.key}.heldout").summary["reward_offset"],
    )
    inputs: Inputs = {
        "backbone": work.backbone(),
        "policy": work.heads.get("ppo_policy").part("policy"),
        "reward_model": model.part("rm"),
        "test": work.pairs("test"),
        "judge": work.heads.get("controls/judge_rm").whole(),
    }
    artifact = work.make("policy_evaluation", "evaluate_policy", spec, inputs)
    rate = artifact.summary["win_rate"]
    return materialized(
        artifact,
        {
            "win_rate": rate["value"],
            "win_rate_interval": f"{rate['value']:.1%} (95 % interval {rate['ci_low']:.1%} to {rate['ci_high']:.1%})",
            "judge_accuracy": artifact.summary["judge"]["accuracy"]["value"],
        },
    )
