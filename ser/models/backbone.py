"""The pretrained network under every model of a run: loading it safely, and running a range of its layers."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from ser.data.packing import PackedBatch
from ser.errors import SerError
from ser.models.attention import GROUPED
from ser.models.completeness import check_sizes, refuse_incomplete, refuse_non_finite, refuse_untied, refuse_unusable
from ser.models.folder_files import loading
from ser.models.last_layer import last_layer_at
from ser.models.model_config import PACKABLE, read_config
from ser.models.tokenizer import load_config
from ser.specs import Arithmetic

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ATTENTION = {"grouped": GROUPED, "sdpa": "sdpa"}
Head = Literal["causal_lm", "reward"]


def load_model(folder: Path, head: Head, arithmetic: Arithmetic) -> PreTrainedModel:
    """The backbone of a model folder with a language-model head or a scalar reward head, on the arithmetic's device.

    Raises:
        SerError: the folder is not a model, is damaged or incomplete, asks for code, or is of a type that can only be
            scored.
    """
    model_type = read_config(folder)["model_type"]
    if model_type not in PACKABLE:
        _accept_unpacked(folder, model_type, head)
    auto: Any = AutoModelForCausalLM if head == "causal_lm" else AutoModelForSequenceClassification
    options: dict[str, Any] = {} if head == "causal_lm" else {"num_labels": 1}
    check_sizes(folder, auto, options)
    config = load_config(folder, options)
    model, info = loading(
        folder,
        lambda: auto.from_pretrained(
            folder,
            config=config,
            dtype=DTYPES[arithmetic.dtype],
            attn_implementation=_ATTENTION[arithmetic.attention] if model_type in PACKABLE else None,
            experts_implementation=None,  # what the folder names instead may be code from a hub, as for attention
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
        ),
    )
    if head == "reward" and not hasattr(model, "score"):
        raise SerError(f"{folder}: {model_type} has no head that scores sequences. Use a decoder, for instance Llama.")
    refuse_incomplete(folder, info)
    if head == "causal_lm":
        refuse_untied(folder, model)
    model.config.use_cache, model.config.return_dict = False, True
    model.config.output_attentions, model.config.output_hidden_states = False, False
    model = model.to(arithmetic.device).eval()
    refuse_non_finite(folder, model.named_parameters())
    refuse_non_finite(folder, model.named_buffers())
    refuse_unusable(folder, model)
    return model


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
