"""`ser status`: what has landed, what was made of it, and, when asked, what the store holds."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.audit import audit_path
from resources import asset_keys as keys
from resources.audit.database import query
from resources.credentials import redact
from resources.evolution import Evolution
from resources.heads import KnownEvolution, known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.ignored_files import misplaced
from resources.landing.zone import Landing
from resources.locks import owner_of
from resources.outline import next_to_make, outline
from resources.reporter import SCREEN
from resources.settings_file import data_root, load_settings
from resources.store_contents import store_summary
from ser.errors import SerError
from ser.method.watch import unlike_words
from ser_dagster.commands.status_words import print_status
from ser_dagster.dagster_instance import place_of_dagster
from ser_dagster.last_runs import LastRun, last_runs

PATIENCE = 0.5
"""Seconds to wait for whoever holds the audit database."""

_SHIFT = ("evolution", "auc", "ci_low", "margins_apart", "margins_low", "margins_high")
_SHIFTS = f"SELECT {', '.join(_SHIFT)} FROM pool_shift"
_GAINS = "SELECT evolution, gain_test, gain_test_low, gain_test_high FROM evolutions WHERE gain_test IS NOT NULL"

Gain = dict[str, float]
"""`value`, `low` and `high` of what the promoted loop, or else the last, gained over the seed on test pairs."""


def status_command(parsed: argparse.Namespace) -> None:
    """Print the status."""
    found = status(parsed.store)
    if parsed.json:
        print(json.dumps(found))
    else:
        print_status(found)


def status(store: bool = False) -> dict[str, Any]:
    """Every dataset with its snapshot and counts, and every evolution with how far it came and what it is worth.

    `misplaced` says what lies in the landing folder and never lands, `unread` of which files there nothing could land,
    `damage` what is wrong with evolutions that cannot be read, `unknown` what could not be asked, and why.

    Args:
        store: whether to look through the artifact store, too, which takes long when it is large.
    """
    root = data_root()
    zone = Landing(root, load_settings())
    damage: list[str] = []
    unknown: list[str] = []
    evolutions = _evolutions(root, known_evolutions(root, damage.append), unknown)
    return {
        "data_root": str(root),
        "datasets": [_dataset(zone, name) for name in zone.datasets()],
        "misplaced": misplaced(root),
        "unread": [row for name in zone.folders() for row in _unread(zone, name, unknown)],
        "evolutions": evolutions,
        "damage": damage,
        "unknown": unknown,
    } | ({"store": store_summary(root)} if store else {})


def _dataset(zone: Landing, name: str) -> dict[str, Any]:
    """A dataset's snapshot, counts and roles; of one that is damaged only what is wrong with it."""
    try:
        counts = zone.counts(name)
        return {"dataset": name, **counts, "roles": zone.roles(counts["snapshot"]).counts}
    except (SerError, OSError) as error:
        return {"dataset": name, "damage": str(error)}


def _unread(zone: Landing, name: str, unknown: list[str]) -> list[dict[str, str]]:
    """The files in a dataset's folder of which nothing could land; `unknown` hears of a folder that cannot be read."""
    try:
        return [{"dataset": name, "file": file, "reason": reason} for file, reason in zone.unread(name).items()]
    except (SerError, OSError) as error:
        unknown.append(f"Which files of {name} could not land is not known: {_line(error)}")
        return []


def _evolutions(root: Path, known: list[KnownEvolution], unknown: list[str]) -> list[dict[str, Any]]:
    """What is to be said of every evolution; `unknown` gets a line for what cannot be asked."""
    runs = _last_runs([one.identity for one in known], unknown)
    rows = [_evolution(root, one, runs.get(one.identity)) for one in known]
    gains, unlike = _audited(root, unknown) if any(row["last_loop"] for row in rows) else ({}, {})
    return [
        row
        | {
            "gain": gains.get(row["evolution"]) if row["last_loop"] else None,
            "unlike_pool": unlike.get(row["evolution"]) if row["last_loop"] else None,
        }
        for row in rows
    ]


