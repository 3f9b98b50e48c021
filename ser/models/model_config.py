"""The configuration of a model folder, and what it may not ask for."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ser.errors import SerError
from ser.models.folder_files import check_files, read_json

PACKABLE = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose decoder layers take a mask and positions of ours unchanged: the tests prove each."""

_MOST_LAYERS, _MOST_LABELS = 1_000, 100_000
_KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
_NEVER_GIVEN = ("transformers_weights", "fusion_config", "per_layer_config", "configuration_files")
"""What makes transformers load other weights, or another model or configuration, than the folder shows."""


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says. All files that transformers may open have been looked at by then.

    Raises:
        SerError: the folder is not a plain model folder, or asks for what no setting asked for.
    """
    check_files(folder)
    try:
        config = read_json(folder / "config.json")
        if not isinstance(config["model_type"], str):
            raise ValueError("model_type is no text")
        if config["model_type"] in PACKABLE and config.get("num_hidden_layers") is None:
            raise ValueError("it has no num_hidden_layers")
    except (OSError, ValueError, KeyError) as error:
        raise SerError(
            f"{folder} is not a readable model folder: config.json: {error}. "
            "Name a folder with config.json, tokenizer.json and *.safetensors."
        ) from error
    if (folder / "adapter_config.json").exists():
        raise SerError(f"{folder} holds an adapter, which names a model of its own. Name a folder with a whole model.")
    for part in _objects(config):
        _refuse_requests(folder, part)
        _refuse_sizes(folder, part)
    return config


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The configuration and those in it: some models consist of several."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _objects(item)


def _refuse_requests(folder: Path, config: dict[str, Any]) -> None:
    if config.get("quantization_config") is not None:
        raise SerError(
            f"{folder}: config.json has a quantization_config, and weights that are quantised already are not "
            "read. Use the folder of the model as it was before, with compute.weights."
        )
    for key in _KERNELS:
        names = config.get(key)
        for name in names.values() if isinstance(names, dict) else (names,):
            if name is not None and not (isinstance(name, str) and name.isidentifier()):
                raise SerError(
                    f"{folder}: config.json names {name!r} in {key}, which is code from elsewhere, and is never run. "
                    f"Remove {key}."
                )
    for key in _NEVER_GIVEN:
        if config.get(key) is not None:
            raise SerError(f"{folder}: config.json has {key}, under which no model is loaded. Remove it.")


def _refuse_sizes(folder: Path, config: dict[str, Any]) -> None:
    """Refuse numbers that are none, and counts of which a list would be made before any weight is looked at."""
    for key, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SerError(f"{folder}: {key} in config.json is {value}. Replace the folder.")
        most = {"num_hidden_layers": _MOST_LAYERS, "num_labels": _MOST_LABELS}.get(key)
        if most is not None and value is not None and (type(value) is not int or not 0 < value <= most):
            raise SerError(
                f"{folder}: {key} in config.json is {str(value)[:40]!r}, which is no number from 1 to {most:,}. "
                "Replace the folder."
            )
