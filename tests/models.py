"""Tiny encoded pairs and reward models for tests."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from ser.data import tables
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair, encode_pair
from ser.data.pairs import Pair, canonical_prompt, ordered, pair_id
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.progress import Progress, silent
from ser.specs import Arithmetic, Execution, Lora, Spec
from ser.stages.job import Job
from ser.stages.trunk import TrunkSpec
from tests.pairs import labelled_rows


def labelled_pairs(n: int, seed: int = 0) -> list[tuple[Pair, str]]:
    """`n` pairs with the letter of the polite response."""
    result = []
    for row in labelled_rows(n, seed):
        prompt = canonical_prompt(row["prompt"])
        identity = pair_id(prompt, row["chosen"], row["rejected"])
        a, b = ordered(identity, row["chosen"], row["rejected"])
        result.append((Pair(identity, prompt, a, b), "a" if a == row["chosen"] else "b"))
    return result


def encoded_pairs(backbone: Path, n: int, seed: int = 0, max_length: int = 128) -> list[EncodedPair]:
    """The same pairs as tokens."""
    tokenizer = load_tokenizer(backbone)
    return [encode_pair(tokenizer, pair, max_length) for pair, _ in labelled_pairs(n, seed)]


def pass_trunk(
    pairs: Path, backbone: Path, out: Path, arithmetic: Arithmetic, top: float, max_length: int = 128
) -> Path:
    """Write the tokens of a table of pairs, which are returned, and their states after the frozen layers into `out`."""
    tokenizer, tokens = load_tokenizer(backbone), out.with_name(f"{out.name}_tokens")
    tokens.mkdir()
    rows = tables.read(pairs, columns=tables.PAIRS.names)
    write_encoded((encode_pair(tokenizer, Pair(**row), max_length) for row in rows), tokens)
    encoded = tokens / ENCODED_NAME
    run_stage("trunk", TrunkSpec(arithmetic=arithmetic, top=top), {"encoded": encoded, "backbone": backbone}, out)
    return encoded


def run_stage(
    stage: str, spec: Spec, inputs: Mapping[str, Any], out: Path, progress: Progress = silent, **execution: int
) -> dict[str, Any]:
    """The summary of a stage, run here on one thread; of `inputs` it gets those that it knows."""
    known = get_type_hints(import_module(f"ser.stages.{stage}").run)["inputs"].model_fields
    own = {name: value for name, value in inputs.items() if name in known}
    return Job.of(stage, spec, own, out, Execution(**{"threads": 1, **execution})).run(progress)


def random_model(backbone: Path, top: float = 0.5, seed: int = 0) -> RewardModel:
    """A reward model whose adapter does something: LoRA's B matrices are not zero."""
    import torch

    model = RewardModel.new(backbone, Lora(r=4, alpha=8, top=top), Arithmetic(), random_seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "score" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    return model


def backbone_of(kind: str, tiny_backbone: Path, folder: Path) -> Path:
    """A tiny backbone of another model type, with the same tokenizer; as in Qwen, its embedding has spare rows."""
    import torch
    import transformers as hf

    tokenizer = hf.AutoTokenizer.from_pretrained(tiny_backbone)
    shape = {
        "vocab_size": len(tokenizer) + 8, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4,
        "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(1)
    model: Any = {
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(num_key_value_heads=2, **shape)),
        "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(num_key_value_heads=2, head_dim=8, **shape)),
        "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(num_key_value_heads=2, **shape)),
        "gpt2": lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=4, n_head=4, eos_token_id=2, pad_token_id=0)
        ),
        "gpt_neox": lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**shape)),
    }[kind]()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
