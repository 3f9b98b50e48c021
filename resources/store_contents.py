"""What the artifact store holds, told from directory entries and heads: no artifact is opened, nothing is hashed."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.caches import every_cache
from resources.heads import every_head
from resources.manifests import MANIFEST
from resources.pruned import KEPT, PREFIX

EMBEDDED = keys.EMBEDDED_BACKBONE
"""The converted embedded model: every run may be made from it, and no head refers to it."""

_UNFINISHED = re.compile(r"^\.(.+)\.tmp$")
_DAMAGED = re.compile(r"^\.damaged-(.+)-\d+$")
_LOOP = re.compile(r"^loop_\d+/")


@dataclass(frozen=True)
class Stored:
    """A folder of the store. `heavy` of its `bytes` are in files that a record would not keep."""

    key: str
    version: str
    path: Path
    bytes: int
    heavy: int

    @property
    def identity(self) -> tuple[str, str]:
        """What a head says of it."""
        return self.key, self.version

    @property
    def kind(self) -> str:
        """The asset key with every loop as `loop_k`."""
        return _LOOP.sub("loop_k/", self.key)


@dataclass
class Contents:
    """Complete artifacts, records of pruned ones, unfinished temporary folders, and damaged ones put aside."""

    artifacts: list[Stored] = field(default_factory=list)
    records: list[Stored] = field(default_factory=list)
    unfinished: list[Stored] = field(default_factory=list)
    damaged: list[Stored] = field(default_factory=list)


def contents(root: Path) -> Contents:
    """The folders of the store under the data root, sorted by key and version."""
    found = Contents()
    _look(root / "artifacts", "", found)
    return found


def store_summary(root: Path) -> dict[str, Any]:
    """The numbers of `ser status`: artifacts and bytes per kind of asset key, and what could go."""
    found, caches = contents(root), list(every_cache(root))
    referred = {(head.key, head.version) for head in every_head(root)}
    kinds: dict[str, list[Stored]] = {}
    for stored in found.artifacts:
        kinds.setdefault(stored.kind, []).append(stored)
    loose = [one for one in found.artifacts if one.identity not in referred and one.key != EMBEDDED]
    return {
        **_sum(found.artifacts, "artifacts"),
        "kinds": [{"kind": kind, **_sum(stored, "artifacts")} for kind, stored in sorted(kinds.items())],
        "unreferred": _sum(loose, "artifacts"),
        "unfinished": _sum(found.unfinished, "folders"),
        "damaged": _sum(found.damaged, "folders"),
        "pruned": _sum(found.records, "records"),
        "caches": {"caches": len(caches), "bytes": sum(one.bytes for one in caches)},
    }


def _sum(stored: Iterable[Stored], noun: str) -> dict[str, int]:
    sizes = [one.bytes for one in stored]
    return {noun: len(sizes), "bytes": sum(sizes)}


def _look(folder: Path, key: str, found: Contents) -> None:
    for entry in sorted(_folders(folder), key=lambda entry: entry.name):
        path, name = Path(entry.path), entry.name
        if unfinished := _UNFINISHED.match(name):
            found.unfinished.append(_stored(key, unfinished[1], path))
        elif damaged := _DAMAGED.match(name):
            found.damaged.append(_stored(key, damaged[1], path))
        elif name.startswith(PREFIX):
            found.records.append(_stored(key, name.removeprefix(PREFIX), path))
        elif (path / MANIFEST).exists():
            found.artifacts.append(_stored(key, name, path))
        else:
            _look(path, f"{key}/{name}" if key else name, found)


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    # A run may finish or remove a folder while this looks around.
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from [entry for entry in entries if entry.is_dir(follow_symlinks=False)]


def _stored(key: str, version: str, path: Path) -> Stored:
    sizes: Counter[bool] = Counter()
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        for entry in entries:
            sizes[entry.name not in KEPT] += _size(entry)
    return Stored(key, version, path, sizes.total(), sizes[True])


def _size(entry: os.DirEntry[str]) -> int:
    with suppress(FileNotFoundError):
        if not entry.is_dir(follow_symlinks=False):
            return entry.stat(follow_symlinks=False).st_size
        with os.scandir(entry) as inside:
            return sum(map(_size, inside))
    return 0
