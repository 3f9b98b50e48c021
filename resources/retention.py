"""Which snapshots are kept, and what that means for every folder of the store."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resources import asset_keys as keys
from resources.caches import every_cache
from resources.heads import every_head
from resources.landing.store import DatasetStore
from resources.lineage import Identity, embedded_in_use, lineage
from resources.manifests import read_manifest
from resources.store_contents import EMBEDDED, Contents, Stored

DAY = 86400
_TEMPORARY_FILE = re.compile(r"^\..+\.tmp$")
"""What `resources.disk.write_whole` writes before it renames."""


@dataclass(frozen=True)
class Snapshots:
    """The snapshots that have been worked on."""

    kept: list[str]
    old: list[str]


@dataclass(frozen=True)
class Doomed:
    """A folder of the store, or a file beside it, that may go; of a folder whose `record_stays` the rest."""

    what: Literal["file", "cache", "damaged", "unfinished", "record", "artifact"]
    path: Path
    bytes: int
    why: str
    stored: Stored | None = None
    record_stays: bool = False


def snapshots(root: Path, keep: int) -> Snapshots:
    """Kept are, of each dataset, the newest `keep` snapshots with a promoted model, and whatever is newer than they.

    A snapshot whose run has not come to the end pushes out none that has a model.
    """
    datasets: dict[str, list[str]] = {}
    for folder in (root / "heads").glob("*/"):
        datasets.setdefault(folder.name.rpartition("-")[0], []).append(folder.name)
    kept: list[str] = []
    old: list[str] = []
    for dataset, names in sorted(datasets.items()):
        store = DatasetStore(root, dataset)
        names.sort(key=lambda name: (_number(store, name), name), reverse=True)
        finished = [name for name in names if any((root / "heads" / name).glob("*/evolved_rm.json"))]
        end = names.index(finished[keep - 1]) + 1 if len(finished) >= keep else len(names)
        kept += names[:end]
        old += names[end:]
    return Snapshots(kept, old)


def doomed(root: Path, found: Contents, old: set[str], *, busy: bool) -> Iterator[Doomed]:
    """Everything that the kept snapshots and the promoted models do not need.

    Args:
        old: the snapshots that are not kept.
        busy: whether a run is at work, which may continue in a temporary folder or need a converted model.

    Raises:
        SerError: it cannot be said what the promoted models were made from.
    """
    heads = list(every_head(root))
    needed: set[Identity] = {(head.key, head.version) for head in heads if head.snapshot not in old}
    past: set[Identity] = {(head.key, head.version) for head in heads if head.snapshot in old}
    promoted = lineage(found)
    whole = needed | promoted.whole
    whole |= {one.identity for one in found.artifacts if busy and one.key == EMBEDDED}
    whole |= embedded_in_use(found, whole)
    yield from _files(root, old)
    yield from idle_caches(root, found, needed) if not busy else ()
    for one in found.damaged:
        yield Doomed("damaged", one.path, one.bytes, "damaged, and was put aside", one)
    for one in found.unfinished if not busy else []:
        yield Doomed("unfinished", one.path, one.bytes, "unfinished, and nobody works on it", one)
    recorded = needed | past | promoted.ancestors
    complete = {one.identity for one in found.artifacts}
    for one in found.records:
        if one.identity in complete or one.identity not in recorded:
            yield Doomed("record", one.path, one.bytes, "a record that nobody needs", one)
        elif one.heavy:
            yield Doomed("record", one.path, one.heavy, "half pruned", one, record_stays=True)
    for one in found.artifacts:
        if one.identity not in whole:
            why = "of an old snapshot" if one.identity in past else "no head refers to it"
            stays = one.identity in recorded
            yield Doomed("artifact", one.path, one.heavy if stays else one.bytes, why, one, stays)


def idle_caches(root: Path, found: Contents, needed: set[Identity]) -> Iterator[Doomed]:
    """Caches of tokens that no kept snapshot has; a promoted model needs none."""
    tokens = {
        digest
        for one in found.artifacts
        if one.key == keys.ENCODED_PAIRS and one.identity in needed
        for digest in read_manifest(one.path, one.key)["files"].values()
    }
    for cache in every_cache(root):
        if cache.encoded not in tokens:
            yield Doomed("cache", cache.folder, cache.bytes, "states of tokens that nobody needs")


def _files(root: Path, old: set[str]) -> Iterator[Doomed]:
    """Reports of old snapshots, and files that a killed process never finished."""
    for snapshot in sorted(old):
        for path in sorted((root / "reports").glob(f"{snapshot}-*.html")):
            yield Doomed("file", path, path.stat().st_size, "the report of an old snapshot")
    yesterday = time.time() - DAY
    for folder in (root, root / "reports", *(root / "heads").glob("**/")):
        for path in sorted(folder.glob(".*.tmp")):
            if _TEMPORARY_FILE.match(path.name) and path.is_file() and path.stat().st_mtime < yesterday:
                yield Doomed("file", path, path.stat().st_size, "half written, more than a day ago")


def _number(store: DatasetStore, snapshot: str) -> int:
    """The number of a snapshot, the higher the newer. One that is not known is the oldest."""
    return store.contents(snapshot)["number"] if store.has(snapshot) else 0
