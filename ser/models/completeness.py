"""Is a model that was loaded the one in its folder? Sizes before loading, names and numbers after it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from ser.models.folder_files import loading, some_of, unreadable
from ser.models.model_config import read_config
from ser.models.tokenizer import load_config
from ser.models.weight_files import Weight, read_headers, refuse_types, weight_files

REWARD_HEAD = "score."
_HEADS = (REWARD_HEAD, "lm_head.", "embed_out.", "output_projection.")
"""Heads of sequence classifiers and of language models, as transformers names them: each has no use for the other's."""

_MOST_CONSTANTS = 2**27
"""Numbers that a model computes from its configuration, such as a causal mask: more than any model has."""


def check_sizes(folder: Path, auto: Any, options: Mapping[str, Any]) -> None:
    """Compare what the configuration asks for with what the files hold, before anything is allocated.

    Args:
        auto: the class of transformers that is going to load the folder.
        options: what it is going to be told about the configuration.

    Raises:
        SerError: names tensors of other sizes, or how many numbers too few there are.
    """
    read_config(folder)
    files = [folder / "config.json", *weight_files(folder)]
    marks = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    _check_sizes(folder, auto, tuple(options.items()), marks)


@lru_cache(maxsize=64)
def _check_sizes(folder: Path, auto: Any, options: tuple[tuple[str, Any], ...], marks: Any) -> None:
    """Once in a process while the files have the sizes and times in `marks`: an outline of 30 layers takes 0.2 s."""
    weights = read_headers(folder)
    config = load_config(folder)
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > len(weights):
        raise unreadable(folder, f"config.json says {layers:,} layers, and there are {len(weights):,} tensors in all")
    for name, value in options:
        setattr(config, name, value)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        make = partial(auto.from_config, config, attn_implementation="eager", trust_remote_code=False)
        outline = loading(folder, make)
    # Of weights that are tied it has one.
    own = {name: one for name, one in outline.named_parameters() if not name.startswith(REWARD_HEAD)}
    refuse_types(folder, weights, own.keys())
    held = sum(torch.Size(weight.shape).numel() for weight in weights.values())
    if sum(parameter.numel() for parameter in own.values()) > held:
        raise unreadable(folder, _too_few(own, weights))
    constants = sum(buffer.numel() for buffer in outline.buffers())
    if constants > _MOST_CONSTANTS:
        raise unreadable(folder, f"its config.json makes it compute {constants:,} constants")


def _too_few(own: Mapping[str, torch.Tensor], weights: Mapping[str, Weight]) -> str:
    other = [
        f"{name} {list(weights[name].shape)} where config.json says {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tuple(tensor.shape)
    ]
    if other:
        return f"the weights have other sizes than config.json says: {some_of(other)}"
    return f"weights are missing: {some_of(name for name in own if name not in weights)}"


def refuse_incomplete(folder: Path, info: Mapping[str, Any]) -> None:
    """Refuse a model of which something in the folder, or in memory, had no counterpart.

    A head is no part of a backbone: that of another task is passed over, and a new one is ours to begin.

    Args:
        info: what transformers says of a loading.

    Raises:
        SerError: names some of the weights.
    """
    missing = [name for name in info["missing_keys"] if not name.startswith(REWARD_HEAD)]
    other = [
        f"{name} {list(there)} where config.json says {list(here)}"
        for name, there, here in info["mismatched_keys"]
        if not name.startswith(REWARD_HEAD)
    ]
    unexpected = [name for name in info["unexpected_keys"] if not name.startswith(_HEADS)]
    for what, names in (
        ("weights are missing", missing),
        ("the weights have other sizes than config.json says", other),
        ("there are weights of another model", unexpected),
        ("the weights could not be read", [" ".join(str(one).split())[:200] for one in info["error_msgs"]]),
    ):
        if names:
            raise unreadable(folder, f"{what}: {some_of(names)}")


def refuse_non_finite(folder: Path, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Refuse weights that are infinite or no numbers.

    Raises:
        SerError: names some of them.
    """
    bad = [name for name, tensor in tensors if tensor.is_floating_point() and not _is_finite(tensor)]
    if bad:
        raise unreadable(folder, f"weights are not finite numbers: {some_of(bad)}")


def _is_finite(tensor: torch.Tensor) -> bool:
    """In one pass, and without a copy."""
    if tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor.detach())
    return bool(torch.isfinite(low) & torch.isfinite(high))
