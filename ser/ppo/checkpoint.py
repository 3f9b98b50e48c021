"""What a killed training needs to continue: one file, replaced as a whole."""

import os
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


def save(state: dict[str, Any], folder: Path) -> None:
    """Replace the checkpoint in `folder`: at any moment the old or the new one is there, whole."""
    temporary = folder / f".{NAME}.tmp"
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)


def load(folder: Path) -> dict[str, Any] | None:
    """The checkpoint in `folder`, if there is one. Tensors and plain values only; code in it is refused."""
    path = folder / NAME
    return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None


def remove(folder: Path) -> None:
    """Forget the checkpoint of a training that is complete."""
    for name in (NAME, f".{NAME}.tmp"):
        (folder / name).unlink(missing_ok=True)
