"""What autograd saves of a token is what the plan says."""

import pytest
import torch
from peft import get_peft_model
from torch.nn import functional
from transformers import AttentionInterface, LlamaConfig, LlamaForSequenceClassification

from ser.models.backbone import DTYPES
from ser.models.lora import compute_in_backbone_type
from ser.models.reward_model import _to_float32, lora_config
from ser.planning.memory import BYTES, saved_bytes_a_token
from ser.planning.shape import ModelShape
from ser.specs import Lora

TOKENS = 256
NAMES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
SHAPES = {
    "grouped heads, wide": (64, 224, 4, 1),
    "all heads, narrow": (96, 128, 6, 6),
}


def flash(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    """Attention that keeps no scores, as on a GPU."""
    grouped = query.shape[1] != key.shape[1]
    mixed = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped
    )
    return mixed.transpose(1, 2).contiguous(), None


def measure_saved(config: LlamaConfig, lora: Lora, dtype: str) -> float:
    """Bytes a token and layer that a forward pass through the adapted layers saves, weights left out."""
    AttentionInterface.register("test_flash", flash)
    model = LlamaForSequenceClassification(config).to(DTYPES[dtype])
    model.config._attn_implementation = "test_flash"
    adapted = get_peft_model(model, lora_config(lora, model.config, modules_to_save=["score"], task_type="SEQ_CLS"))
    _to_float32(adapted)
    compute_in_backbone_type(adapted)
    decoder = adapted.train().get_base_model().model
    hidden = torch.randn(1, TOKENS, config.hidden_size, dtype=DTYPES[dtype], requires_grad=True)
    rotary = decoder.rotary_emb(hidden, torch.arange(TOKENS)[None])
    shared = {one.untyped_storage().data_ptr() for one in [*adapted.parameters(), *rotary]}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    states = hidden
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        for layer in decoder.layers:
            states = layer(states, attention_mask=None, position_ids=None, position_embeddings=rotary)
    held = sum(one.untyped_storage().nbytes() for place, one in saved.items() if place not in shared)
    return held / TOKENS / config.num_hidden_layers


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES.keys())
def test_saved_bytes_are_predicted_within_a_tenth(sizes: tuple[int, ...], dtype: str, dropout: float) -> None:
    config = LlamaConfig(vocab_size=32, num_hidden_layers=2, **dict(zip(NAMES, sizes, strict=True)))
    lora = Lora(r=4, top=1.0, dropout=dropout)
    predicted = saved_bytes_a_token(ModelShape.from_config(config.to_dict()), lora, BYTES[dtype], fused_norms=False)
    assert predicted == pytest.approx(measure_saved(config, lora, dtype), rel=0.1)
