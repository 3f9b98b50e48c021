"""Rows of the audit database about models: reward models, their measurements, and policies."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resources.audit.record import AuditArtifact, RunRecord, loop_of


def model_rows(record: RunRecord, root: Path) -> list[dict[str, Any]]:
    """A row for every trained reward model; the reasons of the promotion stand with the promoted one."""
    promotion = record.artifacts.get("evolved_rm")
    decided: Mapping[str, Any] = promotion.summary if promotion else {}
    rows = []
    for model in record.reward_models():
        parent = record.parent(model.key)
        promoted = decided.get("rm_version") == model.version and loop_of(model.key) is not None
        rows.append(
            {
                "rm_version": model.version,
                "snapshot": record.snapshot,
                "recipe": record.recipe,
                "asset": model.key,
                "loop": loop_of(model.key),
                "parent_version": parent.version if parent else None,
                "n_human": model.summary.get("n_human", model.summary.get("n")),
                "n_pseudo": model.summary.get("n_pseudo", 0),
                "random_seed": model.summary.get("random_seed", model.manifest.get("spec", {}).get("random_seed")),
                "train_seconds": model.manifest.get("seconds"),
                "promoted": promoted,
                "why": decided.get("why") if promoted else None,
                "path": relative(model.path, root),
            }
        )
    return _unique(rows, "rm_version")


def evaluation_rows(record: RunRecord) -> list[dict[str, Any]]:
    """A row for every metric: of each RM on each split, and of the policy under the RM of its training."""
    rows: list[dict[str, Any]] = []
    for key, artifact in record.artifacts.items():
        model = record.artifacts.get(key.removesuffix(".heldout"))
        if key.endswith(".heldout") and model is not None:
            for split, metrics in artifact.summary["metrics"].items():
                for name, measured in metrics.items():
                    rows.append(_metric(artifact, model.version, split, name, measured))
    judge = record.artifacts.get("controls/judge_rm")
    if judge is not None:
        names = ("accuracy", "longer_wins")
        rows += [_metric(judge, judge.version, "test", name, judge.summary[name]) for name in names]
    return _unique([*rows, *_policy_metrics(record)], "artifact", "rm_version", "split", "metric")


def policy_rows(record: RunRecord, root: Path) -> list[dict[str, Any]]:
    """A row for every policy; `ppo_policy` belongs to the loop whose RM was promoted."""
    rows = []
    for key, policy in record.artifacts.items():
        if key != "ppo_policy" and not key.endswith("/ppo_policy"):
            continue
        summary = policy.summary
        promotion = record.artifacts.get("evolved_rm")
        promoted_loop = promotion.summary.get("promoted_loop") if promotion else None
        rows.append(
            {
                "policy_version": policy.version,
                "snapshot": record.snapshot,
                "recipe": record.recipe,
                "asset": key,
                "loop": promoted_loop if key == "ppo_policy" else loop_of(key),
                "rm_version": _reward_model_of(policy),
                "algorithm": summary.get("algorithm", "ppo"),
                "episodes": summary.get("episodes"),
                "mean_reward": summary.get("mean_reward"),
                "kl": summary.get("kl"),
                "train_seconds": policy.manifest.get("seconds"),
                "path": relative(policy.path, root),
            }
        )
    return _unique(rows, "policy_version")


def relative(path: Path, root: Path) -> str:
    """`path` from the folder of the database, so that the two can move together, or else the whole path."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _unique(rows: list[dict[str, Any]], *identity: str) -> list[dict[str, Any]]:
    """One row per artifact: two asset keys may stand for the same one, and the first key is the row's."""
    return list({tuple(row[name] for name in identity): row for row in reversed(rows)}.values())[::-1]


def _policy_metrics(record: RunRecord) -> Iterator[dict[str, Any]]:
    judged, policy = record.artifacts.get("policy_evaluation"), record.artifacts.get("ppo_policy")
    if judged is None or policy is None:
        return
    version, summary = _reward_model_of(policy) or policy.version, judged.summary
    yield _metric(judged, version, "test", "win_rate", summary["win_rate"])
    for name in ("accuracy", "longer_wins"):
        yield _metric(judged, version, "test", f"judge_{name}", summary["judge"][name])
    for name in ("win", "tie", "loss", "mean_base_reward", "mean_policy_reward"):
        if name in summary:
            yield _metric(judged, version, "test", name, {"value": summary[name], "n": summary["n"]})


def _reward_model_of(policy: AuditArtifact) -> str | None:
    """The version of the RM that a policy was trained with."""
    named = policy.manifest.get("inputs", {}).get("reward_model", {}).get("version")
    return policy.summary.get("rm_version", named)


def _metric(artifact: AuditArtifact, version: str, split: str, name: str, measured: Any) -> dict[str, Any]:
    """One metric: a number, or a mapping with `value` and perhaps `ci_low`, `ci_high` and `n`."""
    known = measured if isinstance(measured, Mapping) else {"value": measured}
    return {
        "rm_version": version,
        "split": split,
        "metric": name,
        "value": known.get("value"),
        "ci_low": known.get("ci_low"),
        "ci_high": known.get("ci_high"),
        "n": known.get("n"),
        "artifact": artifact.version,
    }
