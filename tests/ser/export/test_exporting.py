"""Exported folders give our scores through transformers and PEFT alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from ser.data.encoding import encode_pair, encode_prompt
from ser.data.pairs import prompt_messages
from ser.errors import SerError
from ser.export.check import Recorded, check_policy, check_reward_model
from ser.export.model_folder import Base, write_policy, write_reward_model
from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.generation import generate
from ser.models.reward_model import RewardModel, lora_config
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic, Lora
from tests.models import backbone_of, labelled_pairs, random_model

TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
PAIRS = [pair for pair, _ in labelled_pairs(6)]
CHATS = [
    [*prompt_messages(pair.prompt), {"role": "assistant", "content": response}]
    for pair in PAIRS
    for response in (pair.response_a, pair.response_b)
]


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def backbone(request: pytest.FixtureRequest, tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "llama":
        return tiny_backbone
    return backbone_of(request.param, tiny_backbone, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


def ours(backbone: Path, rm: Path, dtype: str) -> torch.Tensor:
    """The rewards of `CHATS` as a run computes them: packed, with the head in float32."""
    tokenizer = load_tokenizer(backbone)
    model = RewardModel.load(backbone, rm, Arithmetic(dtype=dtype), merged=True)
    return model.score([encode_pair(tokenizer, pair, 128) for pair in PAIRS]).flatten()


def recorded(rewards: torch.Tensor) -> list[Recorded]:
    return [Recorded(pair, *two) for pair, two in zip(PAIRS, rewards.view(-1, 2).tolist(), strict=True)]


@pytest.fixture(scope="module")
def exported(backbone: Path, dtype: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a reward model, its export), both far from the backbone."""
    folder = tmp_path_factory.mktemp("export")
    model = random_model(backbone)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "score" in name:
                parameter *= 0.1  # rewards of the size at which bfloat16 rounds by less than the tolerance
    model.save(folder / "rm")
    out = folder / "out"
    out.mkdir()
    write_reward_model(backbone, folder / "rm", dtype, Base(str(out / "backbone")), out)
    return folder / "rm", out


def close(got: torch.Tensor, wanted: torch.Tensor, dtype: str) -> bool:
    return bool(((got.float() - wanted).abs() <= TOLERANCE[dtype] * wanted.abs().clamp(min=1)).all())


def rms(difference: torch.Tensor) -> float:
    return difference.float().square().mean().sqrt().item()


LOADERS: dict[str, Callable[[Path], Any]] = {
    "merged": lambda out: AutoModelForSequenceClassification.from_pretrained(out / "merged"),
    "merged as TRL loads it": lambda out: AutoModelForSequenceClassification.from_pretrained(
        out / "merged", num_labels=1
    ),
    "adapter over backbone": lambda out: PeftModel.from_pretrained(
        AutoModelForSequenceClassification.from_pretrained(out / "backbone"), out / "adapter"
    ),
    "adapter with PEFT": lambda out: AutoPeftModelForSequenceClassification.from_pretrained(out / "adapter"),
    "adapter with transformers": lambda out: AutoModelForSequenceClassification.from_pretrained(out / "adapter"),
}


@pytest.mark.parametrize("way", LOADERS)
def test_right_padded_texts_get_our_rewards(exported: tuple[Path, Path], backbone: Path, dtype: str, way: str) -> None:
    rm, out = exported
    model = LOADERS[way](out).eval()
    tokenizer = AutoTokenizer.from_pretrained(out / ("merged" if "merged" in way else "adapter"))
    texts = tokenizer.apply_chat_template(CHATS, tokenize=False)
    batch = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    assert (batch["attention_mask"][:, 0] == 1).all() and (batch["attention_mask"][:, -1] == 0).any()
    with torch.inference_mode():
        got = model(**batch).logits
    wanted = ours(backbone, rm, dtype)
    assert got.shape == (len(CHATS), 1)
    assert close(got[:, 0], wanted, dtype)
    assert rms(got[:, 0] - wanted) < wanted.std() / 5
    assert next(model.parameters()).dtype == getattr(torch, dtype)


def test_nothing_of_ours_and_no_foreign_place_is_in_it(exported: tuple[Path, Path], backbone: Path, dtype: str) -> None:
    _, out = exported
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    tokenizer = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    model = tokenizer | {"config.json", "model.safetensors"}
    adapter = tokenizer | {"adapter_config.json", "adapter_model.safetensors"}
    assert names - {"backbone/generation_config.json"} == (
        {f"{folder}/{name}" for folder in ("merged", "backbone") for name in model}
        | {f"adapter/{name}" for name in adapter}
    )
    for path in out.rglob("*.json"):
        assert "ser_grouped" not in path.read_text() and str(backbone) not in path.read_text(), path
    merged = json.loads((out / "merged" / "config.json").read_text())
    assert (merged["dtype"], merged["pad_token_id"], merged["architectures"][0][-25:]) == (
        dtype, 0, "ForSequenceClassification",
    )  # fmt: skip


def test_the_check_measures_both_folders(exported: tuple[Path, Path], backbone: Path, dtype: str) -> None:
    rm, out = exported
    found = check_reward_model(backbone, rm, dtype, out, recorded(ours(backbone, rm, dtype)), 128)
    assert (found["pairs"], found["responses"], found["same_tokens"], found["pad_token_id"]) == (6, 12, 12, 0)
    assert found["merged"] < 1e-5 and found["adapter"] < 1e-5
    assert found["recorded_rms"] <= found["recorded_most"] < TOLERANCE[dtype]
    moved = [Recorded(one.pair, one.reward_a + 3, one.reward_b - 3) for one in recorded(ours(backbone, rm, dtype))]
    assert check_reward_model(backbone, rm, dtype, out, moved, 128)["recorded_rms"] == pytest.approx(3, rel=0.01)


