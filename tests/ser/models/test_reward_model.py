"""A reward depends on the pair alone, and survives saving."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ser.data.encoding import EncodedPair, encode_pair
from ser.data.packing import pack
from ser.data.pairs import Pair, canonical_prompt, is_empty
from ser.errors import SerError
from ser.models import backbone
from ser.models.attention import GROUPED
from ser.models.backbone import load_model
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import check_window, load_tokenizer
from ser.specs import Arithmetic, Lora
from tests.models import backbone_of, encoded_pairs, random_model

LENGTHS = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=6)
SAID = st.text(min_size=1, max_size=120).filter(lambda text: not is_empty(text))
TURNS = st.lists(st.tuples(SAID, SAID), max_size=2)
RESPONSE = st.text(max_size=12)  # at most four tokens a character: it always fits
PAIRS = st.lists(st.tuples(TURNS, SAID, RESPONSE, RESPONSE), min_size=1, max_size=5)


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3", "mistral", "gpt_neox"])
def model(request: pytest.FixtureRequest, tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    """A reward model over each kind of backbone that packing is proven for, and over one that it is not."""
    if request.param == "llama":
        return random_model(tiny_backbone)
    folder = backbone_of(request.param, tiny_backbone, tmp_path_factory.mktemp(request.param))
    if request.param != "gpt_neox":
        return random_model(folder)
    backbone._warn_of_plain_batches.cache_clear()  # another test may have heard it
    with pytest.warns(UserWarning, match="packing is not proven for model type 'gpt_neox'"):
        unpacked = random_model(folder)
    assert unpacked.trunk == 0
    return unpacked


def plain_reward(model: RewardModel, prompt: list[int], response: list[int]) -> float:
    """The reward as transformers' sequence classifier and attention give it, one sequence at a time."""
    classifier = model.classifier
    classifier.config.pad_token_id = 0
    ours = classifier.config._attn_implementation
    classifier.set_attn_implementation("sdpa")
    try:
        with torch.inference_mode():
            return classifier(input_ids=torch.tensor([prompt + response])).logits.item()
    finally:
        classifier.set_attn_implementation(ours)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_packed_rewards_are_those_of_two_plain_sequences(
    model: RewardModel, lengths: list[tuple[int, int, int]], seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    pairs = [
        EncodedPair(str(i), *(torch.randint(3, 200, (n,), generator=draw).tolist() for n in sizes))
        for i, sizes in enumerate(lengths)
    ]
    packed = model.score(pairs)
    for row, pair in zip(packed, pairs, strict=True):
        assert row[0].item() == pytest.approx(plain_reward(model, pair.prompt, pair.response_a), abs=5e-5)
        assert row[1].item() == pytest.approx(plain_reward(model, pair.prompt, pair.response_b), abs=5e-5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=PAIRS, max_length=st.integers(64, 192), chat=st.booleans())
@example(texts=[([("rice", "salt")], "please " * 60, "good", "bad"), ([], "x", "", "y")], max_length=64, chat=True)
@example(texts=[([], "please " * 60, "good", "bad"), ([], "x", "", "y")], max_length=64, chat=False)
def test_packed_rewards_of_texts_are_those_of_two_plain_sequences(
    model: RewardModel,
    tiny_backbone: Path,
    texts: list[tuple[list[tuple[str, str]], str, str, str]],
    max_length: int,
    chat: bool,
) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    if not chat:
        tokenizer.chat_template = None
    pairs = [
        encode_pair(tokenizer, Pair(str(i), prompt_of(turns, last), a, b), max_length)
        for i, (turns, last, a, b) in enumerate(texts)
    ]
    for row, pair in zip(model.score(pairs), pairs, strict=True):
        assert len(pair.prompt) + max(len(pair.response_a), len(pair.response_b)) <= max_length
        assert row[0].item() == pytest.approx(plain_reward(model, pair.prompt, pair.response_a), abs=1e-4)
        assert row[1].item() == pytest.approx(plain_reward(model, pair.prompt, pair.response_b), abs=1e-4)


def prompt_of(turns: list[tuple[str, str]], last: str) -> str:
    """A canonical prompt: earlier questions with their answers, and the last question."""
    messages = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return canonical_prompt([*messages, {"role": "user", "content": last}])


def test_rewards_do_not_depend_on_batch_or_padding(model: RewardModel, tiny_backbone: Path) -> None:
    pairs = encoded_pairs(tiny_backbone, 8)
    together = model.score(pairs)
    alone = torch.cat([model.score([pair]) for pair in pairs])
    long = EncodedPair("long", [5] * 60, [6] * 30, [7] * 30)
    padded = model.score([*reversed(pairs), long])[:8].flip(0)
    assert (together - alone).abs().max() < 1e-5
    assert (together - padded).abs().max() < 1e-5
    assert (together[:, 0] - together[:, 1]).abs().min() > 0


@pytest.mark.parametrize("top", [0.5, 1.0])
def test_rewards_after_reload_are_the_same(tiny_backbone: Path, tmp_path: Path, top: float) -> None:
    model = random_model(tiny_backbone, top)
    pairs = encoded_pairs(tiny_backbone, 8)
    before = model.score(pairs)
    model.save(tmp_path / "rm")
    assert sorted(path.name for path in (tmp_path / "rm").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    again = RewardModel.load(tiny_backbone, tmp_path / "rm", Arithmetic())
    assert again.trunk == model.trunk == (2 if top == 0.5 else 0)
    assert (again.score(pairs) - before).abs().max() < 1e-5
    merged = RewardModel.load(tiny_backbone, tmp_path / "rm", Arithmetic(), merged=True)
    assert (merged.score(pairs) - before).abs().max() < 1e-4


@pytest.mark.parametrize("merged", [False, True])
def test_a_head_over_a_bfloat16_backbone_is_loaded_as_it_was_saved(
    tiny_backbone: Path, tmp_path: Path, merged: bool
) -> None:
    model = RewardModel.new(tiny_backbone, Lora(r=4), Arithmetic(dtype="bfloat16"), random_seed=0)
    model.save(tmp_path)
    loaded = RewardModel.load(tiny_backbone, tmp_path, Arithmetic(dtype="bfloat16"), merged=merged)

    def head(of: RewardModel) -> torch.Tensor:
        return of.classifier.score(torch.eye(of.classifier.config.hidden_size))

    assert torch.equal(head(loaded), head(model))


def test_the_trunk_is_shared_by_all_reward_models(tiny_backbone: Path) -> None:
    one, other = random_model(tiny_backbone, seed=1), random_model(tiny_backbone, seed=2)
    batch = pack(encoded_pairs(tiny_backbone, 4))
    states = one.trunk_states(batch)
    assert torch.equal(states, other.trunk_states(batch))
    with torch.inference_mode():
        assert (other(batch, states) - other(batch)).abs().max() == 0
        assert (other(batch, states) - one(batch, states)).abs().max() > 1e-3


def test_a_new_model_depends_on_its_seed_only(tiny_backbone: Path) -> None:
    pairs = encoded_pairs(tiny_backbone, 4)
    torch.manual_seed(1)
    one = RewardModel.new(tiny_backbone, Lora(), Arithmetic(), random_seed=5).eval().score(pairs)
    torch.manual_seed(2)
    same = RewardModel.new(tiny_backbone, Lora(), Arithmetic(), random_seed=5).eval().score(pairs)
    other = RewardModel.new(tiny_backbone, Lora(), Arithmetic(), random_seed=6).eval().score(pairs)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_prompts_are_cut_from_the_left_and_responses_never(tiny_backbone: Path) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    pair = Pair("x", canonical_prompt("please " * 60), "good rice", "bad rice whatever")
    whole, cut = encode_pair(tokenizer, pair, 512), encode_pair(tokenizer, pair, 64)
    assert whole.cut == 0
    assert cut.cut == len(whole.prompt) - len(cut.prompt) > 0
    assert whole.prompt[-len(cut.prompt) :] == cut.prompt
    assert (cut.response_a, cut.response_b) == (whole.response_a, whole.response_b)
    assert len(cut.prompt) + max(len(cut.response_a), len(cut.response_b)) == 64
    with pytest.raises(SerError, match=r"pair x: a response of \d+ tokens does not fit into max_length 64"):
        encode_pair(tokenizer, Pair("x", pair.prompt, "rice " * 100, "no"), 64)


def test_a_folder_that_is_no_model_is_named(tiny_backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(SerError, match="not a readable model folder"):
        load_model(tmp_path, "reward", Arithmetic())
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(SerError, match="PPO and sft are not proven for model type 'gpt2', only for llama"):
        load_model(tmp_path, "causal_lm", Arithmetic())
    (tmp_path / "config.json").write_text((tiny_backbone / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(SerError, match=f"the model in {tmp_path} cannot be loaded"):
        load_model(tmp_path, "reward", Arithmetic())
    with pytest.raises(SerError, match="cannot be loaded"):
        load_tokenizer(tmp_path)


def test_a_window_of_attention_that_pairs_may_exceed_is_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = backbone_of("mistral", tiny_backbone, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for window, fits in ((64, True), (None, True), (63, False)):
        (folder / "config.json").write_text(json.dumps(config | {"sliding_window": window}))
        if fits:
            check_window(folder, 64)
        else:
            with pytest.raises(SerError, match=r"reaches back 63 tokens.* Set encoding.max_length to at most 63"):
                check_window(folder, 64)
    # Qwen's configurations name a window that is switched off.
    check_window(backbone_of("qwen3", tiny_backbone, tmp_path / "qwen"), 100_000)


@pytest.mark.parametrize(
    ("rope", "limit"),
    [
        ({"rope_type": "dynamic", "factor": 2.0}, 48),
        ({"rope_type": "longrope", "original_max_position_embeddings": 32}, 32),
        ({"rope_type": "linear", "factor": 2.0}, None),
    ],
)
def test_rotary_embeddings_that_change_with_the_batch_are_refused(
    tiny_backbone: Path, tmp_path: Path, rope: dict[str, Any], limit: int | None
) -> None:
    config = json.loads((tiny_backbone / "config.json").read_text())
    half = config["hidden_size"] // config["num_attention_heads"] // 2
    rope = {"rope_theta": 10_000.0, "short_factor": [1.0] * half, "long_factor": [2.0] * half, **rope}
    changed = config | {"max_position_embeddings": 48, "rope_parameters": rope}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    check_window(tmp_path, limit or 100_000)
    if limit is not None:
        with pytest.raises(SerError, match=f"Set encoding.max_length to at most {limit}"):
            check_window(tmp_path, limit + 1)


def test_pickled_weights_are_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((tiny_backbone / "config.json").read_text())
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(SerError, match="cannot be loaded"):
        load_model(tmp_path, "reward", Arithmetic())


@pytest.mark.parametrize(("attention", "kernel"), [("grouped", GROUPED), ("sdpa", "sdpa")])
def test_the_arithmetic_alone_chooses_the_attention_kernel(
    tiny_backbone: Path, attention: Literal["grouped", "sdpa"], kernel: str
) -> None:
    model = load_model(tiny_backbone, "reward", Arithmetic(attention=attention))
    assert model.config._attn_implementation == kernel
    source = Path(backbone.__file__).parents[1]
    assert [path for path in source.rglob("*.py") if "cuda.is_available" in path.read_text()] == []
