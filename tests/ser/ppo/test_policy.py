from pathlib import Path
from typing import Literal

import pytest
import torch
from peft import PeftModel

from ser.data.encoding import EncodedPair
from ser.models.backbone import load_model
from ser.models.reward_model import RewardModel
from ser.ppo.policy import POLICY, Policy
from ser.ppo.sequences import Sequences
from ser.specs import Arithmetic, Lora

Dtype = Literal["float32", "bfloat16"]
Attention = Literal["grouped", "varlen"]

END = 2
PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [20, 21, 22], [30, 31, 32, 33, 34]]
RESPONSES = [[40, 41, END], [50, 51, 52, 53, 54], [60, END]]
PARTS = [torch.tensor([2, 0]), torch.tensor([1])]


def trained(
    backbone: Path,
    reward_model: Path,
    top: float,
    temperature: float = 1.0,
    dtype: Dtype = "float32",
    attention: Attention = "grouped",
) -> Policy:
    """A policy that is not the backbone any more."""
    arithmetic = Arithmetic(dtype=dtype, attention=attention)
    policy = Policy.new(backbone, reward_model, Lora(r=4, top=top), arithmetic, 0, temperature)
    torch.manual_seed(5)
    for parameter in policy.trainable().values():
        torch.nn.init.normal_(parameter, std=0.1)
    return policy


@pytest.mark.parametrize("attention", ["grouped", "varlen"])
@pytest.mark.parametrize("top", [1.0, 0.5, 0.25])
def test_survey_is_the_reward_model_and_the_backbone(
    tiny_backbone: Path, reward_model: Path, top: float, attention: Attention
) -> None:
    policy = trained(tiny_backbone, reward_model, top, temperature=0.8, attention=attention)
    survey = policy.survey(Sequences.join(PROMPTS, RESPONSES, END, "cpu"), PARTS)
    own = RewardModel.load(tiny_backbone, reward_model, Arithmetic())
    backbone = load_model(tiny_backbone, "causal_lm", Arithmetic())
    for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
        closed = response if response[-1] == END else [*response, END]
        expected = own.score([EncodedPair("x", prompt, closed, closed)])[0, 0]
        torch.testing.assert_close(survey.rewards[row], expected, atol=1e-5, rtol=0)
        with torch.no_grad():
            logits = backbone(input_ids=torch.tensor([prompt + response])).logits[0] / 0.8
        steps = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
        logprobs = steps.gather(1, torch.tensor(response)[:, None]).squeeze(1)
        torch.testing.assert_close(survey.reference[row, : len(response)], logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["grouped", "varlen"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("top", [1.0, 0.25])
def test_an_evaluation_repeats_the_survey_of_the_same_rows(
    tiny_backbone: Path, reward_model: Path, top: float, dtype: Dtype, attention: Attention
) -> None:
    policy = trained(tiny_backbone, reward_model, top, 0.8, dtype, attention)
    sequences = Sequences.join(PROMPTS, RESPONSES, END, "cpu")
    survey = policy.survey(sequences, PARTS)
    assert (survey.trunk is None) == (policy.trunk == 0)
    for rows in PARTS:
        part = sequences.rows(rows)
        steps = part.mask.shape[1]
        now = policy.evaluate(part, None if survey.trunk is None else [survey.trunk[row] for row in rows.tolist()])
        assert torch.equal(now.logprobs[part.mask], survey.logprobs[rows, :steps][part.mask])
        assert torch.equal(now.values[part.mask], survey.values[rows, :steps][part.mask])
    outside = ~sequences.mask
    assert all(of[outside].abs().sum() == 0 for of in (survey.logprobs, survey.values, survey.reference))


def test_some_rows_are_what_they_were_among_all(tiny_backbone: Path, reward_model: Path) -> None:
    policy = trained(tiny_backbone, reward_model, 1.0)
    sequences = Sequences.join(PROMPTS, RESPONSES, END, "cpu")
    part = sequences.rows(torch.tensor([2]))
    assert part.input_ids.tolist() == [PROMPTS[2] + RESPONSES[2]]
    assert part.tokens.tolist() == [RESPONSES[2]] and part.mask.tolist() == [[True, True]]
    whole, single = policy.evaluate(sequences), policy.evaluate(part)
    torch.testing.assert_close(single.logprobs, whole.logprobs[2:, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(single.values, whole.values[2:, :2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["grouped", "varlen"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_untrained_policy_is_the_backbone(
    tiny_backbone: Path, reward_model: Path, dtype: Dtype, attention: Attention
) -> None:
    arithmetic = Arithmetic(dtype=dtype, attention=attention)
    policy = Policy.new(tiny_backbone, reward_model, Lora(r=4, top=1.0), arithmetic, 0)
    survey = policy.survey(Sequences.join(PROMPTS, RESPONSES, END, "cpu"), PARTS)
    assert torch.equal(survey.logprobs, survey.reference) and survey.values.abs().max() == 0


def test_only_the_policy_adapter_and_the_value_head_train(tiny_backbone: Path, reward_model: Path) -> None:
    policy = trained(tiny_backbone, reward_model, 1.0)
    policy.survey(Sequences.join(PROMPTS, RESPONSES, END, "cpu"), PARTS)
    names = set(policy.trainable())
    adapted = {name for name, _ in policy.named_parameters() if f".{POLICY}." in name}
    assert adapted and names == adapted | {"value_head.weight", "value_head.bias"}
    now = policy.evaluate(Sequences.join(PROMPTS, RESPONSES, END, "cpu"))
    (now.logprobs.sum() + now.values.sum()).backward()
    assert all(parameter.grad is not None for parameter in policy.trainable().values())
    assert all(p.grad is None for name, p in policy.named_parameters() if name not in names)


def test_a_policy_depends_on_its_seed_and_leaves_the_global_stream_alone(
    tiny_backbone: Path, reward_model: Path
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, again, other = (
        Policy.new(tiny_backbone, reward_model, Lora(r=4), Arithmetic(), seed).trainable() for seed in (0, 0, 1)
    )
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_saved_policy_is_a_plain_peft_folder(tiny_backbone: Path, reward_model: Path, tmp_path: Path) -> None:
    policy = trained(tiny_backbone, reward_model, 1.0)
    policy.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy", "value_head.safetensors"]
    model = load_model(tiny_backbone, "causal_lm", Arithmetic())
    loaded = PeftModel.from_pretrained(model, tmp_path / "policy")
    with torch.no_grad():
        logits = loaded(input_ids=torch.tensor([PROMPTS[0] + RESPONSES[0]])).logits[0, len(PROMPTS[0]) - 1 : -1]
    logprobs = torch.log_softmax(logits, -1).gather(1, torch.tensor(RESPONSES[0])[:, None]).squeeze(1)
    expected = policy.evaluate(Sequences.join(PROMPTS[:1], RESPONSES[:1], END, "cpu")).logprobs[0]
    torch.testing.assert_close(logprobs, expected, atol=1e-5, rtol=0)
