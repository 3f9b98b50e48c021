"""Caches under the data root: what saves work if it is there, and belongs to no version."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.disk import is_full, write_text
from resources.launchers import Launcher
from resources.locks import only_writer
from resources.settings import Settings
from resources.stopwatch import Stopwatch
from ser.data import tables
from ser.errors import SerError
from ser.progress import Progress
from ser.slices import Slices
from ser.stages.job import Job
from ser.stages.trunk import TrunkInputs

FACTS, INDEX = "cache.json", "index.parquet"
"""What `ser.models.states` writes first: what the states are of, in how many slices, and where those of a pair lie."""
COST = "cost.json"
"""What making the states on disk took, as a manifest says it, and how many `tokens` passed: the others were copied."""


_PLACES = {
    "gpu": "in the memory of the GPU",
    "host": "in the memory of the host",
    "disk": "on disk",
    "none": "nowhere, and computed each time",
}


class NoRoomError(SerError):
    """There is no disk space for states."""


@dataclass(frozen=True)
class Cache:
    """The states of one table of tokens; `encoded` is the digest of the table, "" where that cannot be read."""

    folder: Path
    encoded: str
    bytes: int


def states_folder(root: Path, trunk: str, tokens: str) -> Path:
    """Where the states of a table of tokens lie, by its digest, beside those of other tables after the same `trunk`.

    `trunk` is `resources.artifacts.version_of` the stage `trunk` over the backbone alone.
    """
    return root / "cache" / "states" / trunk / tokens[:16]


def earlier_states(folder: Path) -> list[Path]:
    """The folders with states of other tables after the same trunk."""
    return [path for path in sorted(folder.parent.glob("*/")) if path != folder and (path / FACTS).exists()]


def count_passes(settings: Settings, role: str, labels: int) -> float:
    """How often the states of a role's pairs are read by the loops and the controls that are asked for, roughly.

    The seed has so many `labels`; half of the pool is thought to be trained on.
    """
    loops, controls = settings.loops, settings.controls.asked
    of_seed, of_loop = settings.reward_model.epochs_on(labels), settings.method.student_epochs or 1
    of_all = settings.reward_model.seed_epochs
    match role:
        case "seed":
            passes: float = of_seed + loops * of_loop + len(controls) * of_seed
        case "pool":
            trained = {keys.FULL_LABEL_RM: of_all, keys.NAIVE_RM: of_loop, keys.TRUE_LABEL_RM: of_loop / 2}
            passes = loops * (1 + of_loop / 2) + sum(trained.get(key, 0) for key in controls)
        case _:
            passes = 1 + loops + len(controls)
    return settings.method.teachers * passes


def every_cache(root: Path) -> Iterator[Cache]:
    """All caches under the data root."""
    for folder in sorted((root / "cache" / "states").glob("*/*/")):
        yield Cache(folder, (_facts(folder) or {}).get("encoded", ""), sum(map(_size, folder.iterdir())))


def _size(path: Path) -> int:
    """Bytes; of a slice that was renamed meanwhile 0."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def fill_states(job: Job, launcher: Launcher, progress: Progress) -> str:
    """Make what is missing of the states in `job.out`, or have them kept elsewhere; returns a line on what came of it.

    Raises:
        NoRoomError: there is no disk space for them, and none of them are left.
    """
    folder = job.out
    try:
        with only_writer(folder):
            facts = _facts(folder)
            if facts is not None and all(Slices(folder, 0).path(k).exists() for k in range(facts["slices"])):
                return "on disk: they are there already"
            with Stopwatch(folder) as watch:
                summary = launcher(job, progress)
            watch.mark.unlink(missing_ok=True)
            if summary["place"] == "disk":
                write_text(folder / COST, json.dumps(watch.measured() | {"tokens": _passed_tokens(job)}) + "\n")
            return f"{_PLACES[summary['place']]}: {summary['why']}"
    except Exception as error:
        if not is_full(error, folder.parent):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise NoRoomError(f"no disk space for {folder}") from error


def cost_of_states(folder: Path, tokens: float) -> dict[str, Any] | None:
    """What making the states in `folder`, of so many tokens, took (`resources.stopwatch`); None if it is not known.

    States that were copied from other tables' count at the price of a token after the same trunk.
    """
    own = _cost(folder)
    if own is None or tokens <= own["tokens"]:
        return own
    every = [cost for path in folder.parent.glob("*/") if (cost := _cost(path)) is not None]
    passed = sum(cost["tokens"] for cost in every)
    if not passed:
        return None
    copied = {
        name: own[name] + (tokens - own["tokens"]) * sum(cost[name] for cost in every) / passed
        for name in ("seconds", "cpu_seconds")
    }
    peaks = [cost["peak_memory"] for cost in every if cost["peak_memory"] is not None]
    return own | copied | {"peak_memory": max(peaks, default=None)}


def _cost(folder: Path) -> dict[str, Any] | None:
    try:
        cost: dict[str, Any] = json.loads((folder / COST).read_text())
    except (OSError, ValueError):  # a cache may go at any time
        return None
    return cost


def _passed_tokens(job: Job) -> int:
    """The tokens of the pairs whose states no earlier cache had."""
    assert isinstance(job.inputs, TrunkInputs)
    indexes = [path / INDEX for path in job.inputs.earlier]
    known = {f"earlier_{number}": path for number, path in enumerate(indexes) if tables.is_readable(path)}
    each = " UNION ALL ".join(f"SELECT pair_id, digest FROM {name}" for name in known)
    new = f"ANTI JOIN ({each}) USING (pair_id, digest)" if known else ""
    query = f"SELECT coalesce(sum(len(prompt) + len(response_a) + len(response_b)), 0) FROM encoded {new}"
    return int(tables.ask(query, encoded=job.inputs.encoded, **known)[0][0])


def free_memory() -> None:
    """Free the memory in which this process keeps states and a backbone, at the end of a run."""
    for module, forget in (("ser.models.states.kept", "forget_states"), ("ser.models.resident", "forget_resident")):
        if module in sys.modules:  # where it was not imported there is nothing to free
            getattr(sys.modules[module], forget)()


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
    except (OSError, ValueError):
        return None
    return facts
