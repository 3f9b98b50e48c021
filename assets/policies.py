"""The policy: trained with PPO against a reward model, and compared with its base model."""

from collections.abc import Iterator

import dagster as dg

from assets import pictures, summaries
from assets.results import materialized
from assets.ser_resource import HEAVY_POOL, SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.artifacts import Inputs
from resources.evolution import Evolution
from ser.stages.base_responses import RESPONSES_NAME, BaseResponsesSpec
from ser.stages.evaluate_policy import EvaluatePolicySpec
from ser.stages.ppo import PpoSpec


def train_policy(work: Evolution, key: str, model_key: str) -> dg.MaterializeResult:
    """Train the policy `key` against the reward model that `model_key` stands for."""
    settings, heldout = work.settings, work.heads.get(keys.heldout_of(model_key)).summary
    spec = PpoSpec(
        ppo=settings.ppo,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        random_seed=settings.random_seed,
        reward_offset=heldout["reward_offset"],
        scales=heldout["members"],
    )
    inputs: Inputs = {
        "backbone": work.backbone(),
        "reward_model": work.heads.get(model_key).part("rm"),
        "prompts": [work.pairs("seed"), work.pairs("pool")],
    }
    policy = work.make(key, "ppo", spec, inputs)
    return materialized(work, policy, summaries.of_policy(policy), pictures.of_policy(policy))


@dg.asset(
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[keys.EVOLVED_RM],
    kinds={"pytorch"},
    output_required=False,
)
def ppo_policy(context: dg.AssetExecutionContext, ser: SerResource) -> Iterator[dg.MaterializeResult]:
    """The policy under the promoted reward model; nothing when the gate is closed."""
    work = ser.evolution(context)
    if work.gate_is_closed():
        context.log.info(work.why_skipped("policy is trained"))
        return
    yield train_policy(work, keys.PPO_POLICY, work.promoted_model().key)


@dg.asset(
    group_name="policy",
    partitions_def=SNAPSHOTS,
    pool=HEAVY_POOL,
    deps=[ppo_policy, dg.AssetKey(keys.JUDGE_RM.split("/"))],
    kinds={"parquet"},
)
def policy_evaluation(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """Wins, ties and losses of the policy against its base model on test prompts, by the judge."""
    work = ser.evolution(context)
    settings, model = work.settings, work.promoted_model()
    heldout = work.heads.get(keys.heldout_of(model.key)).summary
    spec = EvaluatePolicySpec(
        judging=settings.judging,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        response_tokens=settings.ppo.response_tokens,
        random_seed=settings.random_seed,
        reward_offset=heldout["reward_offset"],
        scales=heldout["members"],
    )
    of_base = BaseResponsesSpec(
        prompts=settings.judging.prompts,
        encoding=settings.encoding,
        arithmetic=work.arithmetic,
        response_tokens=settings.ppo.response_tokens,
        random_seed=settings.random_seed,
    )
    asked: Inputs = {"backbone": work.backbone(), "test": work.pairs("test")}
    base = work.make(keys.BASE_RESPONSES, "base_responses", of_base, asked)
    inputs: Inputs = {
        "backbone": work.backbone(),
        "base_responses": base.part(RESPONSES_NAME),
        "policy": work.heads.get(keys.PPO_POLICY).part("policy"),
        "reward_model": model.part("rm"),
        "test": work.pairs("test"),
        "judge": work.heads.get(keys.JUDGE_RM).whole(),
    }
    artifact = work.make(keys.POLICY_EVALUATION, "evaluate_policy", spec, inputs)
    rate, judge = artifact.summary["win_rate"], artifact.summary["judge"]
    ends = {"win_rate_low": rate["ci_low"], "win_rate_high": rate["ci_high"]}
    numbers = {"win_rate": rate["value"], **ends, "judge_accuracy": judge["accuracy"]["value"]}
    return materialized(work, artifact, summaries.of_judgement(artifact), **numbers)
