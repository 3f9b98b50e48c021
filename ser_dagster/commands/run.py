"""`ser run`: a front to the same Dagster job as the UI."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from assets.audit import sync_run
from assets.graph import graph, run_keys
from assets.ser_resource import SerResource, run_config, run_tags
from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.credentials import redact
from resources.evolution import Evolution
from resources.known_evolutions import refuse_taken
from resources.landing.folders import NotAllLandedError, only_dataset
from resources.landing.zone import Landing
from resources.locks import refuse_owned
from resources.loop_rows import loop_rows
from resources.reporter import SCREEN
from resources.settings import Settings
from resources.settings_file import data_root, load_settings
from ser.errors import SerError
from ser_dagster.commands.landing_words import landing_lines, role_lines
from ser_dagster.commands.run_costs import plan_run
from ser_dagster.commands.run_resource import watched
from ser_dagster.commands.run_screen import RunScreen
from ser_dagster.commands.summary import print_summary
from ser_dagster.dagster_instance import instance, register, run_here
from ser_dagster.dead_runs import fail_ownerless_runs
from ser_dagster.failures import NO_REASON, Failure, first_failure
from ser_dagster.foreign_errors import in_two_lines
from ser_dagster.jobs import MAX_RETRIES, SER_RUN, STARTED_BY, ser_run


def run_command(parsed: argparse.Namespace) -> None:
    """Run, and print the outcome."""
    result = run(
        parsed.dataset,
        loops=parsed.loops,
        recipe=parsed.recipe,
        preset=parsed.preset,
        policy=not parsed.no_policy,
        anyway=parsed.anyway or None,
        name=parsed.name,
        assignments=parsed.set,
    )
    if parsed.json:
        print(json.dumps(result))
    else:
        print_summary(result["evolution"], result["seconds"])


def run(
    dataset: str | None,
    *,
    loops: int | None = None,
    recipe: str | None = None,
    preset: str | None = None,
    policy: bool = True,
    anyway: bool | None = None,
    name: str | None = None,
    assignments: Sequence[str] = (),
    study: str | None = None,
) -> dict[str, Any]:
    """Execute the evolution of a dataset's current snapshot under the settings, and return what `--json` prints.

    Args:
        loops: stop after so many; before the last one nothing is promoted.
        anyway: whether to go on in spite of a closed gate; None for what the settings say.
        name: what a person calls the evolution.
        assignments: `KEY=VALUE`, each overrides a setting.
        study: what the evolution belongs to, for the run's tags.

    Raises:
        SerError: the dataset is unknown, a setting is impossible, or a stage failed.
    """
    started = time.monotonic()
    settings = load_settings(assignments=assignments, recipe=recipe, preset=preset, anyway=anyway)
    if loops is not None and not 1 <= loops <= settings.loops:
        raise SerError(f"--loops {loops} is impossible: it may be 1 to {settings.loops}, the K of the settings.")
    evolution, run_id = execute(settings, dataset, run_keys(settings, policy), loops=loops, name=name, study=study)
    seconds = round(time.monotonic() - started, 1)
    return (
        {
            "snapshot": evolution.snapshot,
            "evolution": evolution.identity,
            "name": evolution.heads.about()["name"],
            "recipe": settings.recipe,
            "run_id": run_id,
        }
        | _outcome(evolution, run_id, policy)
        | {"seconds": seconds}
    )


def execute(
    settings: Settings,
    dataset: str | None,
    chosen: Sequence[dg.AssetKey],
    *,
    loops: int | None = None,
    name: str | None = None,
    study: str | None = None,
    command: str = "ser run",
) -> tuple[Evolution, str]:
    """Execute these assets of the evolution of a dataset's current snapshot, and return it with the id of the run.

    Args:
        chosen: among those of the job under these settings.
        command: what a person typed, for the run's tags; all else as in `run`.

    Raises:
        SerError: the dataset is unknown, or a stage failed.
    """
    with instance() as current:
        evolution = Evolution(data_root(), settings, _snapshot(settings, dataset), until=loops, screen=SCREEN)
        if name is not None:
            refuse_taken(data_root(), name, evolution.identity)
        tags = {STARTED_BY: command, **run_tags(evolution, name, study)}
        result = _execute(current, evolution, chosen, {"stop_after": loops, "name": name}, tags)
    return evolution, result.run_id


def _snapshot(settings: Settings, dataset: str | None) -> str:
    """The current snapshot of the dataset, after landing the files that wait for it."""
    zone = Landing(data_root(), settings)
    known = sorted(set(zone.datasets()) | set(zone.folders()))
    if dataset is None:
        dataset = only_dataset(known)
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
    evolution: Evolution,
    chosen: Sequence[dg.AssetKey],
    told: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.ExecuteInProcessResult:
    refuse_owned(evolution.root, evolution.identity)
    fail_ownerless_runs(current, evolution.snapshot)
    register(current, evolution.snapshot)
    run_here(current, SER_RUN)
    config = run_config(evolution.settings, **told)
    print(f"ser: {evolution.settings.compute.words}", file=sys.stderr)
    with RunScreen(*plan_run(evolution, chosen)).shown() as screen:
        result = _job(evolution.settings, watched(screen, current)).execute_in_process(
            instance=current,
            partition_key=evolution.snapshot,
            asset_selection=chosen,
            # Whoever started it sees it fail, and starts it again.
            tags={MAX_RETRIES: "0", **tags},
            run_config=config | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    if _was_stopped(current, result):
        raise KeyboardInterrupt
    if not result.success:
        reason = _reason(result)
        _sync_failed(evolution, reason)
        raise SerError(reason)
    return result


def _job(settings: Settings, ser: SerResource) -> dg.JobDefinition:
    """The job of the code location, with the graph of these settings and another resource."""
    assets, checks = graph(settings)
    return dg.Definitions(
        assets=assets, asset_checks=checks, jobs=[ser_run(settings)], resources={"ser": ser}
    ).resolve_job_def(SER_RUN)


def _was_stopped(current: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> bool:
    """Whether somebody stopped the run; one that was stopped between two steps is not called failed either."""
    if result.success:
        return False
    run = current.get_run_by_id(result.run_id)
    assert run is not None
    failure = first_failure(result.all_events)
    if run.status == dg.DagsterRunStatus.FAILURE and failure is not None and failure.is_interruption:
        current.report_run_canceled(run, "Stopped in the terminal.")
        return True
    return run.status == dg.DagsterRunStatus.CANCELED


def _sync_failed(work: Evolution, reason: str) -> None:
    """Whatever a failed run made can be audited too; if not, that is said, and why the run failed is told after it.

    What keeps the audit from it may be what the run failed of, and is then said once.
    """
    if work.find(keys.SPLITS) is None:
        return
    try:
        sync_run(work)
    except SerError as error:
        print(f"audit: {error}", file=sys.stderr)
    except Exception as error:
        words = in_two_lines(error)
        if words is None:
            raise
        if words.splitlines()[-1] not in reason:
            print(f"audit: {redact(words)}", file=sys.stderr)


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """The first failure in the words of what failed; with all that led to it when debugging."""
    failure = first_failure(result.all_events) or Failure(None, NO_REASON)
    if failure.error is not None and os.environ.get("SER_DEBUG"):
        return replace(failure, message=failure.error.to_string()).words
    return failure.words


def _outcome(evolution: Evolution, run_id: str, policy: bool) -> dict[str, Any]:
    promotion = evolution.heads.get(keys.EVOLVED_RM).summary if evolution.is_ended() else None
    judged = promotion is not None and policy and not evolution.gate_is_closed()
    evaluation = evolution.heads.find(keys.POLICY_EVALUATION) if judged else None
    artifacts = evolution.record().artifacts.values()
    return {
        "gate": promotion["gate"] if promotion else evolution.gate().model_dump(),
        "verdict": promotion["verdict"] if promotion else None,
        "loops": loop_rows(evolution),
        "promoted": _promoted(promotion) if promotion else None,
        "policy": None if evaluation is None else _policy(evaluation),
        "reused": all(artifact.manifest["run_id"] != run_id for artifact in artifacts),
    }


def _promoted(promotion: Mapping[str, Any]) -> dict[str, Any]:
    """The promoted loop and why; what the last loop gains over the seed on calibration pairs, where one was run."""
    evidence = {name: promotion.get(name) for name in ("gain", "detectable", "needed")}
    return {"loop": promotion["promoted_loop"], "why": promotion["why"], **evidence}


def _policy(evaluation: Artifact) -> dict[str, Any]:
    summary = evaluation.summary
    return {
        key: summary[key]
        for key in ("n", "win", "tie", "loss", "win_rate", "mean_base_reward", "mean_policy_reward", "judge")
    }
