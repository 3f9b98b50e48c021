"""Removing what nothing refers to from the store, beside runs that work and in whatever state a kill left it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.heads import every_head
from resources.locks import is_owned, only_writer, own_snapshot
from resources.pruned import set_aside, strip
from resources.retention import Doomed, Snapshots, doomed, snapshots
from resources.store_contents import contents
from ser.errors import SerError
from ser.progress import Progress, silent


@dataclass
class Pruning:
    """What was removed, or would be; and what was left because something uses it."""

    keep: int
    dry_run: bool
    kept_snapshots: list[str]
    old_snapshots: list[str]
    removed: list[Doomed] = field(default_factory=list)
    in_use: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """The space that is free now, or would be."""
        return sum(one.bytes for one in self.removed)

    def as_dict(self, root: Path) -> dict[str, Any]:
        """The JSON document of `ser prune --json`; paths are relative to the data root."""
        removed = [
            {
                "path": str(one.path.relative_to(root)),
                "what": one.what,
                "kind": one.stored.kind if one.stored else None,
                "bytes": one.bytes,
                "why": one.why,
                "record_stays": one.record_stays,
            }
            for one in self.removed
        ]
        return {
            "keep": self.keep,
            "dry_run": self.dry_run,
            "kept_snapshots": self.kept_snapshots,
            "old_snapshots": self.old_snapshots,
            "removed": removed,
            "bytes": self.bytes,
            "in_use": self.in_use,
        }


def prune(root: Path, keep: int, *, remove: bool, progress: Progress = silent) -> Pruning:
    """Remove what neither the newest `keep` snapshots of each dataset nor a promoted model needs.

    Whatever an old run made leaves its record (see `resources.pruned`), so that the audit can be made again. Heads
    stay. It may be killed at any moment: nothing that is needed is lost, and the next call finishes.

    Args:
        remove: without it nothing changes; the answer says what would go.
        progress: hears of each thing that was dealt with.

    Raises:
        SerError: `keep` is less than 1, it cannot be said what the promoted models were made from, or a run has
            just begun on an old snapshot. Nothing was removed.
    """
    if keep < 1:
        raise SerError(f"--keep {keep} is impossible: the newest snapshot always stays, so give 1 or more.")
    parted = snapshots(root, keep)
    with _old_to_ourselves(root, parted, remove) as (old, in_use):
        busy = [*(name for name in parted.kept if is_owned(root, name)), *in_use]
        result = Pruning(keep, not remove, [*parted.kept, *in_use], old)
        result.in_use += [f"snapshot {name}: a run works on it" for name in busy]
        found = contents(root)
        if busy and found.unfinished:
            result.in_use.append(f"{len(found.unfinished)} temporary folders: the run may continue in them")
        plan = list(doomed(root, found, set(old), busy=bool(busy)))
        for number, one in enumerate(plan, start=1):
            if not remove or _gone(root, one, set(old)):
                result.removed.append(one)
            else:
                result.in_use.append(f"{one.path.relative_to(root)}: a run has just taken it")
            progress(number, len(plan), "items")
    return result


@contextmanager
def _old_to_ourselves(root: Path, parted: Snapshots, remove: bool) -> Iterator[tuple[list[str], list[str]]]:
    """The old snapshots, owned so that no run begins on them meanwhile, and those that a run works on already."""
    in_use = [snapshot for snapshot in parted.old if is_owned(root, snapshot)]
    free = [snapshot for snapshot in parted.old if snapshot not in in_use]
    with ExitStack() as owned:
        for snapshot in free if remove else []:
            owned.enter_context(own_snapshot(root, snapshot, "of ser prune"))
        yield free, in_use


def _gone(root: Path, one: Doomed, old: set[str]) -> bool:
    """Remove one thing; False if something uses it after all."""
    match one.what:
        case "file":
            one.path.unlink(missing_ok=True)
        case "damaged":
            shutil.rmtree(one.path)
        case "cache":
            try:
                with only_writer(one.path, wait=False):
                    shutil.rmtree(one.path)
            except BlockingIOError:
                return False
        case "record":
            _clear(one.path, one.record_stays)
        case _:
            try:
                return _gone_alone(root, one, old)
            except BlockingIOError:
                return False
    return True


def _gone_alone(root: Path, one: Doomed, old: set[str]) -> bool:
    """Remove an artifact or an unfinished folder as its only writer: no run makes or adopts it meanwhile."""
    if one.stored is None:
        raise AssertionError(f"{one.path} is no folder of the store")
    place = root / "artifacts" / one.stored.key / one.stored.version
    temporary = place.with_name(f".{place.name}.tmp")
    with only_writer(temporary, wait=False):
        if one.what == "unfinished":
            shutil.rmtree(temporary)
            return True
        # Of all heads: a member of an ensemble is stored under the key of its model, and stood for under its own.
        if any(
            (head.key, head.version) == one.stored.identity and head.snapshot not in old for head in every_head(root)
        ):
            return False
        record = set_aside(place)
    _clear(record, one.record_stays)
    return True


def _clear(record: Path, record_stays: bool) -> None:
    if record_stays:
        strip(record)
    else:
        shutil.rmtree(record)
