"""Stage: train a policy with PPO against a reward model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.errors import SerError
from ser.ppo.prompts import Prompt, draw_prompts, encode, schedule
from ser.progress import Progress
from ser.specs import HERE, Encoding, Execution, ModelSpec, Ppo, Scale
from ser.stages.job import Inputs, Summary


class PpoSpec(ModelSpec):
    """What a policy depends on besides the backbone, the reward model and the prompts.

    The score of a response is sigmoid(reward - reward_offset); `scales` are those of an ensemble's members.
    """

    ppo: Ppo
    encoding: Encoding
    random_seed: int
    reward_offset: float
    scales: Sequence[Scale] = ()


class PpoInputs(Inputs):
    """Model folder, reward model, and tables with pair_id and prompt."""

    backbone: Path
    reward_model: Path
    prompts: list[Path]


class PpoSummary(Summary):
    """The last rollout beside the first, which the untrained policy sampled."""

    episodes: int
    rollouts: int
    prompts: int
    first_mean_reward: float
    mean_reward: float
    first_mean_score: float
    mean_score: float
    kl: float
    kl_weight: float
    ratio_error: float
    """The largest of all rollouts."""
    mean_length: float
    finished: float
    prompts_cut: int
    tokens_cut: int


METRICS = pa.schema(
    [("step", pa.int64()), ("episodes", pa.int64())]
    + [
        (name, pa.float64())
        for name in (
            "mean_reward",
            "mean_score",
            "mean_kl",
            "kl_weight",
            "policy_loss",
            "value_loss",
            "entropy",
            "clip_fraction",
            "ratio_error",
            "mean_length",
            "finished",
        )
    ]
)
SAMPLES = pa.schema(
    [("prompt", pa.string()), ("response", pa.string()), ("reward", pa.float64()), ("step", pa.int64())]
)


def run(spec: PpoSpec, inputs: PpoInputs, out: Path, progress: Progress, execution: Execution = HERE) -> PpoSummary:
    """Write `policy/` (a PEFT folder), `value_head.safetensors`, `metrics.parquet` and `samples.parquet`.

    Each prompt is answered once, in a seeded order, before any is answered again.
    """
    from ser.models.tokenizer import load_tokenizer
    from ser.ppo.policy import Policy
    from ser.ppo.rollout import Episode, sigmoid_score
    from ser.ppo.trainer import Trainer

    tokenizer = load_tokenizer(inputs.backbone)
    prompts, total = draw_prompts(inputs.prompts, spec.ppo.episodes, spec.random_seed)
    if not prompts:
        raise SerError("there are no prompts to train a policy on. Land pairs that are not all for testing.")
    chosen = schedule(prompts, spec.ppo.episodes, spec.random_seed)
    policy = Policy.new(
        inputs.backbone,
        inputs.reward_model,
        spec.ppo.lora,
        spec.arithmetic,
        spec.random_seed,
        spec.ppo.temperature,
        spec.scales,
    )
    trainer = Trainer(
        policy,
        spec.ppo,
        end_token=tokenizer.eos_token_id,
        random_seed=spec.random_seed,
        score=sigmoid_score(spec.reward_offset),
        batch_tokens=execution.batch_tokens,
    )
    encoded = _encoded(spec, tokenizer, chosen)
    episodes = [Episode(number, one.pair_id, encoded[one.pair_id][0]) for number, one in enumerate(chosen)]
    trainer.run(episodes, out, progress)
    policy.save(out)
    tables.write(out / "metrics.parquet", METRICS, trainer.metrics)
    tables.write(out / "samples.parquet", SAMPLES, _readable(trainer.samples, chosen, tokenizer))
    cut = [tokens for _, tokens in encoded.values() if tokens]
    return PpoSummary(**_summary(trainer.metrics, total), prompts_cut=len(cut), tokens_cut=sum(cut))


def _encoded(spec: PpoSpec, tokenizer: Any, chosen: list[Prompt]) -> dict[str, tuple[list[int], int]]:
    """The tokens of each prompt, and how many were cut, by its identity."""
    texts = {prompt.pair_id: prompt.text for prompt in chosen}
    sizes = spec.ppo.response_tokens, spec.encoding.max_length
    return {identity: encode(tokenizer, text, *sizes) for identity, text in texts.items()}


def _readable(samples: list[dict[str, Any]], chosen: list[Prompt], tokenizer: Any) -> list[dict[str, Any]]:
    return [
        {
            "prompt": chosen[sample["episode"]].text,
            "response": tokenizer.decode(sample["response"], skip_special_tokens=True),
            "reward": sample["reward"],
            "step": sample["step"],
        }
        for sample in samples
    ]


def _summary(metrics: list[dict[str, Any]], prompts: int) -> dict[str, Any]:
    first, last = metrics[0], metrics[-1]
    return {
        "episodes": last["episodes"],
        "rollouts": len(metrics),
        "prompts": prompts,
        "first_mean_reward": first["mean_reward"],
        "mean_reward": last["mean_reward"],
        "first_mean_score": first["mean_score"],
        "mean_score": last["mean_score"],
        "kl": last["mean_kl"],
        "kl_weight": last["kl_weight"],
        "ratio_error": max(row["ratio_error"] for row in metrics),
        "mean_length": last["mean_length"],
        "finished": last["finished"],
    }
