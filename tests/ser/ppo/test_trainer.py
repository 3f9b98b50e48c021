from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ser.errors import SerError
from ser.models.token_budget import TokenBudget
from ser.ppo.policy import Policy
from ser.ppo.prompts import Prompt, encode, schedule
from ser.ppo.rollout import Episode, collect, sigmoid_score
from ser.ppo.sequences import Sequences
from ser.ppo.trainer import CHECKPOINT, TERMS, Trainer, loss_terms
from ser.progress import silent
from ser.scratch import scratch_path
from ser.specs import Arithmetic, Lora, Ppo

END = 2
SETTINGS = Ppo(
    lora=Lora(r=4, top=1.0), episodes=8, batch_size=4, minibatch_size=2, epochs=2, response_tokens=6,
    learning_rate=1e-2,
)  # fmt: skip


def episodes(count: int) -> list[Episode]:
    return [Episode(n, f"id{n % 3}", list(range(10 + n % 3, 15 + 3 * (n % 3)))) for n in range(count)]


def fresh(backbone: Path, reward_model: Path, settings: Ppo = SETTINGS, score=None, dtype="float32") -> Trainer:
    policy = Policy.new(backbone, reward_model, settings.lora, Arithmetic(dtype=dtype), 0, settings.temperature)
    score = score or sigmoid_score(0.0)
    return Trainer(policy, settings, end_token=END, random_seed=0, score=score)


def low_tokens(sequences: Sequences, rewards: torch.Tensor) -> torch.Tensor:
    """The share of a response's tokens whose id is below 130: about a quarter of the vocabulary."""
    good = ((sequences.tokens < 130) & sequences.mask).sum(1)
    return good / sequences.responses


def test_a_policy_learns_to_raise_a_known_score(tiny_backbone: Path, reward_model: Path, tmp_path: Path) -> None:
    # At temperature 1 the logits of the tiny random model are too small for any policy but a nearly uniform one.
    settings = SETTINGS.model_copy(
        update={"batch_size": 64, "minibatch_size": 32, "epochs": 4, "response_tokens": 8, "initial_kl": 0.0}
        | {"temperature": 0.1, "learning_rate": 1e-3}
    )
    trainer = fresh(tiny_backbone, reward_model, settings, low_tokens)
    trainer.run(episodes(64 * 14), tmp_path, silent)
    scores = [row["mean_score"] for row in trainer.metrics]
    assert sum(scores[-3:]) / 3 > scores[0] + 0.2, scores
    assert trainer.metrics[-1]["mean_kl"] > 1 > abs(trainer.metrics[0]["mean_kl"])


def test_training_changes_every_trainable_parameter_and_nothing_else(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path
) -> None:
    trainer = fresh(tiny_backbone, reward_model)
    before = {name: tensor.detach().clone() for name, tensor in trainer.policy.state_dict().items()}
    names = set(trainer.policy.trainable())
    trainer.run(episodes(8), tmp_path, silent)
    changed = {name for name, now in trainer.policy.state_dict().items() if not torch.equal(before[name], now)}
    assert changed == names


def test_rollout_rewards_are_a_kl_penalty_and_a_score_at_the_end(tiny_backbone: Path, reward_model: Path) -> None:
    settings = SETTINGS.model_copy(update={"lam": 1.0})
    policy = fresh(tiny_backbone, reward_model).policy
    torch.nn.init.normal_(next(p for name, p in policy.trainable().items() if "lora_B" in name), std=0.2)
    rollout = collect(
        policy,
        episodes(4),
        settings,
        step=0,
        kl_weight=0.5,
        end_token=END,
        random_seed=0,
        score=sigmoid_score(0.3),
        budget=TokenBudget(),
    )
    # With lambda and gamma 1 and values of 0 the first return is the sum of a response's rewards.
    expected = torch.sigmoid(rollout.rewards - 0.3) - 0.5 * rollout.kl
    torch.testing.assert_close(rollout.returns[:, 0], expected)
    assert rollout.kl.abs().max() > 0
    lengths = rollout.sequences.responses
    last = rollout.returns[torch.arange(4), lengths - 1]
    survey = policy.survey(rollout.sequences, rollout.sequences.parts(1024))
    kl = (rollout.logprobs - survey.reference)[torch.arange(4), lengths - 1]
    torch.testing.assert_close(last, rollout.scores - 0.5 * kl, atol=1e-5, rtol=0)


