"""The weights of one backbone stay in the memory of a GPU between the stages that a process runs.

What a stage gets is a model of its own over the same tensors: adapters and heads come and go with it, and frozen
weights are never written.
"""

import copy
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ser.models.device_memory import collect_garbage
from ser.models.model_config import PACKABLE, read_config
from ser.specs import Arithmetic

_Stamp = tuple[Path, tuple[tuple[str, int, int], ...], Arithmetic]
_RESIDENT: dict[_Stamp, PreTrainedModel] = {}


def may_stay(folder: Path, arithmetic: Arithmetic) -> bool:
    """Whether a model's weights may be shared: no adapter is ever folded into them, and its type is a proven one."""
    if arithmetic.device == "cpu" or arithmetic.dtype == "float32" or arithmetic.weights != "full":
        return False
    return read_config(folder)["model_type"] in PACKABLE


def resident(folder: Path, arithmetic: Arithmetic, load: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """The causal language model of a folder: that which is in memory, or what `load` loads, which takes its place.

    It is for `over_same_weights` alone.
    """
    stamp = _stamp(folder, arithmetic)
    if stamp not in _RESIDENT:
        _RESIDENT.clear()  # two of them may not fit
        collect_garbage()
        _RESIDENT[stamp] = load().requires_grad_(False)
    return _RESIDENT[stamp]


def over_same_weights(model: PreTrainedModel) -> PreTrainedModel:
    """Another causal language model over the tensors of `model`."""
    tensors = chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def with_reward_head(model: PreTrainedModel) -> PreTrainedModel:
    """A sequence classifier over the tensors of a causal language model, with a new head."""
    language_model: Any = over_same_weights(model)
    language_model.config.num_labels = 1
    with torch.device("meta"):
        classifier: Any = AutoModelForSequenceClassification.from_config(language_model.config)
    place = {"device": model.device, "dtype": model.dtype}
    classifier.model = language_model.model
    classifier.score = nn.Linear(model.config.hidden_size, 1, bias=False, **place)
    classifier.config = language_model.config
    return classifier.eval()


def is_resident(folder: Path, arithmetic: Arithmetic) -> bool:
    """Whether a backbone is in memory."""
    return _stamp(folder, arithmetic) in _RESIDENT


def forget_resident() -> None:
    """Free the memory of the backbone."""
    _RESIDENT.clear()


def _stamp(folder: Path, arithmetic: Arithmetic) -> _Stamp:
    """What tells one state of a model folder from another."""
    facts = ((path.name, path.stat()) for path in sorted(folder.iterdir()))
    return folder.resolve(), tuple((name, one.st_size, one.st_mtime_ns) for name, one in facts), arithmetic
