"""The pretrained network under every model of a run: loading it safely."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from ser.errors import SerError
from ser.models.attention import GROUPED, VARLEN
from ser.models.completeness import check_sizes, refuse_incomplete, refuse_non_finite, refuse_untied, refuse_unusable
from ser.models.folder_files import loading
from ser.models.model_config import PACKABLE, read_config
from ser.models.nf4 import keep_as_loaded, loading_options, misshapen, stored_weights
from ser.models.norms import use_fused_norms
from ser.models.resident import may_stay, over_same_weights, resident, with_reward_head
from ser.models.tokenizer import load_config
from ser.specs import Arithmetic

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ATTENTION = {"grouped": GROUPED, "sdpa": "sdpa", "varlen": VARLEN}
Head = Literal["causal_lm", "reward"]


def load_model(folder: Path, head: Head, arithmetic: Arithmetic) -> PreTrainedModel:
    """The backbone of a model folder with a language-model head or a scalar reward head, on the arithmetic's device.

    On a GPU its frozen weights may be those of an earlier load: whoever writes them loads with `read_model`.

    Raises:
        SerError: the folder is not a model, is damaged or incomplete, asks for code, or is of a type that can only be
            scored.
    """
    if not may_stay(folder, arithmetic):
        return read_model(folder, head, arithmetic)
    whole = resident(folder, arithmetic, lambda: read_model(folder, "causal_lm", arithmetic))
    return over_same_weights(whole) if head == "causal_lm" else with_reward_head(whole)


def read_model(folder: Path, head: Head, arithmetic: Arithmetic) -> PreTrainedModel:
    """The same, read now, with weights of its own."""
    model_type = read_config(folder)["model_type"]
    if model_type not in PACKABLE:
        _accept_unpacked(folder, model_type, head)
    auto: Any = AutoModelForCausalLM if head == "causal_lm" else AutoModelForSequenceClassification
    options: dict[str, Any] = {} if head == "causal_lm" else {"num_labels": 1}
    check_sizes(folder, auto, options)
    config, how = load_config(folder, options), loading_options(arithmetic)
    dropout = getattr(config, "attention_dropout", None)
    if arithmetic.attention == "varlen" and dropout:
        raise SerError(
            f"{folder}: attention_dropout is {dropout} in config.json, and variable-length attention has none.\n"
            "Set it to 0 there; reward_model.lora.dropout drops what the adapters see."
        )
    if how:
        refuse_non_finite(folder, stored_weights(folder))
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
            **{**_place(arithmetic), **how},
        ),
    )
    if head == "reward" and not hasattr(model, "score"):
        raise SerError(f"{folder}: {model_type} has no head that scores sequences. Use a decoder, for instance Llama.")
    refuse_incomplete(folder, info | {"mismatched_keys": [*info["mismatched_keys"], *misshapen(model)]})
    if head == "causal_lm":
        refuse_untied(folder, model)
    if arithmetic.attention == "varlen":
        use_fused_norms(model)
    model.config.use_cache, model.config.return_dict = False, True
    model.config.output_attentions, model.config.output_hidden_states = False, False
    model = model.to(arithmetic.device).eval()
    keep_as_loaded(model)
    refuse_non_finite(folder, model.named_parameters())
    refuse_non_finite(folder, model.named_buffers())
    refuse_unusable(folder, model)
    return model


def _place(arithmetic: Arithmetic) -> dict[str, Any]:
    """Where weights are read to: straight to a GPU, for they may be more than the host has memory for."""
    return {} if arithmetic.device == "cpu" else {"device_map": {"": arithmetic.device}}


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
