"""`ser run`: a front to the same Dagster job as the UI."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets.audit import sync_run
from assets.evolved import finished_models
from assets.gate import is_closed
from assets.graph import run_keys
from resources.artifacts import Artifact
from resources.disk import FULL, is_full
from resources.landing.folders import NotAllLandedError
from resources.landing.zone import Landing
from resources.locks import refuse_owned
from resources.settings import Settings, data_root, load_settings
from resources.workshop import Workshop
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser_dagster.commands.landing_words import landing_lines, role_lines
from ser_dagster.home import fail_ownerless_runs, instance, register
from ser_dagster.jobs import MAX_RETRIES

OURS = ("SerError", "DamagedArtifactError", "DiskFullError", "AuditBusy")


def run(
    dataset: str | None,
    *,
    loops: int | None = None,
    recipe: str | None = None,
    policy: bool = True,
    anyway: bool | None = None,
) -> dict[str, Any]:
    """Run the chain on the current snapshot of a dataset and return what `ser run --json` prints.

    Args:
        anyway: whether to go on in spite of a closed gate; None for what the settings say.

    Raises:
        SerError: the dataset is unknown, a setting is impossible, or a stage failed.
    """
    started = time.monotonic()
    settings = load_settings(recipe=recipe, anyway=anyway)
    if loops is not None and not 1 <= loops <= settings.loops:
        raise SerError(f"--loops {loops} is impossible: it may be 1 to {settings.loops}, the K of the settings.")
    overrides = {"recipe": recipe, "anyway": anyway, "loops": loops}
    settings = load_settings(**overrides)
    keys = run_keys(settings, settings.loops, policy)
    with instance() as current:
        snapshot = _snapshot(settings, dataset)
        result = _execute(current, settings, snapshot, keys, overrides)
    work = Workshop(data_root(), settings, snapshot)
    seconds = round(time.monotonic() - started, 1)
    return (
        {"snapshot": snapshot, "evolution": work.record().evolution, "recipe": settings.recipe, "run_id": result.run_id}
        | _outcome(work, result.run_id, policy)
        | {"seconds": seconds}
    )


def _snapshot(settings: Settings, dataset: str | None) -> str:
    """The current snapshot of the dataset, after landing the files that wait for it."""
    zone = Landing(data_root(), settings)
    known = sorted(set(zone.datasets()) | set(zone.folders()))
    if dataset is None:
        if len(known) != 1:
            named = f"there are {', '.join(known)}" if known else "none has landed yet"
            raise SerError(f"name the dataset with --dataset: {named}.")
        dataset = known[0]
    if dataset in known:
        _land_waiting(zone, dataset)
    return zone.current_snapshot(dataset)


def _land_waiting(zone: Landing, dataset: str) -> None:
    """Land what waits in the dataset's folder, and say what came of it, and what waits unread."""
    try:
        done = zone.land_waiting(dataset)
        for line in landing_lines(done) if done else ():
            print(f"ser: {line}", file=sys.stderr)
    except NotAllLandedError as error:
        print(f"ser: {error}", file=sys.stderr)
    for name, reason in zone.unread(dataset).items():
        print(f"ser: {dataset}: {name} was not read and waits: {reason}", file=sys.stderr)
    if dataset in zone.datasets():
        for line in role_lines(zone.roles(zone.current_snapshot(dataset))):
            print(f"ser: {dataset}: {line.strip()}", file=sys.stderr)


