"""The rows that a run's artifacts put into the audit database, as SQL: one `Part` per table and artifact."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from resources.audit.database import literal
from resources.audit.models import evaluation_rows, model_rows, policy_rows
from resources.audit.record import AuditArtifact, RunRecord, utc
from ser.data.database import pattern
from ser.method.promotion import GATE_NOT_SHOWN

UTC_TIME = "make_timestamp(epoch_us(t.landed_at)) AS landed_at"


@dataclass(frozen=True)
class Part:
    """Rows of `table`: those where `scope` holds must be exactly the rows of `source`.

    `compared` names the columns to compare when it is not all of them. Rows of an `append` part are never
    replaced: their identity is a hash of their content. An empty `source` has no rows.
    """

    table: str
    name: str
    scope: str
    source: str
    compared: tuple[str, ...] = ()
    append: bool = False


def parts(record: RunRecord, root: Path) -> Iterator[Part]:
    """Everything that `record` says, in the order of the tables; paths are made relative to `root`."""
    yield from _landed(record)
    yield from _roles(record)
    yield from _self_labels(record)
    yield from _heldout(record)
    yield _status_reports(record)
    models, policies = model_rows(record, root), policy_rows(record, root)
    yield _rows("reward_models", _of_run(record, _among("rm_version", [row["rm_version"] for row in models])), models)
    evaluations = evaluation_rows(record)
    measured = _among("artifact", sorted({row["artifact"] for row in evaluations}))
    yield _rows("evaluations", measured, evaluations)
    chosen = _among("policy_version", [row["policy_version"] for row in policies])
    yield _rows("policies", _of_run(record, chosen), policies)
    yield from _policy_samples(record)
    yield _rows("heads", _of_run(record), [_head(record, key, one) for key, one in record.artifacts.items()])


def _landed(record: RunRecord) -> Iterator[Part]:
    landed = record.artifacts.get("landed_pairs")
    if landed is None:
        return
    dataset = literal(record.dataset)
    pairs, labels, pair_times, label_times = (
        _parquet(landed.path / f"{name}.parquet") for name in ("pairs", "labels", "pair_times", "label_times")
    )
    yield Part(
        "pairs",
        "pairs",
        f"pair_id IN (SELECT pair_id FROM {pairs})",
        f"SELECT pair_id, {dataset} AS dataset, readable_prompt(prompt) AS prompt, "
        f'response_a, response_b, source, "group", {UTC_TIME} '
        f"FROM {pairs} AS landed JOIN {pair_times} AS t USING (pair_id)",
        compared=("pair_id", "prompt", "response_a", "response_b"),
        append=True,
    )
    # Labels accumulate: an earlier snapshot, synced again, must not take away what people said later.
    yield Part(
        "human_labels",
        "human_labels",
        f"dataset = {dataset} AND (pair_id, annotator) IN (SELECT (pair_id, annotator) FROM {labels})",
        f"SELECT l.pair_id, preferred, l.annotator, origin, make_timestamp(epoch_us(t.landed_at)) AS labelled_at, "
        f"{dataset} AS dataset FROM {labels} l JOIN {label_times} t USING (pair_id, annotator)",
    )


def _roles(record: RunRecord) -> Iterator[Part]:
    splits, encoded = record.artifacts.get("splits"), record.artifacts.get("encoded_pairs")
    if splits is None:
        return
    kept, rows = "role, in_vault", f"{_parquet(splits.path / 'roles.parquet')} r"
    if encoded is not None:
        kept = "if(o.pair_id IS NULL, role, 'unused') AS role, in_vault AND o.pair_id IS NULL AS in_vault"
        rows += f" LEFT JOIN {_parquet(encoded.path / 'left_out.parquet')} o USING (pair_id)"
    yield Part(
        "roles",
        "roles",
        _of_run(record),
        f"SELECT {literal(record.snapshot)} AS snapshot, {literal(record.recipe)} AS recipe, pair_id, "
        f"{kept} FROM {rows}",
    )


def _self_labels(record: RunRecord) -> Iterator[Part]:
    loops = record.loops()
    gone = f"loop NOT IN ({', '.join(map(str, loops)) or 'NULL'})" if loops else "true"
    yield Part(
        "self_labels",
        "self_labels of loops that the run has not",
        _of_run(record, gone),
        "",
    )
    for loop in loops:
        yield _labels_of(record, loop)


def _labels_of(record: RunRecord, loop: int) -> Part:
    labels = record.artifacts[f"loop_{loop}/self_labels"]
    filtered = record.artifacts.get(f"loop_{loop}/filtered_pairs")
    status = record.artifacts.get(f"loop_{loop}/status_report")
    if filtered is not None:
        decision = (
            "coalesce(f.rule, 'none') AS rule, coalesce(f.kept, false) AS kept, "
            "coalesce(f.reason, 'not filtered') AS reason, coalesce(f.weight, 0.0) AS weight"
        )
        joined = f"LEFT JOIN {_parquet(filtered.path / 'filtered.parquet')} f USING (pair_id)"
    else:
        reason = "not decided" if status is None else "not filtered"
        reason = "converged" if status is not None and status.summary["status"] == "converged" else reason
        decision = f"'none' AS rule, false AS kept, {literal(reason)} AS reason, 0.0 AS weight"
        joined = ""
    before = record.artifacts.get(f"loop_{loop - 1}/self_labels")
    if before is not None:
        earlier = (
            f"b.preferred AS from_preferred, b.confidence AS from_confidence, if(b.pair_id IS NULL, NULL, {loop - 1})"
        )
        joined += f" LEFT JOIN {_parquet(before.path / 'self_labels.parquet')} b USING (pair_id)"
    else:
        earlier = "NULL AS from_preferred, NULL AS from_confidence, NULL"
    manifest = labels.manifest
    fixed = {
        "snapshot": record.snapshot,
        "recipe": record.recipe,
        "loop": loop,
        "rm_version": manifest["inputs"]["reward_model"]["version"],
        "run_id": manifest.get("run_id"),
        "scored_at": utc(manifest.get("finished_at")),
    }
    constants = ", ".join(f"{_constant(value)} AS {name}" for name, value in fixed.items())
    return Part(
        "self_labels",
        f"self_labels of loop {loop}",
        _of_run(record, f"loop = {loop}"),
        f"SELECT {constants}, s.*, {decision}, {earlier} AS from_loop "
        f"FROM {_parquet(labels.path / 'self_labels.parquet')} s {joined}",
    )


def _heldout(record: RunRecord) -> Iterator[Part]:
    for key, artifact in record.artifacts.items():
        model = record.artifacts.get(key.removesuffix(".heldout"))
        if not key.endswith(".heldout") or model is None:
            continue
        version = literal(artifact.version)
        yield Part(
            "heldout_scores",
            f"heldout_scores of {model.key}",
            f"artifact = {version}",
            f"SELECT {literal(model.version)} AS rm_version, pair_id, split, reward_a, reward_b, confidence, "
            f"{version} AS artifact FROM {_parquet(artifact.path / 'heldout.parquet')} "
            "WHERE split IN ('test', 'calibration')",
        )


def _status_reports(record: RunRecord) -> Part:
    """A row for every loop; of a run whose gate is closed one that says so, for loop 1."""
    rows = []
    if record.gate_is_closed():
        unknown = ("n_pool", "n_status_1", "n_status_2", "n_min", "reward_offset")
        rows.append(
            {"snapshot": record.snapshot, "recipe": record.recipe, "loop": 1, "status": GATE_NOT_SHOWN}
            | dict.fromkeys(unknown)
            | {"n_kept": 0, "thresholds": None}
        )
    for loop in record.loops():
        report = record.artifacts.get(f"loop_{loop}/status_report")
        if report is None:
            continue
        summary = report.summary
        filtered = record.artifacts.get(f"loop_{loop}/filtered_pairs")
        kept = 0 if summary["status"] == "converged" else None
        rows.append(
            {"snapshot": record.snapshot, "recipe": record.recipe, "loop": loop, "status": summary["status"]}
            | {name: summary[name] for name in ("n_pool", "n_status_1", "n_status_2", "n_min", "reward_offset")}
            | {
                "n_kept": kept if filtered is None else filtered.summary["n_kept"],
                "thresholds": json.dumps(summary["thresholds"], sort_keys=True),
            }
        )
    return _rows("status_reports", _of_run(record), rows)


def _policy_samples(record: RunRecord) -> Iterator[Part]:
    judged, policy = record.artifacts.get("policy_evaluation"), record.artifacts.get("ppo_policy")
    if judged is None or policy is None:
        return
    version = literal(policy.version)
    yield Part(
        "policy_samples",
        "policy_samples",
        f"policy_version = {version}",
        f"SELECT {version} AS policy_version, pair_id, readable_prompt(prompt) AS prompt, base_response, "
        "policy_response, base_reward, policy_reward, judge_base, judge_policy, outcome "
        f"FROM {_parquet(judged.path / 'judged.parquet')}",
    )


def _head(record: RunRecord, key: str, artifact: AuditArtifact) -> dict[str, Any]:
    return {
        "snapshot": record.snapshot,
        "recipe": record.recipe,
        "settings": record.settings,
        "dataset": record.dataset,
        "asset": key,
        "version": artifact.version,
        "seconds": artifact.manifest.get("seconds"),
        "finished_at": utc(artifact.manifest.get("finished_at")),
    }


def _rows(table: str, scope: str, rows: Sequence[dict[str, Any]]) -> Part:
    """A part of a few rows that come from summaries and manifests."""
    columns = list(rows[0]) if rows else []
    return Part(table, table, scope, _values(columns, [[row[name] for name in columns] for row in rows]))


def _values(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """SQL for these rows; with no rows it is empty, so that all that is in the scope goes."""
    lines = [f"({', '.join(map(_constant, row))})" for row in rows]
    if not lines:
        return ""
    return f"SELECT * FROM (VALUES {', '.join(lines)}) AS v({', '.join(columns)})"


def _of_run(record: RunRecord, more: str = "true") -> str:
    return f"snapshot = {literal(record.snapshot)} AND recipe = {literal(record.recipe)} AND {more}"


def _among(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(map(literal, values))})" if values else "false"


def _parquet(path: Path) -> str:
    return f"read_parquet({literal(pattern(path))})"


def _constant(value: Any) -> str:
    """A value as an SQL constant."""
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case float():
            return f"CAST({literal(repr(value))} AS DOUBLE)"
        case datetime():
            return f"TIMESTAMP {literal(value.isoformat(sep=' '))}"
        case _:
            return literal(str(value))
