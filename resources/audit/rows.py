"""The rows that an evolution's artifacts put into the audit database, as SQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resources import asset_keys as keys
from resources.audit.database import literal
from resources.audit.landed_rows import landed_rows
from resources.audit.model_facts import measurements, policy_row, promotion_row, reward_model_row
from resources.audit.provenance import artifact_row, training_rows
from resources.audit.record import AuditArtifact, EvolutionRecord, utc
from resources.audit.row_sql import AuditRows, Row, constant, parquet, values

_HARD = "if(s.preferred = 'a', 1.0, 0.0)"
"""The target of a label that is taken as certain."""


def audit_rows(record: EvolutionRecord) -> Iterator[AuditRows]:
    """Everything that the artifacts of `record` say, in the order of the tables."""
    yield from landed_rows(record)
    for artifact in record.artifacts.values():
        yield _facts("artifacts", artifact, [artifact_row(artifact)])
    yield from _roles(record)
    for loop in record.loops():
        yield _labels_of(record, loop)
    yield from _loop_facts(record)
    for key, artifact in record.artifacts.items():
        if keys.measured_model(key) is not None:
            yield _heldout(artifact)
    for key, model in record.reward_models().items():
        yield _facts("reward_model_facts", model, [reward_model_row(model, record.members_of(key))])
        if trained_on := training_rows(record, model):
            yield _facts("training_facts", model, trained_on)
    if (halves := record.artifacts.get(keys.SEED_HALVES)) is not None:
        yield _halves(halves)
    for artifact, rows in measurements(record):
        yield _facts("evaluation_facts", artifact, rows)
    if (promotion := record.artifacts.get(keys.EVOLVED_RM)) is not None:
        yield _facts("promotion_facts", promotion, [promotion_row(promotion)])
    for key, artifact in record.artifacts.items():
        if key.rpartition("/")[2] == "ppo_policy":
            yield _facts("policy_facts", artifact, [policy_row(artifact)])
            yield _policy_steps(artifact)
    if keys.POLICY_EVALUATION in record.artifacts:
        yield _policy_samples(record.artifacts[keys.POLICY_EVALUATION])


def _roles(record: EvolutionRecord) -> Iterator[AuditRows]:
    splits, encoded = record.artifacts.get(keys.SPLITS), record.artifacts.get(keys.ENCODED_PAIRS)
    if splits is None:
        return
    columns, rows = "role, in_vault", f"{parquet(splits.path / 'roles.parquet')} r"
    if encoded is not None:
        columns = "if(o.pair_id IS NULL, role, 'unused') AS role, in_vault AND o.pair_id IS NULL AS in_vault"
        rows += f" LEFT JOIN {parquet(encoded.path / 'left_out.parquet')} o USING (pair_id)"
    versions = {"splits": splits.version, "encoded": encoded.version if encoded else ""}
    yield AuditRows("role_facts", "roles", f"SELECT pair_id, {columns} FROM {rows}", versions)


def _labels_of(record: EvolutionRecord, loop: int) -> AuditRows:
    """The self-labels of a loop with what was decided about each, and what the loop before said of it."""
    labels, earlier = (record.artifacts.get(keys.self_labels(k)) for k in (loop, loop - 1))
    if labels is None:
        raise AssertionError(f"loop {loop} has labelled nothing")
    decided_by, decision, joined = _decision(record, loop)
    before = "CAST(NULL AS VARCHAR) AS from_preferred, CAST(NULL AS DOUBLE) AS from_confidence"
    if earlier is not None:
        before = "b.preferred AS from_preferred, b.confidence AS from_confidence"
        joined += f" LEFT JOIN {parquet(earlier.path / 'self_labels.parquet')} b USING (pair_id)"
    table = labels.path / "self_labels.parquet"
    manifest = labels.manifest
    fixed = {
        "rm_version": manifest["inputs"]["reward_model"]["version"],
        "run_id": manifest.get("run_id"),
        "scored_at": utc(manifest.get("finished_at")),
    }
    constants = ", ".join(f"{constant(value)} AS {name}" for name, value in fixed.items())
    scored = ", ".join(
        f"s.{name}" for name in ("reward_a", "reward_b", "p_a", "p_b", "confidence", "preferred", "spread")
    )
    return AuditRows(
        "self_label_facts",
        f"self_labels of loop {loop}",
        f"SELECT s.pair_id, {constants}, {scored}, {decision}, {before} FROM {parquet(table)} s {joined}",
        {"labels": labels.version, "decision": decided_by, "earlier": earlier.version if earlier else ""},
    )


def _decision(record: EvolutionRecord, loop: int) -> tuple[str, str, str]:
    """What decided about the labels of a loop (its version), SQL for what it decided, and where that is joined from."""
    selected = record.artifacts.get(keys.filtered_pairs(loop))
    status = record.artifacts.get(keys.status_report(loop))
    if selected is not None:
        table = selected.path / "filtered.parquet"
        decision = (
            "coalesce(f.rule, 'none') AS rule, coalesce(f.kept, false) AS kept, "
            f"coalesce(f.reason, 'not filtered') AS reason, coalesce(f.target, {_HARD}) AS target, "
            "coalesce(f.weight, 0.0) AS weight"
        )
        return selected.version, decision, f"LEFT JOIN {parquet(table)} f USING (pair_id)"
    converged = status is not None and status.summary["ends"]
    reason = literal("converged" if converged else "not decided")
    decision = f"'none' AS rule, false AS kept, {reason} AS reason, {_HARD} AS target, 0.0 AS weight"
    return status.version if status and converged else "", decision, ""


def _loop_facts(record: EvolutionRecord) -> Iterator[AuditRows]:
    """The status of every loop, and how many pairs each kept."""
    counts = ("n_pool", "n_status_1", "n_status_2", "n_min", "reward_offset")
    for key, artifact in record.artifacts.items():
        summary = artifact.summary
        if key.endswith("/status_report"):
            thresholds = json.dumps(summary["thresholds"], sort_keys=True)
            row = {"status": summary["status"], **{name: summary[name] for name in counts}, "thresholds": thresholds}
            row |= {"ends": summary["ends"], "cut": _cut(summary), "why": summary["why"]}
            row |= _promise(summary["precision"])
            yield _facts("status_facts", artifact, [row])
        elif key.endswith("/filtered_pairs"):
            yield _facts("selection_facts", artifact, [{"n_kept": summary["n_kept"]}])


def _cut(summary: Mapping[str, Any]) -> float | None:
    """The confidence that kept pairs exceed; None where that did not decide it, or nothing was kept."""
    cut: float = summary["rule"]["cut"]
    return cut if summary["select"] == "calibrated" and not summary["ends"] else None


def _promise(cut: Mapping[str, Any] | None) -> dict[str, float | None]:
    """What a cut promises, and what was expected of the labels above it, if there were enough pairs to try one."""
    if cut is None:
        return dict.fromkeys(("promised", "expected_precision", "expected_low"))
    expected, low = (cut["precision"], cut["precision_low"]) if cut["n"] else (None, None)
    return {"promised": cut["promised"], "expected_precision": expected, "expected_low": low}


def _heldout(artifact: AuditArtifact) -> AuditRows:
    return AuditRows(
        "heldout_facts",
        f"heldout_scores of {artifact.key.removesuffix('.heldout')}",
        "SELECT pair_id, split, preferred, reward_a, reward_b, confidence "
        f"FROM {parquet(artifact.path / 'heldout.parquet')} WHERE split IN ('test', 'calibration')",
        {"version": artifact.version},
    )


def _halves(halves: AuditArtifact) -> AuditRows:
    left_out = f"SELECT pair_id FROM {parquet(halves.path / 'left_out.parquet')}"
    return AuditRows("half_facts", f"half_facts of {halves.key}", left_out, {"version": halves.version})


def _policy_steps(policy: AuditArtifact) -> AuditRows:
    columns = (
        "step, episodes, mean_reward, mean_score, mean_kl, kl_weight, policy_loss, value_loss, entropy, clip_fraction"
    )
    return AuditRows(
        "policy_step_facts",
        f"policy_steps of {policy.key}",
        f"SELECT {columns}, mean_length FROM {parquet(policy.path / 'metrics.parquet')}",
        {"version": policy.version},
    )


def _policy_samples(judged: AuditArtifact) -> AuditRows:
    return AuditRows(
        "policy_sample_facts",
        "policy_samples",
        "SELECT pair_id, readable_prompt(prompt) AS prompt, base_response, policy_response, base_reward, "
        f"policy_reward, judge_base, judge_policy, outcome FROM {parquet(judged.path / 'judged.parquet')}",
        {"version": judged.version},
    )


def _facts(table: str, artifact: AuditArtifact, rows: Sequence[Row]) -> AuditRows:
    """A few rows that come from summaries and manifests."""
    return AuditRows(table, f"{table} of {artifact.key}", values(rows), {"version": artifact.version})
