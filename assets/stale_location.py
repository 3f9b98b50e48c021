"""Runs that were planned from a graph with fewer loops than the settings have now."""

import re

import dagster as dg

from ser.errors import SerError

_LOOP = re.compile(r"loop_(\d+)__self_labels")


def refuse_stale(run: dg.DagsterRun, instance: dg.DagsterInstance, loops: int) -> None:
    """Let no run begin whose graph has not all `loops`: it would stop before the end and nobody would see why.

    A run that names no steps, as those of sensors and schedules, is planned again in its own process; one that has no
    origin was planned in its own process, as by `ser run`.

    Raises:
        SerError: `max_loops` was smaller when the code location was loaded.
    """
    planned_before = run.remote_job_origin is not None and run.step_keys_to_execute is not None
    nodes = _graph_of(run, instance) if planned_before else set()
    known = max((int(found[1]) for found in map(_LOOP.fullmatch, nodes) if found), default=None)
    if known is not None and known < loops:  # None: of a job without loops
        raise SerError(
            f"the settings have {loops} loops, and the code location was loaded with {known}.\n"
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