def test_parts_of_a_minibatch_add_up_to_the_whole(tiny_backbone: Path, reward_model: Path) -> None:
    policy = fresh(tiny_backbone, reward_model).policy
    rollout = collect(
        policy,
        episodes(4),
        SETTINGS,
        step=0,
        kl_weight=0.1,
        end_token=END,
        random_seed=0,
        score=sigmoid_score(0),
        budget=TokenBudget(),
    )
    whole = loss_terms(policy, rollout, SETTINGS)
    parts = [rollout.rows(rows) for rows in rollout.sequences.parts(20)]
    assert len(parts) > 1 and sum(len(part.sequences) for part in parts) == 4
    total = torch.stack([loss_terms(policy, part, SETTINGS) for part in parts]).sum(0)
    torch.testing.assert_close(total, whole, atol=1e-4, rtol=1e-4)


def test_without_memory_for_a_minibatch_it_goes_back_in_smaller_parts(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, parts = (fresh(tiny_backbone, reward_model) for _ in range(2))
    whole.run(episodes(8), tmp_path / "whole", silent)
    sizes: list[int] = []
    evaluate = parts.policy.evaluate

    def limited(sequences: Sequences, trunk: Any) -> Any:
        sizes.append(sequences.input_ids.numel())
        if len(sequences) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return evaluate(sequences, trunk)

    monkeypatch.setattr(parts.policy, "evaluate", limited)
    with pytest.warns(UserWarning, match="out of memory"), monkeypatch.context() as patch:
        patch.setattr("ser.models.token_budget._FEWEST", 4)
        parts.run(episodes(8), tmp_path / "parts", silent)
    assert len(sizes) > 20
    for one, other in zip(whole.metrics, parts.metrics, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_what_a_generation_left_behind_gives_way_first(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "tight").mkdir()
    whole, tight = (fresh(tiny_backbone, reward_model) for _ in range(2))
    whole.run(episodes(8), tmp_path / "whole", silent)
    survey, evaluate = tight.policy.survey, tight.policy.evaluate

    def unless_held(work: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*args: Any) -> Any:
            if tight.policy._decoder._rows:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return work(*args)

        return limited

    monkeypatch.setattr(tight.policy, "survey", unless_held(survey))
    monkeypatch.setattr(tight.policy, "evaluate", unless_held(evaluate))
    tight.run(episodes(8), tmp_path / "tight", silent)
    assert tight.metrics == whole.metrics and tight._budget.tokens == 1024


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_at_first_the_policy_is_the_sampler(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, dtype: str
) -> None:
    """Before any step all ratios are 1: nothing is clipped and whitened advantages sum to nothing."""
    settings = SETTINGS.model_copy(update={"epochs": 1, "minibatch_size": 4})
    trainer = fresh(tiny_backbone, reward_model, settings, dtype=dtype)
    trainer.run(episodes(4), tmp_path, silent)
    row = trainer.metrics[0]
    assert row["policy_loss"] == pytest.approx(0, abs=1e-5) and row["clip_fraction"] == 0
    assert row["mean_kl"] == 0 and row["kl_weight"] == 0.2 and row["ratio_error"] == 0
    assert set(row) >= set(TERMS) and row["entropy"] > 0 and row["episodes"] == 4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_rollout_begins_at_a_ratio_of_one(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, dtype: str
) -> None:
    """Also of a policy that has moved, with several minibatches of several parts, in the arithmetic of a GPU."""
    settings = SETTINGS.model_copy(update={"batch_size": 8, "minibatch_size": 4, "lora": Lora(r=4, top=0.5)})
    trainer = fresh(tiny_backbone, reward_model, settings, dtype=dtype)
    trainer.run(episodes(24), tmp_path, silent)
    assert [row["ratio_error"] for row in trainer.metrics] == [0, 0, 0]
    assert trainer.metrics[-1]["mean_kl"] != 0


@pytest.mark.parametrize(("target", "factor"), [(1e6, 0.8), (1e-6, 1.2)])
def test_within_a_default_run_the_kl_weight_moves_towards_the_target(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, target: float, factor: float
) -> None:
    """A target out of reach lowers the weight, one that is passed raises it: a fifth in each of the four rollouts."""
    settings = SETTINGS.model_copy(update={"episodes": 16, "target_kl": target, "temperature": 0.1})
    assert settings.episodes / settings.batch_size == Ppo().episodes / Ppo().batch_size
    trainer = fresh(tiny_backbone, reward_model, settings)
    torch.manual_seed(5)  # a policy so far from the backbone that no estimate of its KL is below 0
    for parameter in trainer.policy.trainable().values():
        torch.nn.init.normal_(parameter, std=0.1)
    trainer.run(episodes(16), tmp_path, silent)
    weights = [row["kl_weight"] for row in trainer.metrics]
    assert weights == pytest.approx([0.2 * factor**step for step in range(4)])
    assert min(row["mean_kl"] for row in trainer.metrics) > 1


class KilledError(Exception):
    pass


@pytest.mark.parametrize("moment", ["sampling", "epoch 2 of 2", "reward"])
def test_a_killed_training_continues_to_the_same_bytes(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, moment: str
) -> None:
    undisturbed = fresh(tiny_backbone, reward_model)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    undisturbed.run(episodes(12), whole, silent)

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        if done >= 4 and note.startswith(moment):
            raise KilledError

    with pytest.raises(KilledError):
        fresh(tiny_backbone, reward_model).run(episodes(12), broken, kill)
    scratch_path(broken, f"{CHECKPOINT}.new").write_bytes(b"half a checkpoint")
    torch.manual_seed(123)
    resumed = fresh(tiny_backbone, reward_model)
    resumed.run(episodes(12), broken, silent)
    assert resumed.metrics == undisturbed.metrics and resumed.samples == undisturbed.samples
    expected = undisturbed.policy.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in resumed.policy.state_dict().items())


def moments(state: dict[str, Any]) -> dict[str, Any]:
    held: dict[str, Any] = next(iter(state["optimizer"]["state"].values()))
    return held


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no optimizer": lambda state: state.pop("optimizer"),
    "an empty optimizer": lambda state: state.update(optimizer={}),
    "no moments": lambda state: state["optimizer"]["state"].clear(),
    "moments of one parameter less": lambda state: state["optimizer"]["state"].popitem(),
    "moments of another shape": lambda state: moments(state).update(exp_avg=torch.zeros(1, 1, 7)),
    "moments without a number": lambda state: moments(state)["exp_avg_sq"].fill_(torch.nan),
    "another learning rate": lambda state: state["optimizer"]["param_groups"][0].update(lr=torch.nan),
    "no weight of KL": lambda state: state.pop("kl_weight"),
    "a weight of KL that is none": lambda state: state.update(kl_weight=float("nan")),
    "a weight of KL in words": lambda state: state.update(kl_weight="x"),
    "no metrics": lambda state: state.update(metrics=None),
    "other metrics": lambda state: state.update(metrics=[5]),
    "metrics of more steps": lambda state: state.update(
        metrics=[state["metrics"][0] | {"step": step} for step in range(9)]
    ),
    "no samples": lambda state: state.pop("samples"),
    "complex weights": lambda state: state.update(
        parameters={name: one.to(torch.complex64) for name, one in state["parameters"].items()}
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_checkpoint_that_is_not_whole_is_not_continued_from(
    tiny_backbone: Path, reward_model: Path, tmp_path: Path, name: str
) -> None:
    fresh(tiny_backbone, reward_model).run(episodes(4), tmp_path, silent)
    state = torch.load(scratch_path(tmp_path, CHECKPOINT), weights_only=True)
    DAMAGE[name](state)
    torch.save(state, scratch_path(tmp_path, CHECKPOINT))
    with pytest.raises(SerError, match=r"the checkpoint .* (is damaged|has weights that are not finite)") as error:
        fresh(tiny_backbone, reward_model).run(episodes(12), tmp_path, silent)
    assert len(str(error.value).splitlines()) <= 2


def test_prompts_are_all_used_before_any_is_used_again() -> None:
    prompts = [Prompt(f"id{n}", f"text {n}") for n in range(5)]
    order = schedule(prompts, 12, random_seed=1)
    assert len(order) == 12 and set(order[:5]) == set(order[5:10]) == set(prompts)
    assert order[:5] != order[5:10] and order == schedule(prompts[::-1], 12, random_seed=1)
    assert order != schedule(prompts, 12, random_seed=2)


def test_a_prompt_is_cut_so_that_the_response_fits(tiny_backbone: Path) -> None:
    from ser.data.pairs import canonical_prompt
    from ser.models.tokenizer import load_tokenizer

    tokenizer, prompt = load_tokenizer(tiny_backbone), canonical_prompt("please help " * 60)
    (tokens, cut), (whole, nothing) = encode(tokenizer, prompt, 20, 64), encode(tokenizer, prompt, 20, 512)
    assert len(tokens) == 64 - 21 and tokens == whole[-43:]
    assert (cut, nothing) == (len(whole) - 43, 0)
    with pytest.raises(SerError, match="max_length"):
        encode(tokenizer, prompt, 40, 44)
