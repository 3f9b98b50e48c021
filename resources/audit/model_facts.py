"""Facts about models, from summaries and manifests: reward models, their measurements, and policies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resources import asset_keys as keys
from resources.audit.record import AuditArtifact, EvolutionRecord

Row = dict[str, Any]


def reward_model_row(model: AuditArtifact, members: Sequence[AuditArtifact]) -> Row:
    """What was trained, on how much, and from which model it went on; an ensemble took as long as all its members."""
    inputs, spec = model.manifest["inputs"], model.manifest.get("spec", {})
    trained = [one.manifest for one in members] or [model.manifest]
    return {
        "parent_version": inputs["start"]["version"] if "start" in inputs else None,
        "n_human": model.summary.get("n_human", model.summary.get("n")),
        "n_pseudo": model.summary.get("n_pseudo", 0),
        "random_seed": model.summary.get("random_seed", spec.get("random_seed")),
        "train_seconds": sum(one.get("seconds") or 0.0 for one in trained),
        "device": trained[0].get("spec", {}).get("arithmetic", {}).get("device"),
    }


def policy_row(policy: AuditArtifact) -> Row:
    """How a policy was trained, and under which reward model."""
    summary, named = policy.summary, policy.manifest["inputs"].get("reward_model", {}).get("version")
    return {
        "rm_version": summary.get("rm_version", named),
        "algorithm": summary.get("algorithm", "ppo"),
        **{name: summary.get(name) for name in ("episodes", "mean_reward", "kl")},
        "train_seconds": policy.manifest.get("seconds"),
    }


def promotion_row(promotion: AuditArtifact) -> Row:
    """What is promoted, by whom, and why."""
    names = ("promoted_loop", "rm_version", "verdict", "promoted_by", "reason", "ruled_loop", "why")
    return {name: promotion.summary.get(name) for name in names}


def measurements(record: EvolutionRecord) -> Iterator[tuple[AuditArtifact, list[Row]]]:
    """What measures a model, each with its metrics: held-out scores, the judge, and the judge's view of the policy."""
    for key, artifact in record.artifacts.items():
        if keys.measured_model(key) is not None:
            metrics = artifact.summary["metrics"]
            yield artifact, [_metric(split, *each) for split, by_name in metrics.items() for each in by_name.items()]
        elif key == keys.JUDGE_RM:
            yield artifact, [_metric("test", name, artifact.summary[name]) for name in ("accuracy", "longer_wins")]
        elif key == keys.POLICY_EVALUATION:
            yield artifact, list(_policy_metrics(artifact.summary))


def _policy_metrics(summary: Mapping[str, Any]) -> Iterator[Row]:
    yield _metric("test", "win_rate", summary["win_rate"])
    for name in ("accuracy", "longer_wins"):
        yield _metric("test", f"judge_{name}", summary["judge"][name])
    for name in ("win", "tie", "loss", "mean_base_reward", "mean_policy_reward"):
        if name in summary:
            yield _metric("test", name, {"value": summary[name], "n": summary["n"]})


def _metric(split: str, name: str, measured: Any) -> Row:
    """One metric: a number, or a mapping with `value` and perhaps `ci_low`, `ci_high` and `n`."""
    known = measured if isinstance(measured, Mapping) else {"value": measured}
    ends = {end: known.get(end) for end in ("value", "ci_low", "ci_high", "n")}
    return {"split": split, "metric": name, **ends}
