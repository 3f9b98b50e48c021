"""The audit database and the report: the same numbers for people and for SQL."""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.ser_resource import SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.audit.database import AuditDatabase
from resources.audit.sync import sync
from resources.audit.writing import AuditBusy
from resources.disk import write_text
from resources.evolution import Evolution
from resources.reporting.index import index_path, render_index, report_path
from resources.reporting.report import render_report
from resources.reporting.report_data import UnknownEvolution

AUDITED = (keys.VAULT, keys.SEED_RM, keys.EVOLVED_RM, keys.POLICY_EVALUATION)
"""What the audit waits for: it runs when any of these was made."""

LEFT = "left_to_the_next_run"
"""What a result says, and why, when somebody else has the database open."""


def audit_path(root: Path) -> Path:
    """The audit database of a data root."""
    return root / "audit.duckdb"


def sync_run(work: Evolution) -> dict[str, int]:
    """Bring the audit database up to what this evolution has so far."""
    return sync(AuditDatabase(audit_path(work.root)), work.record())


def write_report(work: Evolution) -> Path:
    """Write the page of this evolution, and the index, from what the audit database has of it.

    Raises:
        AuditBusy: somebody writes the database.
        UnknownEvolution: it has nothing of this evolution yet.
    """
    path = report_path(work.root, work.identity)
    write_text(path, render_report(audit_path(work.root), work.identity))
    write_text(index_path(work.root), render_index(audit_path(work.root)))  # it links the pages that are there
    return path


@dg.op(ins={"made": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def copy_run(context: dg.OpExecutionContext, ser: SerResource):
    """Bring everything that this run made into the audit database."""
    work = ser.evolution(context)
    try:
        counts = sync_run(work)
    except AuditBusy as error:
        # A reader that holds the file must never fail a run: the next sync brings these rows too.
        context.log.warning(str(error))
        yield dg.Output(None, metadata={"evolution": work.identity, LEFT: str(error)})
        return
    rows: dict[str, int | str] = {"evolution": work.identity}
    rows |= {f"rows_{table}": count for table, count in counts.items()}
    yield dg.Output(None, metadata=rows | {"path": str(audit_path(work.root))})


@dg.graph_asset(
    ins={key: dg.AssetIn(dagster_type=dg.Nothing) for key in AUDITED},
    group_name="audit",
    partitions_def=SNAPSHOTS,
    kinds={"duckdb"},
)
def audit_sync(vault, seed_rm, evolved_rm, policy_evaluation):
    """Everything this run made, as tables in audit.duckdb."""
    # A fan-in, as `assets.evolved.evolved_rm`: a plain dependency on a policy that is skipped would be skipped with it.
    return copy_run([vault, seed_rm, evolved_rm, policy_evaluation])


@dg.asset(group_name="audit", partitions_def=SNAPSHOTS, deps=["audit_sync"], kinds={"html"})
def report(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """One page: what every loop did, what was kept, and what it is worth; left to the next run with the sync."""
    work = ser.evolution(context)
    metadata: dict[str, Any] = {"evolution": work.identity}
    try:
        path = write_report(work)
    except (AuditBusy, UnknownEvolution) as error:
        context.log.warning(str(error))
        return dg.MaterializeResult(metadata=metadata | {LEFT: str(error)})
    return dg.MaterializeResult(
        metadata=metadata | {"page": dg.MetadataValue.path(str(path)), "bytes": path.stat().st_size}
    )