def _last_runs(evolutions: list[str], unknown: list[str]) -> Mapping[str, LastRun]:
    if not evolutions:
        return {}
    try:
        return last_runs(evolutions)
    except Exception as error:  # noqa: BLE001 - whatever ails Dagster's storage, all else can be told
        unknown.append(
            f"When an execution ended, and why it failed, is not known: {place_of_dagster()}: {_line(error)}"
        )
        return {}


def _audited(root: Path, unknown: list[str]) -> tuple[dict[str, Gain], dict[str, str]]:
    """Gains by evolution, and where human-labelled pairs are unlike the pool in what, in words.

    They are from the audit database, which reports and comparisons have them from as well.
    """
    try:
        rows, shifts = (query(audit_path(root), sql, patience=PATIENCE)[1] for sql in (_GAINS, _SHIFTS))
    except SerError as error:
        unknown.append(f"Gains on test pairs are not known: {_line(error)}")
        return {}, {}
    gains = {evolution: dict(zip(("value", "low", "high"), ends, strict=True)) for evolution, *ends in rows}
    said = {row[0]: unlike_words(dict(zip(_SHIFT, row, strict=True))) for row in shifts}
    return gains, {evolution: words for evolution, words in said.items() if words}


def _evolution(root: Path, known: KnownEvolution, run: LastRun | None) -> dict[str, Any]:
    work = open_evolution(root, known, screen=SCREEN)
    now = outline(work)
    promotion, evaluation = now.artifacts.get(keys.EVOLVED_RM), now.artifacts.get(keys.POLICY_EVALUATION)
    unfinished = run is not None and not run.succeeded
    missing = next_to_make(now, policy=unfinished and run is not None and run.policy)
    decided = promotion.summary if promotion else {}
    return {
        "evolution": known.identity,
        "name": known.name,
        "snapshot": work.snapshot,
        "settings": work.settings.digest,
        "recipe": work.settings.recipe,
        **_state(owner_of(root, known.identity), run, missing),
        "executed_at": known.executed_at,
        "ended_at": run.ended_at if run else None,
        "made": list(work.heads.made()),
        "pruned": work.heads.pruned(),
        "promoted_loop": decided.get("promoted_loop"),
        "last_loop": _last_loop(work, decided),
        "verdict": decided.get("verdict"),
        "promoted_why": decided.get("why"),
        "calibration_gain": decided.get("gain"),
        "gate": decided.get("gate"),
        "win_rate": evaluation.summary["win_rate"]["value"] if evaluation else None,
    }


def _last_loop(work: Evolution, decided: Mapping[str, Any]) -> int | None:
    """The last loop that trained a model, 0 if none did; None before the promotion."""
    return max(one["loop"] for one in decided["candidates"]) if decided else None


def _state(owner: str | None, run: LastRun | None, missing: str | None) -> dict[str, Any]:
    """The state, the asset that is in work, failed or would be made next, and why the last execution failed.

    `state` is `running`, `done`, `failed`, `stopped` (by a person, or its process went) or `stopped_as_asked`.
    """
    if owner is not None:
        in_work = run.step if run and run.run_id == owner else None
        return {"state": "running", "at": in_work, "why": None}
    failure = run.failure if run else None
    if failure is not None:
        found = {"at": failure.asset, "why": failure.message}
        return {"state": "failed" if missing else "done", **found}
    if missing is None:
        return {"state": "done", "at": None, "why": None}
    after = [keys.self_labels(run.loops + 1)] if run and run.succeeded and run.loops is not None else []
    # Behind a gate that is closed no loop comes after the seed.
    if missing in after or (run and run.succeeded and run.loops == 0 and missing == keys.EVOLVED_RM):
        return {"state": "stopped_as_asked", "at": missing, "why": None}
    return {"state": "stopped", "at": run.step if run and run.step else missing, "why": None}


def _line(error: Exception) -> str:
    """An error in one line, without credentials."""
    return redact(" ".join((str(error) or repr(error)).split()))
