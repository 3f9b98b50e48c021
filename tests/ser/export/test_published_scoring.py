"""A whole conversation in the scoring template of an export has the tokens that the reward model was trained on."""

from dataclasses import replace
from pathlib import Path

import pytest
from peft import get_peft_model
from transformers import AutoTokenizer, GenerationConfig

from ser.data.encoding import encode_prompt, encode_response
from ser.data.pairs import canonical_prompt, prompt_messages
from ser.export.model_folder import Base, write_policy
from ser.export.scoring_template import scoring_template
from ser.models.adapters import save_adapter
from ser.models.backbone import load_model
from ser.models.reward_model import lora_config
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic, Lora
from tests.published import FAMILIES, LLAMA_3, MISTRAL, Family, write_published

DATED = replace(LLAMA_3, template="{{ strftime_now('%B %d, %Y') }}" + str(LLAMA_3.template))
FIRST = replace(LLAMA_3, named=LLAMA_3.named | {"eos_token": "<|end_of_text|>"})
BASE = replace(MISTRAL, template=None)
CASES: dict[str, tuple[str, Family]] = {
    **{name: (name, family) for name, family in FAMILIES.items()},
    "llama-3-8b with a date": ("llama-3-8b", DATED),
    "llama-3-8b as first published": ("llama-3-8b", FIRST),
    "a base model": ("mistral-7b", BASE),
}


@pytest.mark.parametrize("case", CASES)
def test_the_tokens_are_those_of_training(tmp_path: Path, case: str) -> None:
    tokenizer = load_tokenizer(write_published(CASES[case][0], tmp_path, CASES[case][1]))
    prompt = canonical_prompt([{"role": "user", "content": "How can I cook rice?"}])
    for reply in ("Boil water first.", "  no\n", "é"):
        expected = [*encode_prompt(tokenizer, prompt), *encode_response(tokenizer, reply)]
        chat = [*prompt_messages(prompt), {"role": "assistant", "content": reply}]
        text = tokenizer.apply_chat_template(chat, chat_template=scoring_template(tokenizer), tokenize=False)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == expected


def test_an_exported_policy_ends_where_it_ended_in_training(tmp_path: Path) -> None:
    """Llama 3 as it was first published stops at the end of a text, which a policy never writes."""
    backbone = write_published("llama-3-8b", tmp_path / "model", FIRST)
    base = load_model(backbone, "causal_lm", Arithmetic())
    peft = get_peft_model(base, lora_config(Lora(r=2), base.config, task_type="CAUSAL_LM"))
    save_adapter(peft, tmp_path / "policy")
    write_policy(backbone, tmp_path / "policy", "float32", Base("org/model", "abc"), tmp_path / "out")
    exported = AutoTokenizer.from_pretrained(tmp_path / "out" / "merged")
    generation = GenerationConfig.from_pretrained(tmp_path / "out" / "merged")
    assert exported.eos_token == "<|eot_id|>" and generation.eos_token_id == exported.eos_token_id
    assert generation.pad_token_id == exported.convert_tokens_to_ids("<|reserved_special_token_0|>")
