"""What only a GPU can show: its kernels, graphs and memories give what a processor gives.

Without one the same tests run on the processor in the GPU's arithmetic, where they prove themselves and the code, not
the kernels: `pytest tests/gpu` on a machine with a GPU proves these.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair
from ser.data.flat import FlatBatch, Spans
from ser.models import resident
from ser.models.attention import _one_after_another, varlen_attention
from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.generation import generate, stream
from ser.models.reward_model import RewardModel
from ser.models.scoring import score
from ser.models.states.kept import forget_states, keep_states, kept_states
from ser.models.states.pairs import PairStates, open_states
from ser.models.token_budget import TokenBudget
from ser.ppo.policy import Policy
from ser.ppo.rollout import Episode
from ser.ppo.trainer import Trainer
from ser.progress import silent
from ser.specs import Arithmetic, Lora, Ppo, Training
from ser.training import Example, train
from tests.models import encoded_pairs

DEVICE: Any = "cuda" if torch.cuda.is_available() else "cpu"
ARITHMETIC = Arithmetic(device=DEVICE, dtype="bfloat16", attention="varlen")
FLOAT32 = Arithmetic(device=DEVICE, attention="sdpa")
"""Of a GPU without bfloat16."""
LORA = Lora(r=4, alpha=8, top=0.5)


@pytest.fixture(autouse=True)
def free() -> Iterator[None]:
    yield
    forget_states()
    resident.forget_resident()


def reward_model(backbone: Path, arithmetic: Arithmetic) -> RewardModel:
    """The same one on every device, whose adapter does something."""
    model = RewardModel.new(backbone, LORA, arithmetic, random_seed=0).eval()
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "score" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=draw) * 0.2)
    return model


def random_pairs(count: int, longest: int = 60) -> list[EncodedPair]:
    draw = torch.Generator().manual_seed(count)
    sizes = torch.randint(1, longest, (count, 3), generator=draw).tolist()
    return [
        EncodedPair(f"{i:03}", *(torch.randint(3, 200, (n,), generator=draw).tolist() for n in lengths))
        for i, lengths in enumerate(sizes)
    ]


@pytest.mark.parametrize("heads", [(4, 4), (8, 2), (32, 8)])
@pytest.mark.parametrize("width", [32, 64, 100, 128])
def test_the_kernel_of_variable_length_attends_as_plain_products_do(heads: tuple[int, int], width: int) -> None:
    batch = FlatBatch.of_pairs(random_pairs(12)).to(DEVICE)
    for spans in (batch.spans, batch.ends):
        query, key, value = states(batch, spans, heads, width)
        mixed, _ = varlen_attention(None, query, key, value, None, width**-0.5, spans=spans)
        weight = torch.randn_like(mixed)
        found = [mixed, *torch.autograd.grad((mixed * weight).sum(), (query, key, value))]
        q, k, v = (one.detach()[0].transpose(0, 1).float().requires_grad_() for one in (query, key, value))
        plain = _one_after_another(q, k[spans.keys], v[spans.keys], spans, width**-0.5)[None]
        gradients = torch.autograd.grad((plain * weight.float()).sum(), (q, k, v))
        wanted = [plain, *(one.transpose(0, 1)[None] for one in gradients)]
        for one, other in zip(found, wanted, strict=True):
            assert (one.float() - other).norm() < 0.02 * other.norm()


def states(batch: FlatBatch, spans: Spans, heads: tuple[int, int], width: int) -> tuple[torch.Tensor, ...]:
    """Random queries of `spans`, and keys and values of all tokens."""
    draw, asking = torch.Generator().manual_seed(0), sum(spans.query_sizes)
    shapes = [(1, heads[0], asking, width), *[(1, heads[1], sum(batch.sizes), width)] * 2]
    made = (torch.randn(shape, generator=draw).to(DEVICE, torch.bfloat16).requires_grad_() for shape in shapes)
    return tuple(made)


def test_rewards_are_those_of_the_processor(tiny_backbone: Path) -> None:
    pairs = [*encoded_pairs(tiny_backbone, 20), *random_pairs(60)]
    exact = reward_model(tiny_backbone, Arithmetic()).score(pairs)
    there = reward_model(tiny_backbone, ARITHMETIC).score(pairs).cpu()
    rounded = reward_model(tiny_backbone, Arithmetic(dtype="bfloat16", attention="sdpa")).score(pairs)
    assert (reward_model(tiny_backbone, FLOAT32).score(pairs).cpu() - exact).abs().max() < 1e-4
    assert (there - exact).abs().mean() < 1.5 * (rounded - exact).abs().mean()
    assert (there - exact).abs().max() < 0.15 * exact.std()


@pytest.mark.parametrize("memory", ["gpu", "host"])
def test_states_in_either_memory_give_the_same_rewards(tiny_backbone: Path, tmp_path: Path, memory: Any) -> None:
    write_encoded(random_pairs(80), tmp_path)
    encoded, model = tmp_path / ENCODED_NAME, reward_model(tiny_backbone, ARITHMETIC)
    wanted = list(score(model, PairStates(encoded), batch_tokens=2048))
    keep_states(tmp_path / "states", memory, 10**9)
    states = PairStates(encoded, open_states(tmp_path / "states", encoded, model.trunk, ARITHMETIC))
    for _ in range(3):
        assert list(score(model, states, batch_tokens=2048)) == wanted
    kept = kept_states(tmp_path / "states")
    assert kept is not None and kept.used == sum(len(item.pair) for item in states.pairs()) * 32 * 2


def test_training_goes_as_on_the_processor(tiny_backbone: Path, tmp_path: Path) -> None:
    write_encoded(encoded_pairs(tiny_backbone, 48), tmp_path)
    examples = [Example(item, float(n % 2)) for n, item in enumerate(PairStates(tmp_path / ENCODED_NAME).pairs())]
    losses = []
    for number, arithmetic in enumerate((Arithmetic(), ARITHMETIC)):
        model, out = RewardModel.new(tiny_backbone, LORA, arithmetic, random_seed=0), tmp_path / str(number)
        out.mkdir()
        settings = Training(lora=LORA, learning_rate=5e-3, batch_size=8)
        result = train(
            model, examples, settings, epochs=4, random_seed=0, out=out, progress=silent, batch_tokens=None
        )  # fmt: skip
        losses.append(torch.tensor(result["loss"]))
    assert losses[0][-6:].mean() < losses[0][:6].mean() - 0.02
    assert (losses[1] - losses[0]).abs().max() < 0.05


@pytest.mark.parametrize("arithmetic", [ARITHMETIC, FLOAT32], ids=["bfloat16", "float32"])
def test_a_graph_draws_what_the_processor_draws(tiny_backbone: Path, arithmetic: Arithmetic) -> None:
    """Up to where two tokens are so close that rounding decides: most responses are the same to the end."""
    prompts = [[3 + row, 40 + row, *range(7, 7 + row % 9)] for row in range(21)]
    chances = torch.stack([torch.rand(24, generator=stream(0, row), dtype=torch.float64) for row in range(21)])
    models = [load_model(tiny_backbone, "causal_lm", one) for one in (Arithmetic(), arithmetic)]
    decoders = [Decoder(model) for model in models]
    for _ in range(3):  # captured the first time, then replayed
        wanted, found = (generate(decoder, prompts, 24, 2, 0.3, chances) for decoder in decoders)
        same = sum(one == other for one, other in zip(wanted.responses, found.responses, strict=True))
        assert same > 12 and all(2 not in one[:-1] for one in found.responses)
    greedy = [generate(decoder, prompts, 8, 2).responses for decoder in decoders]
    assert sum(one[0] == other[0] for one, other in zip(*greedy, strict=True)) > 16


@pytest.mark.slow
def test_ppo_raises_a_known_score(tiny_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    reward_model(tiny_backbone, Arithmetic()).save(tmp_path / "rm")
    settings = Ppo(
        lora=Lora(r=4, top=1.0), episodes=768, batch_size=64, minibatch_size=32, response_tokens=8,
        learning_rate=1e-3, temperature=0.1, initial_kl=0.0,
    )  # fmt: skip
    policy = Policy.new(tiny_backbone, tmp_path / "rm", settings.lora, ARITHMETIC, 0, settings.temperature)

    def low_tokens(sequences: Any, rewards: torch.Tensor) -> torch.Tensor:
        return ((sequences.tokens < 130) & sequences.mask).sum(1) / sequences.responses

    trainer = Trainer(policy, settings, end_token=2, random_seed=0, score=low_tokens)
    trainer.run([Episode(n, f"id{n}", [10, 11, 12 + n % 5]) for n in range(768)], tmp_path / "out", silent)
    scores = [row["mean_score"] for row in trainer.metrics]
    assert sum(scores[-3:]) / 3 > scores[0] + 0.07, scores
    assert all(row["ratio_error"] < 1e-3 for row in trainer.metrics)


@pytest.mark.skipif(DEVICE == "cpu", reason="a processor's memory does not run out in a way that is told")
def test_where_memory_really_runs_out_work_goes_on_in_smaller_parts() -> None:
    held: list[torch.Tensor] = []
    asked: list[int] = []

    def work(tokens: int) -> int:
        asked.append(tokens)
        held.append(torch.empty(tokens * 2**24, dtype=torch.uint8, device=DEVICE))
        return tokens

    with pytest.warns(UserWarning, match="out of memory"):
        assert TokenBudget(32_768).run(work) == asked[-1] < 32_768
