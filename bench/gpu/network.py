"""The networks that are measured: one set of random weights in memory, and as many models over it as are needed."""

import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from peft import get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from ser.models.attention import VARLEN
from ser.models.lora import compute_in_backbone_type
from ser.models.norms import use_fused_norms
from ser.models.reward_model import RewardModel, lora_config
from ser.planning.shape import ModelShape
from ser.specs import Lora

_LLAMA_3_8B: dict[str, Any] = {
    "vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8,
}  # fmt: skip
_TINY: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


@dataclass
class Network:
    """Random weights of a sequence classifier, on a device; nothing writes to them.

    Attributes:
        base: transformers' own model with PyTorch's attention, with whose head all others begin.
        shape: its sizes.
        device, dtype: where it lies, and of its weights.
    """

    base: Any
    shape: ModelShape
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def build(cls, device: torch.device, *, tiny: bool) -> "Network":
        """The architecture of Llama 3 8B in bfloat16, or two small layers in float32."""
        dtype = torch.float32 if tiny else torch.bfloat16
        config = configuration(tiny=tiny)
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                base = LlamaForSequenceClassification(config)
        finally:
            torch.set_default_dtype(before)
        base.score.weight.data.normal_(0, 0.02)
        return cls(base.eval().requires_grad_(False), ModelShape.from_config(config.to_dict()), device, dtype)

    def peer(self, head: torch.dtype | None = None) -> Any:
        """A sequence classifier of transformers with modules of its own over the same weights."""
        shared = chain(self.base.parameters(), self.base.buffers())
        other = copy.deepcopy(self.base, {id(one): one for one in shared})
        other.score = copy.deepcopy(self.base.score).to(head or self.dtype)  # the only weights that are trained
        return other

    def ours(self) -> Any:
        """The same as our engine wants it: attention of variable length and fused norms."""
        other = self.peer(torch.float32)
        _for_our_engine(other)
        return other

    def reward_model(self, lora: Lora) -> RewardModel:
        """An untrained reward model of ours, whose rewards are those of `base` up to rounding."""
        model = RewardModel.over(self.ours(), lora, random_seed=0)
        model.classifier.score.modules_to_save["default"].weight.data.copy_(self.base.score.weight)
        return model

    def language_model(self, classifier: Any) -> Any:
        """The layers of a classifier under a language-model head, the same one for all."""
        with torch.device("meta"):
            model: Any = LlamaForCausalLM(classifier.config)
        model.model = classifier.model
        model.lm_head.weight = self._head
        return model.eval()

    def policies(self, lora: Lora) -> tuple[Any, Any]:
        """The same untrained policy twice: with PEFT's LoRA layers, and as our engine wants it."""
        config = lora_config(lora, self.base.config, task_type="CAUSAL_LM")
        models = [self.language_model(one) for one in (self.peer(), self.ours())]
        theirs, ours = (get_peft_model(one, copy.deepcopy(config)).eval() for one in models)
        compute_in_backbone_type(ours)
        return theirs, ours.get_base_model()

    @cached_property
    def _head(self) -> torch.nn.Parameter:
        """[vocabulary, hidden]."""
        torch.manual_seed(0)
        weight = torch.empty(self.shape.vocabulary, self.shape.hidden, device=self.device, dtype=self.dtype)
        return torch.nn.Parameter(weight.normal_(0, 0.02), requires_grad=False)


def configuration(*, tiny: bool) -> LlamaConfig:
    """The architecture, for rewards."""
    config = LlamaConfig(
        **(_TINY if tiny else _LLAMA_3_8B) | {"num_labels": 1},
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        use_cache=False,
    )
    config._attn_implementation = "sdpa"
    return config


def _for_our_engine(model: Any) -> None:
    """What `load_model` does to a backbone for attention of variable length."""
    for config in {id(one.config): one.config for one in model.modules() if hasattr(one, "config")}.values():
        config._attn_implementation = VARLEN
    use_fused_norms(model)
