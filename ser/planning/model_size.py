"""How many parameters a configuration has: the model itself is built, on the device that stores nothing."""

from collections.abc import Mapping
from typing import Any


def count_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of the causal language model of a configuration, tied weights once."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = dict(config)
    built = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(built)
    return sum(parameter.numel() for parameter in model.parameters())
