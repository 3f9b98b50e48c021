"""Adapters of PEFT on disk."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file

from ser.errors import SerError, shortened
from ser.models.completeness import refuse_non_finite, refuse_unusable
from ser.models.folder_files import check_files, loading, read_json, some_of, unreadable, wording
from ser.models.weight_files import read_header, refuse_types

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
Built = TypeVar("Built")
Task = Literal["SEQ_CLS", "CAUSAL_LM"]
"""A reward model, whose head is saved with the adapter, or a policy, in PEFT's words."""

_SHAPE = ("r", "lora_alpha", "lora_dropout", "target_modules", "layers_to_transform")
_READ = ("peft_type", "task_type", "modules_to_save")
_OF_NO_EFFECT = (
    "peft_version", "base_model_name_or_path", "revision", "auto_mapping", "inference_mode", "fan_in_fan_out",
)  # fmt: skip
"""What a configuration says of where it comes from, which nothing here looks up, and what PEFT sets by the layer."""

_OWN = re.compile(r"base_model\.model\.(.+\.lora_[AB]|score)\.weight")
"""Weights that an adapter of ours has. PEFT would put any other into the backbone that several models share."""

_LARGEST_ALPHA = 10**9


def save_adapter(model: Any, out: Path, name: str = "default", state: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write an adapter of a PEFT model, with the modules that it saves whole, as a PEFT folder.

    The folder is `out`, and for an adapter of another name than PEFT's own, a folder of that name in it. `state` is the
    whole model's state dict, where what lies in its parameters is only a shard of them.
    """
    model.create_or_update_model_card = _no_card  # a template that costs more than the rest of a checkpoint
    model.save_pretrained(str(out), safe_serialization=True, selected_adapters=[name], state_dict=state)
    _plain_config((out if name == "default" else out / name) / CONFIG)


def load_adapter(model: Any, folder: Path, task: Task, *, trainable: bool = False) -> PeftModel:
    """A model with the adapter of a PEFT folder over it, and for a reward model with the head in the folder.

    Raises:
        SerError: the folder is no adapter of ours, is damaged, or was trained over another backbone.
    """
    state, config = read_adapter(folder, task)
    config.task_type, config.inference_mode = task, not trainable
    config.modules_to_save = ["score"] if task == "SEQ_CLS" else None
    peft = _fitting(folder, lambda: get_peft_model(model, config, low_cpu_mem_usage=True))
    fill_adapter(peft, folder, state)
    peft.eval()
    refuse_unusable(folder, peft.get_base_model())
    return peft


def add_adapter(
    model: PeftModel, folder: Path, state: Mapping[str, torch.Tensor], config: LoraConfig, name: str
) -> None:
    """Add the adapter of a folder, as `read_adapter` gives it, to those of a model, and switch it on.

    Raises:
        SerError: it does not fit the model.
    """
    config.inference_mode = True
    _fitting(folder, lambda: model.add_adapter(name, config, low_cpu_mem_usage=True))
    fill_adapter(model, folder, state, name)
    model.set_adapter(name)
    model.eval()
    refuse_unusable(folder, model.get_base_model())


def fill_adapter(model: PeftModel, folder: Path, state: Mapping[str, torch.Tensor], name: str = "default") -> None:
    """Put the weights `state` of the adapter in a folder into the adapter `name` of a model, all of them.

    What lies on the meta device is allocated, once it is known that the weights have the same names and sizes.

    Raises:
        SerError: names weights that are missing, are of other sizes, or have no place in the model.
    """
    _check_places(model, folder, state, name)
    for path, module in model.named_modules():
        if path.endswith((f".lora_A.{name}", f".lora_B.{name}")) and any(one.is_meta for one in module.parameters()):
            module.to_empty(device=model.device)
    try:
        result: Any = set_peft_model_state_dict(model, dict(state), adapter_name=name)
    except KeyError as error:
        raise _misfit(folder, f"it has no {error.args[0]}") from error
    except RuntimeError as error:
        raise _misfit(folder, shortened(error)) from error
    if result.unexpected_keys:
        raise _misfit(folder, f"the model has no {some_of(result.unexpected_keys)}")


def _check_places(model: PeftModel, folder: Path, state: Mapping[str, torch.Tensor], name: str) -> None:
    own = {
        key.replace(f".{name}", "", 1): tuple(one.shape)
        for key, one in model.named_parameters()
        if "lora_" in key and f".{name}." in f"{key}."
    }
    there = {key: tuple(one.shape) for key, one in state.items() if ".lora_" in key}
    if own.keys() - there.keys():
        raise _misfit(folder, f"it lacks {some_of(own.keys() - there.keys())}")
    if there.keys() - own.keys():
        raise _misfit(folder, f"the model has no {some_of(there.keys() - own.keys())}")
    other = [wording(f"{key} {list(there[key])} instead of {list(own[key])}") for key in own if there[key] != own[key]]
    if other:
        raise _misfit(folder, f"it has {some_of(other)}")


def read_adapter(folder: Path, task: Task) -> tuple[dict[str, torch.Tensor], LoraConfig]:
    """The weights of an adapter folder, in memory, and the adapter's shape.

    Raises:
        SerError: they are damaged, or belong to another kind of model.
    """
    state, said = read_weights(folder), _read_config(folder)
    problem = _problem(said, task)
    if problem is not None:
        raise unreadable(folder, f"in {CONFIG}, {problem} is {said.get(problem)!r:.60}")
    _check_rank(folder, said["r"], state)
    return state, loading(folder, lambda: LoraConfig(**{key: said[key] for key in _SHAPE if said.get(key) is not None}))


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of an adapter folder in float32, in memory. Nothing but safetensors is read: a pickle may hold code.

    Raises:
        SerError: there are none, they are damaged, or some are no adapter's.
    """
    check_files(folder)
    if not (folder / WEIGHTS).is_file():
        raise SerError(f"the adapter in {folder} has no {WEIGHTS}. Nothing else is read: a pickle may hold code.")
    header = read_header(folder / WEIGHTS)
    other = [name for name in header if not _OWN.fullmatch(name)]
    if other:
        raise unreadable(folder, f"{WEIGHTS} has weights that belong to no adapter: {some_of(other)}")
    refuse_types(folder, header, ())
    state: dict[str, torch.Tensor] = {name: one.float() for name, one in load_file(folder / WEIGHTS).items()}
    refuse_non_finite(folder, state.items())
    return state


def _read_config(folder: Path) -> dict[str, Any]:
    """What adapter_config.json says, which is not more than an adapter of ours needs."""
    try:
        said = read_json(folder / CONFIG)
    except (OSError, ValueError) as error:
        raise unreadable(folder, f"{CONFIG}: {shortened(error)}") from error
    usual = LoraConfig().to_dict()
    for key, value in said.items():
        if key not in (*_SHAPE, *_READ, *_OF_NO_EFFECT) and value and value != usual.get(key):
            raise SerError(f"the adapter in {folder} has {key} = {value!r:.60}, which no adapter of this project has.")
    return said


def _problem(said: Mapping[str, Any], task: Task) -> str | None:
    """The first key whose value no adapter of ours has. Modules are names: a pattern might never end."""
    values: Any = (said.get(key) for key in _SHAPE)
    rank, alpha, dropout, modules, layers = values
    fine = {
        "peft_type": said.get("peft_type") == "LORA",
        "task_type": said.get("task_type") == task,
        "r": type(rank) is int and rank > 0,
        "lora_alpha": type(alpha) in (int, float) and 0 < alpha <= _LARGEST_ALPHA,
        "lora_dropout": type(dropout) in (int, float) and 0 <= dropout < 1,
        "target_modules": modules == "all-linear" or _all(modules, str),
        "layers_to_transform": layers is None or (_all(layers, int) and min(layers) >= 0),
    }
    return next((key for key, right in fine.items() if not right), None)


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and bool(values) and all(type(value) is kind for value in values)


def _check_rank(folder: Path, r: int, state: Mapping[str, torch.Tensor]) -> None:
    """Before anything of that size is allocated."""
    ranks = {name: one.shape[0] for name, one in state.items() if ".lora_A." in name and one.dim() == 2}
    for name, rank in ranks.items():
        if rank != r:
            raise unreadable(folder, f"{CONFIG} says r = {r:,}, and {name} has rank {rank:,}")
    if not ranks:
        raise unreadable(folder, f"{WEIGHTS} has no adapter in it")
    empty = [name for name, one in state.items() if one.numel() == 0]
    if empty:
        raise unreadable(folder, f"{WEIGHTS} has weights without a number: {some_of(empty)}")


def _fitting(folder: Path, build: Callable[[], Built]) -> Built:
    try:
        return build()
    except Exception as error:
        raise _misfit(folder, shortened(error)) from error


def _misfit(folder: Path, reason: str) -> SerError:
    return SerError(
        f"the adapter in {folder} does not fit the backbone: {reason}. Name the backbone that it was trained on."
    )


def _no_card(folder: str) -> None:
    """Write none: `ser export` writes a card that says what the model is."""


def _plain_config(path: Path) -> None:
    """Drop from PEFT's configuration what depends on where the backbone lies, and fix the order of its sets."""
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = None
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[key] = sorted(value)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
