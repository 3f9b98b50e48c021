"""What a killed training needs to continue: one file, replaced as a whole."""

from pathlib import Path
from typing import Any

import torch

from ser.kept import keep_as, put_in_place

NAME = "checkpoint.pt"


def save(state: dict[str, Any], folder: Path) -> None:
    """Replace the checkpoint in `folder`: at any moment the old or the new one is there, whole."""
    temporary = keep_as(folder, f"{NAME}.new")
    torch.save(state, temporary)
    put_in_place(temporary, keep_as(folder, NAME))


def load(folder: Path) -> dict[str, Any] | None:
    """The checkpoint in `folder`, if there is one. Tensors and plain values only; code in it is refused."""
    path = keep_as(folder, NAME)
    return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None
