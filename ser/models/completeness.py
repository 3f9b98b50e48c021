"""Is a model that was loaded the one in its folder? Sizes before loading, names and numbers after it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from ser.models.folder_files import loading, some_of, unreadable, wording
from ser.models.model_config import read_config
from ser.models.tokenizer import load_config
from ser.models.weight_files import read_headers, refuse_types, weight_files

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
        there = [(name, weights[name].shape, tuple(one.shape)) for name, one in own.items() if name in weights]
        _refuse_sizes(folder, [one for one in there if one[1] != one[2]])
        _refuse_missing(folder, own.keys() - weights.keys())
    constants = sum(buffer.numel() for buffer in outline.buffers())
    if constants > _MOST_CONSTANTS:
        raise unreadable(folder, f"its config.json makes it compute {constants:,} constants")


def refuse_incomplete(folder: Path, info: Mapping[str, Any]) -> None:
    """Refuse a model of which something in the folder, or in memory, had no counterpart.

    A head is no part of a backbone: that of another task is passed over, and a new one is ours to begin.

    Args:
        info: what transformers says of a loading.

    Raises:
        SerError: names some of the weights.
    """
    _refuse_missing(folder, [name for name in info["missing_keys"] if not name.startswith(REWARD_HEAD)])
    _refuse_sizes(folder, [one for one in info["mismatched_keys"] if not one[0].startswith(REWARD_HEAD)])
    unexpected = [name for name in info["unexpected_keys"] if not name.startswith(_HEADS)]
    if unexpected:
        raise unreadable(folder, f"there are weights of another model: {some_of(unexpected)}")
    if info["error_msgs"]:
        raise unreadable(folder, f"the weights could not be read: {some_of(map(str, info['error_msgs']))}")


def _refuse_missing(folder: Path, missing: Iterable[str]) -> None:
    names = list(missing)
    if names:
        raise unreadable(folder, f"weights are missing: {some_of(names)}")


def _refuse_sizes(folder: Path, other: Iterable[tuple[str, Iterable[int], Iterable[int]]]) -> None:
    """`other`: names, with the shapes in the file and in the model."""
    texts = [wording(f"{name} {list(there)} where config.json says {list(here)}") for name, there, here in other]
    if texts:
        raise unreadable(folder, f"the weights have other sizes than config.json says: {some_of(texts)}")


def refuse_non_finite(folder: Path, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Refuse weights that are infinite or no numbers.

    Raises:
        SerError: names some of them.
    """
    bad = non_finite(tensors)
    if bad:
        raise unreadable(folder, f"weights are not finite numbers: {some_of(bad)}")


def non_finite(tensors: Iterable[tuple[str, torch.Tensor]]) -> list[str]:
    """The names of tensors in which an infinity stands or what is no number; each is passed once and not copied."""
    return [name for name, tensor in tensors if tensor.is_floating_point() and not _is_finite(tensor)]


def _is_finite(tensor: torch.Tensor) -> bool:
    if tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor.detach())
    return bool(torch.isfinite(low) & torch.isfinite(high))
