"""A cache of states on disk: a file a slice, and what says what they are of and where those of a pair lie."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ser.data import tables
from ser.slices import Slices
from ser.specs import Arithmetic

FACTS, INDEX = "cache.json", "index.parquet"
"""Say what the states in a folder are of, and where those of a pair lie: written before the first of them."""
_KNOWN = ("encoded", "trunk", "arithmetic")


class StatesCache:
    """States on disk, of which any slice may be missing, damaged or removed at any time: then it has none."""

    def __init__(self, folder: Path, facts: dict[str, Any]):
        self.index = folder / INDEX
        self._slices = Slices(folder, facts["slices"])
        self._storage, self._hidden_size = np.dtype(facts["storage"]), facts["hidden_size"]
        self._whole: dict[int, bool] = {}

    @classmethod
    def like(cls, folder: Path, facts: Mapping[str, Any]) -> "StatesCache | None":
        """The cache in `folder`, if it holds states as `facts` say, of whatever tokens.

        None while it has none, or if what it says of itself cannot be read: a cache may be anything.
        """
        try:
            own = json.loads((folder / FACTS).read_text())
        except (OSError, ValueError):
            return None
        if not tables.is_readable(folder / INDEX):
            return None
        alike = all(own.get(name) == facts[name] for name in ("trunk", "arithmetic", "hidden_size", "storage"))
        return cls(folder, own) if alike and own["slices"] else None

    @classmethod
    def open(cls, folder: Path | None, encoded: Path, trunk: int, arithmetic: Arithmetic) -> "StatesCache | None":
        """The cache in `folder`, if it holds the states of these tokens after so many layers in this arithmetic.

        Over which backbone is for whoever names the folder to know.
        """
        if folder is None or not (folder / FACTS).exists():
            return None
        facts = json.loads((folder / FACTS).read_text())
        if {name: facts.get(name) for name in _KNOWN} != facts_of(encoded, trunk, arithmetic) or not facts["slices"]:
            return None
        return cls(folder, facts)

    def read(self, number: int, first: int, tokens: int) -> torch.Tensor | None:
        """The states [tokens, H] from token `first` of a slice on.

        A slice is checked when it is first read, and removed if it is damaged: the next run makes it again.
        """
        path = self._slices.path(number)
        if number not in self._whole:
            self._whole[number] = self._slices.is_whole(number)
            if not self._whole[number]:
                path.unlink(missing_ok=True)
        if not self._whole[number]:
            return None
        offset = first * self._hidden_size * self._storage.itemsize
        try:  # read and not mapped: the pages of a map would count as memory of the process
            flat = np.fromfile(path, self._storage, tokens * self._hidden_size, offset=offset)
        except FileNotFoundError:
            self._whole[number] = False
            return None
        rows = torch.from_numpy(flat).view(tokens, self._hidden_size)
        return rows.view(torch.bfloat16) if rows.dtype == torch.int16 else rows


def facts_of(encoded: Path, trunk: int, arithmetic: Arithmetic) -> dict[str, Any]:
    """What states after so many layers depend on, beside the backbone."""
    with encoded.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"encoded": digest, "trunk": trunk, "arithmetic": arithmetic.model_dump()}
