"""Is a model that was loaded the one in its folder? Sizes before loading, names and numbers after it."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from ser.models.folder_files import loading, some_of, unreadable, wording
from ser.models.model_config import PACKABLE, read_config
from ser.models.tokenizer import GROWING, load_config
from ser.models.weight_files import read_headers, refuse_types, weight_files

REWARD_HEAD = "score."
_HEAD = re.compile(r"(score|lm_head|embed_out|output_projection)(\.\d+)*\.(weight|bias)")
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
    config = load_config(folder, dict(options))
    layers = getattr(config, "num_hidden_layers", None)
    tensors = sum(0 not in weight.shape for weight in weights.values())
    if isinstance(layers, int) and layers > tensors:
        raise unreadable(folder, f"config.json says {layers:,} layers, and there are {tensors:,} tensors in all")
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        make = partial(auto.from_config, config, attn_implementation="eager", trust_remote_code=False)
        outline = loading(folder, make)
    _refuse_twice(folder, weights, outline.base_model_prefix)
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
    unexpected = [name for name in info["unexpected_keys"] if not _HEAD.fullmatch(name)]
    if unexpected:
        raise unreadable(folder, f"there are weights of another model: {some_of(unexpected)}")
    if info["error_msgs"]:
        raise unreadable(folder, f"the weights could not be read: {some_of(map(str, info['error_msgs']))}")


def refuse_untied(folder: Path, model: Any) -> None:
    """Refuse a language model with another head than its configuration says: transformers takes the head in the files.

    Raises:
        SerError: names the setting.
    """
    head = model.get_output_embeddings()
    tied = model.config.tie_word_embeddings
    if tied and head is not None and head.weight is not model.get_input_embeddings().weight:
        raise unreadable(folder, "config.json says tie_word_embeddings, and the head in its weights is another one")


def refuse_unusable(folder: Path, model: Any) -> None:
    """Run a few tokens through a model.

    Much in a configuration is read only now, and sound weights may make no number of it. Where rotary embeddings follow
    the longest sequence, the last positions come before the first, which leave the embeddings as they were.

    Raises:
        SerError: the model fails, or what it computes is not finite.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    tokens = torch.tensor([[0, rows // 2, rows - 1]], device=model.device)
    positions = torch.arange(tokens.shape[1], device=model.device)[None]

    def states() -> torch.Tensor:
        run = partial(model.base_model, input_ids=tokens, use_cache=False)
        rope = getattr(model.config, "rope_parameters", None) or {}
        if model.config.model_type not in PACKABLE or rope.get("rope_type") not in GROWING:
            return run().last_hidden_state
        last = run(position_ids=positions + model.config.max_position_embeddings - tokens.shape[1])
        return torch.cat((last.last_hidden_state, run().last_hidden_state))

    with torch.no_grad():
        if not _is_finite(loading(folder, states)):
            raise unreadable(folder, "what it computes for a few tokens is not finite")


def _refuse_twice(folder: Path, names: Iterable[str], prefix: str) -> None:
    """Refuse two tensors for one weight, with the prefix of the model and without: transformers takes any of them."""
    seen: dict[str, str] = {}
    for name in names if prefix else ():
        # Behind the prefix stands any character: transformers takes off `model_` as well as `model.`.
        other = seen.setdefault(re.sub(f"^({re.escape(prefix)}.)+", "", name), name)
        if other != name:
            raise unreadable(folder, f"there are two tensors for one weight: {wording(f'{other} and {name}')}")


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
    """The names of tensors with an infinity or what is no real number in them; each is passed once and not copied."""
    numbers = ((name, tensor) for name, tensor in tensors if tensor.is_floating_point() or tensor.is_complex())
    return [name for name, tensor in numbers if tensor.is_complex() or not _is_finite(tensor)]


def _is_finite(tensor: torch.Tensor) -> bool:
    if tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor.detach())
    return bool(torch.isfinite(low) & torch.isfinite(high))
