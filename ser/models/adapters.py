"""Adapters of PEFT on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def save_adapter(model: Any, out: Path, name: str = "default", state: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write an adapter of a PEFT model, with the modules that it saves whole, as a PEFT folder.

    The folder is `out`, and for an adapter of another name than PEFT's own, a folder of that name in it. `state` is the
    whole model's state dict, where what lies in its parameters is only a shard of them.
    """
    model.create_or_update_model_card = _no_card  # a template that costs more than the rest of a checkpoint
    model.save_pretrained(str(out), safe_serialization=True, selected_adapters=[name], state_dict=state)
    _plain_config((out if name == "default" else out / name) / "adapter_config.json")


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