@pytest.fixture
def plain(tiny_backbone: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A float32 export over the Llama that a test may spoil."""
    random_model(tiny_backbone).save(tmp_path / "rm")
    out = tmp_path / "out"
    out.mkdir()
    write_reward_model(tiny_backbone, tmp_path / "rm", "float32", Base(str(out / "backbone")), out)
    return tmp_path / "rm", out


@pytest.mark.parametrize(
    ("name", "file"), [("merged", "merged/model.safetensors"), ("adapter", "adapter/adapter_model.safetensors")]
)
def test_other_scores_are_found(plain: tuple[Path, Path], tiny_backbone: Path, name: str, file: str) -> None:
    rm, out = plain
    weights = load_file(out / file)
    key = next(key for key in weights if key.endswith("score.weight"))
    weights[key] *= 1.01
    save_file(weights, out / file, metadata={"format": "pt"})
    with pytest.raises(SerError, match=f"the exported {name} is another model"):
        check_reward_model(tiny_backbone, rm, "float32", out, recorded(ours(tiny_backbone, rm, "float32")), 128)


def test_texts_that_become_other_tokens_are_counted(plain: tuple[Path, Path], tiny_backbone: Path) -> None:
    rm, out = plain
    tokenizer = load_tokenizer(tiny_backbone)
    lengths = [len(encode_pair(tokenizer, pair, 128)) for pair in PAIRS]
    cut = [encode_pair(tokenizer, pair, 40) for pair in PAIRS]
    rewards = RewardModel.load(tiny_backbone, rm, Arithmetic(), merged=True).score(cut).flatten()
    found = check_reward_model(tiny_backbone, rm, "float32", out, recorded(rewards), 40)
    assert max(lengths) > 40 and found["same_tokens"] == sum(2 * (not pair.cut) for pair in cut) < 12


def test_a_backbone_on_the_hub_is_named_and_not_copied(tiny_backbone: Path, tmp_path: Path) -> None:
    random_model(tiny_backbone).save(tmp_path / "rm")
    out = tmp_path / "out"
    out.mkdir()
    write_reward_model(tiny_backbone, tmp_path / "rm", "float32", Base("org/model", "0123abc"), out)
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/model", "0123abc")
    assert sorted(path.name for path in out.iterdir()) == ["adapter", "merged"]


def random_policy(backbone: Path, folder: Path) -> Path:
    model: Any = load_model(backbone, "causal_lm", Arithmetic())
    peft: Any = get_peft_model(model, lora_config(Lora(r=4, top=0.5), model.config, task_type="CAUSAL_LM"))
    torch.manual_seed(2)
    for name, parameter in peft.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    peft.save_pretrained(folder)
    return folder


def test_a_policy_says_what_ours_says(backbone: Path, dtype: str, tmp_path: Path) -> None:
    adapter, out = random_policy(backbone, tmp_path / "policy"), tmp_path / "out"
    out.mkdir()
    write_policy(backbone, adapter, dtype, Base(str(out / "backbone")), out)
    prompts = [pair.prompt for pair in PAIRS]
    found = check_policy(backbone, adapter, dtype, out, prompts)
    assert found["prompts"] == 6 and found["merged"] < 1e-5 and found["adapter"] < 1e-5
    model = AutoPeftModelForCausalLM.from_pretrained(out / "adapter").eval()
    merged: Any = AutoModelForCausalLM.from_pretrained(out / "merged").eval()
    base: Any = AutoModelForCausalLM.from_pretrained(out / "backbone").eval()
    tokens = torch.tensor([encode_prompt(load_tokenizer(backbone), prompts[0])])
    with torch.inference_mode():
        one, other, untrained = (each(input_ids=tokens).logits.float() for each in (model, merged, base))
    assert rms(other - untrained) > 0.01
    assert rms(one - other) < (1e-5 if dtype == "float32" else rms(other - untrained) / 5)


def test_an_exported_policy_writes_what_ours_writes(tiny_backbone: Path, tmp_path: Path) -> None:
    adapter, out = random_policy(tiny_backbone, tmp_path / "policy"), tmp_path / "out"
    out.mkdir()
    write_policy(tiny_backbone, adapter, "float32", Base(str(out / "backbone")), out)
    tokenizer: Any = AutoTokenizer.from_pretrained(out / "merged")
    model: Any = AutoModelForCausalLM.from_pretrained(out / "merged")
    assert model.config.use_cache and tokenizer.padding_side == "left"
    chats = [prompt_messages(pair.prompt) for pair in PAIRS]
    batch = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(**batch, max_new_tokens=8, do_sample=False)[:, batch["input_ids"].shape[1] :]
    own: Any = PeftModel.from_pretrained(load_model(tiny_backbone, "causal_lm", Arithmetic()), adapter)
    encoded = [encode_prompt(tokenizer, pair.prompt) for pair in PAIRS]
    wanted = generate(Decoder(own.merge_and_unload()), encoded, 8, tokenizer.eos_token_id).responses
    assert [row[: len(one)] for row, one in zip(written.tolist(), wanted, strict=True)] == wanted


def test_a_spoiled_policy_is_found(tiny_backbone: Path, tmp_path: Path) -> None:
    adapter, out = random_policy(tiny_backbone, tmp_path / "policy"), tmp_path / "out"
    out.mkdir()
    write_policy(tiny_backbone, adapter, "float32", Base(str(out / "backbone")), out)
    weights = load_file(out / "merged" / "model.safetensors")
    save_file(
        {k: v * 1.01 for k, v in weights.items()}, out / "merged" / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(SerError, match="the exported merged is another model"):
        check_policy(tiny_backbone, adapter, "float32", out, [PAIRS[0].prompt])
