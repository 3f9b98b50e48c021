"""Runs that were planned before the graph changed: their own process has the graph that the settings make now."""

import re

import dagster as dg

from resources.settings import Settings
from ser.errors import SerError

_LOOP = re.compile(r"loop_(\d+)__self_labels")


def refuse_outdated(run: dg.DagsterRun, instance: dg.DagsterInstance, settings: Settings) -> None:
    """Let no run begin whose steps were chosen from the graph of other settings.

    A run that names no steps, as those of sensors and schedules, is planned again in its own process; one that has no
    origin was planned in its own process, as by `ser run`.

    Raises:
        SerError: `loops` or `sft` was another when the code location was loaded.
    """
    planned_before = run.remote_job_origin is not None and run.step_keys_to_execute is not None
    nodes = _graph_of(run, instance) if planned_before else set()
    loops = max((int(found[1]) for found in map(_LOOP.fullmatch, nodes) if found), default=None)
    if loops is None:  # of a job without loops, too
        return
    changes = []
    if loops != settings.loops:
        changes.append(f"loops {loops}, now {settings.loops}")
    if ("backbone" in nodes) != settings.sft:
        changes.append("sft off, now on" if settings.sft else "sft on, now off")
    if changes:
        raise SerError(
            f"ser.toml has changed ({'; '.join(changes)}) since the code location was loaded.\n"
            "Reload it in the UI (Deployment) and start again."
        )


def _graph_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> set[str]:
    """The nodes of the whole job that the run's steps were chosen from."""
    snapshot_id = run.job_snapshot_id
    if snapshot_id is None:
        return set()
    lineage = instance.get_job_snapshot(snapshot_id).lineage_snapshot
    whole = lineage.parent_snapshot_id if lineage else snapshot_id
    return set(instance.get_job_snapshot(whole).node_names) if instance.has_job_snapshot(whole) else set()