def _execute(
    current: dg.DagsterInstance,
    settings: Settings,
    snapshot: str,
    keys: Sequence[dg.AssetKey],
    overrides: Mapping[str, Any],
) -> dg.ExecuteInProcessResult:
    from ser_dagster.definitions import defs

    refuse_owned(data_root(), snapshot)
    fail_ownerless_runs(current, snapshot)
    register(current, snapshot)
    resource = {"terminal": True, **overrides}
    result = defs.resolve_job_def("ser_run").execute_in_process(
        instance=current,
        partition_key=snapshot,
        asset_selection=keys,
        tags={MAX_RETRIES: "0"},  # whoever started it sees it fail, and starts it again
        run_config={
            "resources": {"ser": {"config": {key: value for key, value in resource.items() if value is not None}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )
    if not result.success:
        _sync_failed(Workshop(data_root(), settings, snapshot, terminal=True))
        raise SerError(_reason(result))
    return result


def _sync_failed(work: Workshop) -> None:
    """Whatever a failed run made can be audited too; if not, that is said, and why the run failed is told after it."""
    if work.find("splits") is None:
        return
    try:
        sync_run(work)
    except SerError as error:
        print(f"audit: {error}", file=sys.stderr)
    except Exception as error:
        if not is_full(error, work.root):  # which the run failed of as well, and says so
            raise


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """The first failure in the words of what failed."""
    for event in result.all_events:
        if event.is_step_failure:
            return f"{(event.step_key or '').replace('__', '/')} failed: {_words(event.step_failure_data.error)}"
    failures = [event.event_specific_data for event in result.all_events if event.is_failure]
    error = getattr(failures[0], "error", None) if failures else None
    return f"the run failed: {_words(error)}"


def _words(error: Any) -> str:
    """The message of the error at the bottom of Dagster's chain; all of the chain when debugging."""
    if error is None:
        return "see its log in the UI."
    if os.environ.get("SER_DEBUG"):
        return error.to_string()
    while error.cause is not None:
        error = error.cause
    message = error.message.strip()
    if error.cls_name not in OURS and is_full(RuntimeError(message), data_root()):
        return FULL
    # Dagster prints the class before the message; of our own errors the message alone is meant for people.
    return message.split(": ", 1)[1] if error.cls_name in OURS and ": " in message else message


def _outcome(work: Workshop, run_id: str, policy: bool) -> dict[str, Any]:
    promotion = work.heads.get("evolved_rm")
    evaluation = work.heads.find("policy_evaluation") if policy and not is_closed(work) else None
    return {
        "gate": promotion.summary["gate"],
        "verdict": promotion.summary["verdict"],
        "loops": loop_rows(work),
        "promoted": {"loop": promotion.summary["promoted_loop"], "why": promotion.summary["why"]},
        "policy": None if evaluation is None else _policy(evaluation),
        "reused": all(artifact.manifest["run_id"] != run_id for artifact in work.record().artifacts.values()),
    }


def loop_rows(work: Workshop) -> list[dict[str, Any]]:
    """What became of the seed and of every loop, up to the one that converged or was not run, which has no model."""
    keys = finished_models(work)
    loops = [_loop(work, loop, key) for loop, key in enumerate(keys)]
    if is_closed(work):
        loops.append(dict.fromkeys(loops[0]) | {"loop": 1, "status": GATE_NOT_SHOWN, "n_kept": 0})
    elif len(keys) <= work.settings.loops:
        loops.append(dict.fromkeys(loops[0]) | _status(work, len(keys)))
    return loops


def _loop(work: Workshop, loop: int, key: str) -> dict[str, Any]:
    measured = work.heads.get(f"{key}.heldout").summary["metrics"]["test"]
    accuracy, baseline = measured["accuracy"], measured["longer_wins"]
    model = work.heads.get(key)
    row: dict[str, Any] = {
        "loop": loop,
        "status": None,
        "n_pool": None,
        "n_kept": None,
        "test_accuracy": accuracy["value"],
        "test_accuracy_low": accuracy["ci_low"],
        "test_accuracy_high": accuracy["ci_high"],
        "test_longer_wins": baseline["value"],
        "test_longer_wins_low": baseline["ci_low"],
        "test_longer_wins_high": baseline["ci_high"],
        "rm_version": model.version,
    }
    return row | _status(work, loop) if loop else row


def _status(work: Workshop, loop: int) -> dict[str, Any]:
    report = work.heads.get(f"loop_{loop}/status_report").summary
    converged = report["status"] == "converged"
    kept = 0 if converged else work.heads.get(f"loop_{loop}/filtered_pairs").summary["n_kept"]
    return {"loop": loop, "status": report["status"], "n_pool": report["n_pool"], "n_kept": kept}


def _policy(evaluation: Artifact) -> dict[str, Any]:
    summary = evaluation.summary
    return {
        key: summary[key]
        for key in ("n", "win", "tie", "loss", "win_rate", "mean_base_reward", "mean_policy_reward", "judge")
    }
