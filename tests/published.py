"""Tiny models of the published configurations: a preset's config.json with other sizes, and a tokenizer of its kind.

What a family's tokenizer and template do is written here anew, by what they are known for: which token begins a
conversation and who writes it, which token ends a reply, what pads, and which conversations are refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.preset_files import FOLDER
from tests.tiny import TEXT

_LLAMA_3 = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
)
_LLAMA_2 = (
    "{% set system = messages[0]['content'] if messages[0]['role'] == 'system' %}"
    "{% for m in (messages[1:] if system else messages) %}" + _ALTERNATE + "{% if m['role'] == 'user' %}"
    "{{ bos_token }}[INST] {% if loop.first and system %}<<SYS>>\n{{ system }}\n<</SYS>>\n\n{% endif %}"
    "{{ m['content'] | trim }} [/INST]{% else %}"
    "{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
_MISTRAL = (
    "{{ bos_token }}{% for m in messages %}" + _ALTERNATE + "{% if m['role'] == 'user' %}"
    "[INST] {{ m['content'] }} [/INST]{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
_CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """What the tokenizers of some models have in common.

    Attributes:
        special: special tokens, in the order of their numbers.
        named: what tokenizer_config.json says of them.
        spare: rows of the embedding that no token has.
        sentencepiece: BPE over characters with a mark for a space and a token for every byte; else BPE over bytes.
    """

    template: str | None
    special: tuple[str, ...]
    named: dict[str, Any]
    spare: int = 0
    sentencepiece: bool = False


_MARKS = ("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>",
          "<|end_header_id|>", "<|eot_id|>")  # fmt: skip
LLAMA_3 = Family(_LLAMA_3, _MARKS, {"bos_token": _MARKS[0], "eos_token": "<|eot_id|>"}, spare=6)
LLAMA_2 = Family(_LLAMA_2, ("<unk>", "<s>", "</s>"), {"legacy": False, "add_bos_token": True}, sentencepiece=True)
MISTRAL = Family(_MISTRAL, ("<unk>", "<s>", "</s>"), {"legacy": True, "add_bos_token": True}, sentencepiece=True)
_CHATML_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN = Family(_CHATML, _CHATML_MARKS, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, spare=40)
SMOLLM2 = Family(
    _CHATML, _CHATML_MARKS,
    {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"},
)  # fmt: skip
FAMILIES = {
    "llama-2-13b": LLAMA_2, "llama-3-70b": LLAMA_3, "llama-3-8b": LLAMA_3, "mistral-7b": MISTRAL,
    "qwen2.5-0.5b": QWEN, "smollm2-135m": SMOLLM2,
}  # fmt: skip


def write_published(name: str, folder: Path, family: Family | None = None) -> Path:
    """A tiny model of a preset's configuration in a folder, with random weights in the published type."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    family = family or FAMILIES[name]
    tokenizer = _sentencepiece(family) if family.sentencepiece else _byte_level(family)
    tokenizer.chat_template = family.template
    tokenizer.save_pretrained(folder)
    config = json.loads((FOLDER / f"{name}.config.json").read_text())
    grouped = config["num_key_value_heads"] < config["num_attention_heads"]
    config |= {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2 if grouped else 4, "vocab_size": len(tokenizer) + family.spare,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    set_seed(0)
    outline = AutoConfig.for_model(**config)
    AutoModelForCausalLM.from_config(outline, dtype=getattr(torch, config["torch_dtype"])).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _byte_level(family: Family) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=list(family.special), initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    if family is not QWEN and family is not SMOLLM2:
        # Llama 3 begins whatever it is given with a token of its own.
        begin = family.special[0]
        tokenizer.post_processor = processors.TemplateProcessing(f"{begin} $A", special_tokens=[(begin, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **family.named)


def _sentencepiece(family: Family) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()  # no piece reaches over the beginning of a word
    tokens = [*family.special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trained.train_from_iterator([TEXT] * 4, trainers.BpeTrainer(vocab_size=512, special_tokens=tokens))
    model = json.loads(trained.to_str())["model"]
    return LlamaTokenizer(vocab=model["vocab"], merges=list(map(tuple, model["merges"])), **family.named)
