"""The pretrained network under every model of a run: loading it safely, and running a range of its layers."""

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from ser.data.packing import PackedBatch
from ser.errors import SerError
from ser.models.attention import GROUPED
from ser.models.last_layer import last_layer_at
from ser.specs import Arithmetic

PACKABLE = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose decoder layers take a mask and positions of ours unchanged: the tests prove each."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ATTENTION = {"grouped": GROUPED, "sdpa": "sdpa"}
Head = Literal["causal_lm", "reward"]

# A language model loaded with a new reward head is what we want, not something to be warned about.
logging.set_verbosity_error()
logging.disable_progress_bar()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder, with an end token.

    Its padding token is a special one that is not the end token, or None where there is no such token.
    """
    _check(folder)
    tokenizer = _loading(folder, lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
    if tokenizer.eos_token_id is None:
        raise SerError(f"{folder}: the tokenizer has no end-of-sequence token. Use an instruct model's folder.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # Padding that looks like the end of a response would move the place where its reward is read. An ordinary
        # token would become a special one, which texts lose, wherever the tokenizer is saved and loaded again.
        special = [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special]
        tokens = [token for token in (tokenizer.unk_token, *special) if token not in (None, tokenizer.eos_token)]
        tokenizer.pad_token = tokens[0] if tokens else None
    return tokenizer


def check_window(folder: Path, max_length: int) -> None:
    """Refuse a model that computes sequences of up to `max_length` tokens otherwise than shorter ones.

    A packed mask has no sliding window; and rotary embeddings that change with the longest sequence of a batch would
    make a reward depend on what it is scored beside.

    Raises:
        SerError: names the largest `max_length` that goes.
    """
    config = _loading(folder, lambda: AutoConfig.from_pretrained(folder, trust_remote_code=False))
    if config.model_type not in PACKABLE:
        return
    window = getattr(config, "sliding_window", None)
    if window is not None and window < max_length:
        raise SerError(
            f"{folder}: its attention reaches back {window} tokens, which packed pairs of up to {max_length} do not "
            f"respect. Set encoding.max_length to at most {window}."
        )
    rope = getattr(config, "rope_parameters", None) or {}
    trained = rope.get("original_max_position_embeddings") or config.max_position_embeddings
    if rope.get("rope_type") in ("dynamic", "longrope") and trained < max_length:
        raise SerError(
            f"{folder}: beyond {trained} tokens its {rope['rope_type']} rotary embeddings change with the length of "
            f"the batch. Set encoding.max_length to at most {trained}."
        )


def load_model(folder: Path, head: Head, arithmetic: Arithmetic) -> PreTrainedModel:
    """The backbone of a model folder with a language-model head or a scalar reward head, on the arithmetic's device.

    Raises:
        SerError: the folder is not a model, is damaged, holds code, or is of a type that can only be scored.
    """
    model_type = _check(folder)
    if model_type not in PACKABLE:
        _accept_unpacked(folder, model_type, head)
    kind = AutoModelForCausalLM if head == "causal_lm" else AutoModelForSequenceClassification
    extra = {} if head == "causal_lm" else {"num_labels": 1}
    model = _loading(
        folder,
        lambda: kind.from_pretrained(
            folder,
            dtype=DTYPES[arithmetic.dtype],
            attn_implementation=_ATTENTION[arithmetic.attention] if model_type in PACKABLE else None,
            use_safetensors=True,
            trust_remote_code=False,
            **extra,
        ),
    )
    if head == "reward" and not hasattr(model, "score"):
        raise SerError(f"{folder}: {model_type} has no head that scores sequences. Use a decoder, for instance Llama.")
    model.config.use_cache = False
    return model.to(arithmetic.device).eval()


def run_layers(
    decoder: Any, batch: PackedBatch, first: int, last: int, hidden: torch.Tensor | None = None
) -> torch.Tensor:
    """Run decoder layers `first` … `last - 1` over a packed batch and return the hidden states [B, L, H].

    `hidden` are the states before layer `first`; without them the tokens are embedded, and `first` must be 0.
    """
    if hidden is None:
        hidden = decoder.embed_tokens(batch.input_ids)
    rotary = decoder.rotary_emb(hidden, batch.position_ids)
    mask = torch.zeros_like(batch.mask, dtype=hidden.dtype).masked_fill_(~batch.mask, torch.finfo(hidden.dtype).min)
    for layer in decoder.layers[first:last]:
        hidden = layer(hidden, attention_mask=mask, position_ids=batch.position_ids, position_embeddings=rotary)
    return hidden


def states_at(
    decoder: Any, batch: PackedBatch, first: int, columns: torch.Tensor, hidden: torch.Tensor | None = None
) -> torch.Tensor:
    """The normalised last states [B, N, H] at `columns` [B, N] of a packed batch, from those before layer `first`."""
    before = run_layers(decoder, batch, first, len(decoder.layers) - 1, hidden)
    return decoder.norm(last_layer_at(decoder, batch, before, columns))


def _accept_unpacked(folder: Path, model_type: str, head: Head) -> None:
    """Score other architectures in plain batches, and say so once; a policy needs a proven one."""
    if head == "causal_lm":
        raise SerError(
            f"{folder}: PPO and sft are not proven for model type {model_type!r}, only for {', '.join(PACKABLE)}. "
            "Run with --no-policy."
        )
    _warn_of_plain_batches(model_type)


@cache
def _warn_of_plain_batches(model_type: str) -> None:
    """Said once in a process, however many models of the type are loaded."""
    warnings.warn(
        f"packing is not proven for model type {model_type!r}: pairs are scored in plain batches, on all layers, "
        f"which takes several times as long. Proven are {', '.join(PACKABLE)}.",
        stacklevel=4,
    )


def _check(folder: Path) -> str:
    """Refuse what is not a plain safetensors model folder before any of it is loaded; return the model's type."""
    try:
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SerError(
            f"{folder} is not a readable model folder: config.json: {error}. "
            "Name a folder with config.json, tokenizer.json and *.safetensors."
        ) from error
    if (folder / "adapter_config.json").exists():
        raise SerError(f"{folder} holds an adapter, which names a model of its own. Name a folder with a whole model.")
    return model_type


def _loading(folder: Path, load):
    """Call a loader of transformers, and say which folder is damaged when it fails."""
    try:
        return load()
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        if "trust_remote_code" in str(error):
            raise SerError(
                f"the model in {folder} needs code of its own, which is never run. Use a model that transformers knows."
            ) from error
        raise SerError(
            f"the model in {folder} cannot be loaded: {reason or type(error).__name__}. Replace the folder."
        ) from error
