"""Frozen weights in 4 bits: NF4 of QLoRA (arXiv 2305.14314), by bitsandbytes.

The linear layers under the adapters are rounded as they are loaded, and every product is computed in the type of the
arithmetic; embeddings, norms and heads stay as they are. An adapter is never folded into such weights.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ser.errors import SerError
from ser.models.weight_files import weight_files
from ser.specs import Arithmetic


def require_bitsandbytes() -> None:
    """Raise where the library that 4 bits need is not installed.

    Raises:
        SerError: names the command that installs it.
    """
    if find_spec("bitsandbytes") is None:
        raise SerError(
            "setting 'compute.weights' is impossible: nf4 needs bitsandbytes, which is not installed.\n"
            "Run `pip install 'ser-dagster[gpu]'`, or set it to \"full\"."
        )


def loading_options(arithmetic: Arithmetic) -> dict[str, Any]:
    """What transformers is told beside the type of the numbers: nothing for full weights."""
    if arithmetic.weights == "full":
        return {}
    require_bitsandbytes()
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=arithmetic.dtype,
        llm_int8_skip_modules=["lm_head", "score"],
    )
    return {"quantization_config": quantization, "device_map": {"": arithmetic.device}}


def is_in_four_bits(model: Any) -> bool:
    """Whether a model of transformers was loaded with the options for 4 bits."""
    return getattr(model.config, "quantization_config", None) is not None


def keep_as_loaded(model: Any) -> None:
    """Leave the 4 bits of a model as they are.

    On a processor with AVX512-BF16 bitsandbytes rounds its scales once more for the first product without gradients:
    rewards would depend on what ran before.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def misshapen(model: Any) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Weights in 4 bits of other sizes than their layers, with both sizes: transformers takes them as they come."""
    for name, module in model.named_modules():
        if (state := getattr(getattr(module, "weight", None), "quant_state", None)) is not None:
            there, here = tuple(state.shape), (module.out_features, module.in_features)
            if there != here:
                yield f"{name}.weight", there, here


def stored_weights(folder: Path) -> Iterator[tuple[str, Any]]:
    """The weights of a model folder by name, one after the other: 4 bits no longer show which of them was a number."""
    from safetensors import safe_open

    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                yield name, file.get_tensor(name)
