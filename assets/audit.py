"""The audit database and the report: the same numbers for people and for SQL."""

from pathlib import Path
from typing import Any

import dagster as dg

from assets import examples, summaries
from assets.fan_in import fan_in
from assets.results import arranged, place
from assets.ser_resource import SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.audit.database import AuditDatabase, literal
from resources.audit.sync import sync
from resources.audit.watch import read_watch
from resources.audit.writing import AuditBusy
from resources.disk import write_text
from resources.evolution import Evolution
from resources.reporting.answers import Answer, helped
from resources.reporting.index import index_path, render_index, report_path
from resources.reporting.report import render
from resources.reporting.report_data import UnknownEvolution, gather

AUDITED = (keys.VAULT, keys.SEED_RM, keys.EVOLVED_RM, keys.POLICY_EVALUATION, *keys.CONTROLS)
"""What the audit waits for, of all that a run may make: it runs when any of these was made."""

LEFT = "left_to_the_next_run"
"""What a result says, and why, when somebody else has the database open."""

QUESTIONS = {
    "what every loop did": "SELECT loop, status, n_kept, test_accuracy, label_precision FROM loop_summary "
    "WHERE evolution = {evolution} ORDER BY loop",
    "how often labels are right, by confidence": "SELECT loop, labels, confidence_from, n, precision, measured_on "
    "FROM label_precision WHERE evolution = {evolution} ORDER BY loop, labels, confidence_from",
    "the surest labels that changed": "SELECT loop, pair_id, from_preferred, preferred, confidence FROM label_flips "
    "WHERE evolution = {evolution} ORDER BY confidence DESC LIMIT 20",
}
"""What to ask the audit first: in words, and in SQL."""

PLOTTED = (
    *("ece_calibration", "ece_test", "flip_rate", "seed_agreement", "heldout_agreement", "kept_longer"),
    *("labelled_longer", "seed_longer", "margin_spread", "reward_shift", "offset_shift"),
    *("trained_precision", "untrained_precision", "source_kept_least", "source_kept_most"),
    *("length_kept_least", "length_kept_most"),
    *("base_vocabulary", "policy_vocabulary", "base_distinct_2", "policy_distinct_2"),
)
"""The columns of the view `loop_watch` that the page plots, of loop k as `loop_k_NAME` (the seed is loop 0)."""


def audit_path(root: Path) -> Path:
    """The audit database of a data root."""
    return root / "audit.duckdb"


def sync_run(work: Evolution) -> dict[str, int]:
    """Bring the audit database up to what this evolution has so far."""
    return sync(AuditDatabase(audit_path(work.root)), work.record())


def write_report(work: Evolution) -> tuple[Path, Answer]:
    """Write the page of this evolution, and the index, from what the audit database has of it; whether it helped.

    Raises:
        AuditBusy: somebody writes the database.
        UnknownEvolution: it has nothing of this evolution yet.
    """
    path = report_path(work.root, work.identity)
    data = gather(audit_path(work.root), work.identity)
    write_text(path, render(data))
    write_text(index_path(work.root), render_index(audit_path(work.root)))  # it links the pages that are there
    return path, helped(data)


def plotted_watch(work: Evolution) -> dict[str, float]:
    """What is watched over the loops, under names that stay the same, so that they become plots."""
    loops = read_watch(audit_path(work.root), work.identity).loops
    return {f"loop_{row['loop']}_{name}": row[name] for row in loops for name in PLOTTED if row[name] is not None}


def commands(work: Evolution) -> dg.MetadataValue:
    """The questions on this evolution, as commands to be copied."""
    asked = {words: sql.format(evolution=literal(work.identity)) for words, sql in QUESTIONS.items()}
    # A list would be indented, by more than the page has room for beside the name of an evolution.
    lines = (f'{words}: `.venv/bin/ser audit --sql "{sql}"`' for words, sql in asked.items())
    return dg.MetadataValue.md("\n\n".join(lines))


def left(work: Evolution, error: Exception) -> dict[str, Any]:
    """The metadata of what has to wait for the next run."""
    return arranged(work, f"left to the next run: {error}", facts={LEFT: str(error)})


def why_left(context: dg.AssetCheckExecutionContext) -> str | None:
    """Why this run's sync was left to the next run; None if it was not, or is not part of this run."""
    last = context.instance.get_latest_materialization_event(dg.AssetKey(keys.AUDIT_SYNC))
    if last is None or last.run_id != context.run.run_id or last.asset_materialization is None:
        return None
    why = last.asset_materialization.metadata.get(LEFT)
    return None if why is None else str(why.value)


@dg.op(ins={"made": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def copy_run(context: dg.OpExecutionContext, ser: SerResource):
    """Bring everything that this run made into the audit database."""
    work = ser.evolution(context)
    audit = audit_path(work.root)
    try:
        counts, watched = sync_run(work), plotted_watch(work)
        mistakes = examples.read_mistakes(audit, work.identity)
    except AuditBusy as error:
        # A reader that holds the file must never fail a run: the next sync brings these rows too.
        context.log.warning(str(error))
        yield dg.Output(None, metadata=left(work, error))
        return
    shown = {"ask": commands(work)} | examples.shown_mistakes(mistakes)
    rows = {f"rows_{table}": count for table, count in counts.items()}
    said = summaries.of_audit(counts, mistakes.wrong, mistakes.known)
    yield dg.Output(None, metadata=arranged(work, said, shown, rows | watched, path=place(work, audit)))


audit_sync = fan_in(
    copy_run,
    AUDITED,
    name=keys.AUDIT_SYNC,
    description="Everything this run made, as tables in audit.duckdb.",
    group="audit",
    kinds={"duckdb"},
)


@dg.asset(group_name="audit", partitions_def=SNAPSHOTS, deps=["audit_sync"], kinds={"html"})
def report(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """One page: what every loop did, what was kept, and what it is worth; left to the next run with the sync."""
    work = ser.evolution(context)
    try:
        path, answer = write_report(work)
    except (AuditBusy, UnknownEvolution) as error:
        context.log.warning(str(error))
        return dg.MaterializeResult(metadata=left(work, error))
    verdict = f"{answer.headline}: {answer.lines[0]}"
    command = f"`.venv/bin/ser report --open --evolution {work.identity}`"
    shown = {"page": dg.MetadataValue.path(str(path)), "open": dg.MetadataValue.md(command)}
    return dg.MaterializeResult(metadata=arranged(work, verdict, shown, {"bytes": path.stat().st_size}))
