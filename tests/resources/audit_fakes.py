"""A small run as the artifact store would hand it over: two loops, of which the second converged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.artifacts import Part
from resources.audit.sync import AuditArtifact, EvolutionRecord
from resources.settings import Settings
from ser.data import tables
from ser.data.pairs import canonical_prompt
from ser.method.stats import share
from ser.stages.split import ROLES

SNAPSHOT = "sample-0123456789ab"
EVOLUTION = f"{SNAPSHOT}/{Settings().digest}"
TIMES = {
    "run_id": "run-1",
    "started_at": "2026-03-01T10:00:00+00:00",
    "finished_at": "2026-03-01T12:00:05+02:00",
}
LANDED = pa.schema([*tables.PAIRS, ("source", pa.string()), ("group", pa.string()), ("dialogue", pa.string())])
HUMAN = pa.schema([*tables.LABELS, ("annotator", pa.string()), ("origin", pa.string())])
PAIR_TIMES = pa.schema([("pair_id", pa.string()), ("landed_at", pa.timestamp("us", "UTC"))])
SNAPSHOTS = pa.schema(
    [("snapshot", pa.string()), ("number", pa.int64()), ("n_pairs", pa.int64()), ("n_labelled", pa.int64())]
).append(PAIR_TIMES.field("landed_at"))
LABEL_TIMES = PAIR_TIMES.append(pa.field("annotator", pa.string()))
WORTH = {"win": 1.0, "tie": 0.5, "loss": 0.0}
JUDGE = share([1.0] * 15 + [0.0] * 5, list("abcdefghijklmnopqrst"))
COIN = share([1.0] * 10 + [0.0] * 10, list("abcdefghijklmnopqrst"))
JUDGED = pa.schema(
    [(name, pa.string()) for name in ("pair_id", "prompt", "base_response", "policy_response")]
    + [(name, pa.float64()) for name in ("base_reward", "policy_reward", "judge_base", "judge_policy")]
    + [("outcome", pa.string())]
)

STEPS = pa.schema(
    [("step", pa.int64()), ("episodes", pa.int64())]
    + [(name, pa.float64()) for name in ("mean_reward", "mean_score", "mean_kl", "kl_weight", "policy_loss",
                                         "value_loss", "entropy", "clip_fraction", "mean_length")]
)  # fmt: skip

# pair -> (role, human label). Pool pair p8 is the only one whose label nobody knows.
PAIRS = {
    "s1": ("seed", "a"), "s2": ("seed", "b"),
    "c1": ("calibration", "a"), "c2": ("calibration", "b"),
    "t1": ("test", "a"), "t2": ("test", "a"), "t3": ("test", "b"), "t4": ("test", "b"),
    "p1": ("pool", "a"), "p2": ("pool", "a"), "p3": ("pool", "b"), "p4": ("pool", "b"),
    "p5": ("pool", "a"), "p6": ("pool", "b"), "p7": ("pool", "a"), "p8": ("pool", None),
}  # fmt: skip

# pair -> (preferred, confidence, kept). Right in loop 1: p1, p2, p4, p6. Kept: p1, p2 (right) and p3 (wrong).
LOOP_1 = {
    "p1": ("a", 0.95, True), "p2": ("a", 0.91, True), "p3": ("a", 0.85, True), "p4": ("b", 0.74, False),
    "p5": ("b", 0.66, False), "p6": ("b", 0.63, False), "p7": ("b", 0.55, False), "p8": ("a", 0.52, False),
}  # fmt: skip
# p5 is mended, p6 is broken.
LOOP_2 = {
    "p4": ("b", 0.70, False), "p5": ("a", 0.61, False), "p6": ("a", 0.62, False), "p7": ("b", 0.53, False),
    "p8": ("a", 0.51, False),
}  # fmt: skip


@dataclass(frozen=True)
class Fake:
    """An artifact."""

    key: str
    version: str
    path: Path
    summary: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        return Part(self.path / name, digest_of(self.version), self.version)


def artifact(root: Path, key: str, version: str, summary: dict[str, Any] | None = None, **manifest: Any) -> Fake:
    """An artifact with an empty folder."""
    path = root / "artifacts" / key / version
    path.mkdir(parents=True, exist_ok=True)
    return Fake(key, version, path, summary or {}, {"inputs": {}, "seconds": 1.5, **TIMES, **manifest})


def digest_of(version: str) -> str:
    """The digest of an artifact; one that was made again with the same bytes is called `VERSION+again`."""
    return f"digest of {version.removesuffix('+again')}"


def made_of(version: str, name: str) -> dict[str, Any]:
    """What the manifest of something says whose input `name` was of this version."""
    return {"inputs": {name: {"version": version, "file": "x", "sha256": digest_of(version)}}}


def trained_on(*kept: str, start: str | None = None) -> dict[str, Any]:
    """What the manifest of a reward model says that learnt from the seed, and from what these selections kept."""
    inputs: dict[str, Any] = {
        "human": [{"version": "v-splits", "file": "seed.parquet", "sha256": digest_of("v-splits")}],
        "pseudo": [{"version": one, "file": "kept.parquet", "sha256": digest_of(one)} for one in kept],
        "left_out": [],
    }
    return {"inputs": inputs | (made_of(start, "start")["inputs"] if start else {})}


def with_artifacts(run: EvolutionRecord, *others: AuditArtifact) -> EvolutionRecord:
    """The run, with these in the place of those of the same keys."""
    return replace(run, artifacts={**run.artifacts, **{one.key: one for one in others}})


def landed(
    root: Path,
    vault: bool = True,
    texts: dict[str, str] | None = None,
    flipped: bool = False,
    snapshot: str = SNAPSHOT,
) -> Fake:
    """`landed_pairs`; without `vault` nobody knows a label of the pool.

    `texts` replaces first responses, and `flipped` turns every human label round.
    """
    from datetime import UTC, datetime

    one = artifact(root, "landed_pairs", "v-landed" if vault else "v-landed-blind")
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    tables.write(
        one.path / "pairs.parquet",
        LANDED,
        (
            {
                "pair_id": pair,
                "prompt": canonical_prompt(f"Question {pair}?"),
                "response_a": (texts or {}).get(pair, f"Answer {pair} " + "long " * k),
                "response_b": f"Reply {pair}",
                "source": "cooking" if k % 2 else "travel",
                "group": "kitchen" if pair == "s2" else None,
                "dialogue": f"Question {pair}?",
            }
            for k, pair in enumerate(PAIRS)
        ),
    )
    known = [(pair, label) for pair, (role, label) in PAIRS.items() if label and (vault or role != "pool")]
    rows = [
        {"pair_id": pair, "preferred": "ab"[(label == "a") == flipped], "annotator": "ann", "origin": "landed"}
        for pair, label in known
    ]
    tables.write(one.path / "labels.parquet", HUMAN, rows)
    tables.write(one.path / "pair_times.parquet", PAIR_TIMES, ({"pair_id": pair, "landed_at": at} for pair in PAIRS))
    times = ({"pair_id": row["pair_id"], "annotator": row["annotator"], "landed_at": at} for row in rows)
    tables.write(one.path / "label_times.parquet", LABEL_TIMES, times)
    first = {"snapshot": snapshot, "number": 1, "n_pairs": len(PAIRS), "n_labelled": len(known), "landed_at": at}
    tables.write(one.path / "snapshots.parquet", SNAPSHOTS, [first])
    return one


def splits(root: Path, vault: bool = True, roles: dict[str, str] | None = None) -> Fake:
    """`splits`; `roles` replaces roles."""
    one = artifact(root, "splits", "v-splits" if vault else "v-splits-blind")
    rows = (
        {
            "pair_id": pair,
            "role": (roles or {}).get(pair, role),
            "in_vault": vault and role == "pool" and label is not None,
        }
        for pair, (role, label) in PAIRS.items()
    )
    tables.write(one.path / "roles.parquet", ROLES, rows)
    return one


def self_labels(
    root: Path, loop: int, labels: dict[str, tuple[str, float, bool]], model: str, version: str | None = None
) -> Fake:
    """`loop_k/self_labels`, labelled by the RM of version `model`."""
    one = artifact(
        root, f"loop_{loop}/self_labels", version or f"v-labels-{loop}", {"n_pool": len(labels)},
        **made_of(model, "reward_model"),
    )  # fmt: skip
    rows = [
        {"pair_id": pair, "reward_a": 1.0 if label == "a" else -1.0, "reward_b": 0.0, "p_a": 0.7, "p_b": 0.4,
         "confidence": confidence, "preferred": label}
        for pair, (label, confidence, _) in labels.items()
    ]  # fmt: skip
    tables.write(one.path / "self_labels.parquet", tables.SELF_LABELS, rows)
    return one


def filtered(
    root: Path, loop: int, labels: dict[str, tuple[str, float, bool]], version: str | None = None, of: str | None = None
) -> Fake:
    """`loop_k/filtered_pairs` of the labels of version `of`."""
    kept = sum(keep for _, _, keep in labels.values())
    one = artifact(
        root, f"loop_{loop}/filtered_pairs", version or f"v-filtered-{loop}", {"n_kept": kept, "rule": "status_1"},
        **made_of(of or f"v-labels-{loop}", "self_labels"),
        files={"kept.parquet": digest_of(version or f"v-filtered-{loop}")},
    )  # fmt: skip
    rows = [
        {"pair_id": pair, "preferred": label, "rule": "status_1" if keep else "none", "kept": keep,
         "reason": "good against bad" if keep else "neither", "weight": float(keep)}
        for pair, (label, _, keep) in labels.items()
    ]  # fmt: skip
    tables.write(one.path / "filtered.parquet", tables.FILTERED, rows)
    return one


def heldout(root: Path, key: str, version: str, model: str, wrong: set[str]) -> Fake:
    """The held-out scores of the RM of version `model`; every pair has confidence 0.8, t4 has 0.55.

    The RM gets the pairs `wrong` wrong.
    """
    pairs = {pair: label for pair, (role, label) in PAIRS.items() if role in ("test", "calibration")}
    metrics = {}
    for split in ("test", "calibration"):
        mine = [pair for pair in pairs if PAIRS[pair][0] == split]
        metrics[split] = {
            "accuracy": share([float(pair not in wrong) for pair in mine], mine),
            "longer_wins": share([float(PAIRS[pair][1] == "a") for pair in mine], mine),
            "ece": 0.125,
        }
    summary = {"temperature": 1.0, "metrics": metrics}
    one = artifact(root, f"{key}.heldout", version, summary, seconds=0.5, **made_of(model, "reward_model"))
    rows = [
        {"pair_id": pair, "split": PAIRS[pair][0], "preferred": label,
         "reward_a": 1.0 if (label == "a") != (pair in wrong) else -1.0, "reward_b": 0.0,
         "confidence": 0.55 if pair == "t4" else 0.8}
        for pair, label in pairs.items()
    ]  # fmt: skip
    rows.append({**rows[0], "pair_id": "p1", "split": "vault"})
    tables.write(one.path / "heldout.parquet", tables.HELDOUT, rows)
    return one


def report_of(
    root: Path, loop: int, status: str, n_pool: int, version: str | None = None, of: str | None = None,
    ends: bool | None = None, cut: dict[str, Any] | None = None,
) -> Fake:  # fmt: skip
    """`loop_k/status_report` of the labels of version `of`; by default it `ends` as under select = status.

    Args:
        cut: what a promise came to, under select = calibrated.
    """
    summary = {
        "loop": loop, "status": status, "n_pool": n_pool, "n_status_1": 3, "n_status_2": 1, "n_min": 2,
        "reward_offset": 0.25, "thresholds": {"tau_high": 0.55, "tau_low": 0.45, "tau_delta": 0.3},
        "ends": status == "converged" if ends is None else ends, "why": f"status {status}", "precision": cut,
        "select": "calibrated" if cut else "status", "rule": {"cut": (cut or {}).get("confidence") or 1.0},
    }  # fmt: skip
    made = made_of(of or f"v-labels-{loop}", "self_labels")
    return artifact(root, f"loop_{loop}/status_report", version or f"v-status-{loop}", summary, **made)


def policy_of(root: Path, version: str, summary: dict[str, Any]) -> Fake:
    """`ppo_policy`, trained in two steps under the RM of loop 1."""
    made = artifact(root, "ppo_policy", version, summary, seconds=30.0, **made_of("v-rm-1", "reward_model"))
    steps = ({**dict.fromkeys(STEPS.names, 0.5), "step": k, "episodes": 32 * (k + 1)} for k in range(2))
    tables.write(made.path / "metrics.parquet", STEPS, steps)
    return made


def policy(root: Path, outcomes: tuple[str, ...] = ("win", "win", "loss", "tie")) -> list[Fake]:
    """`ppo_policy` and `policy_evaluation`, one judged prompt per outcome."""
    summary = {"episodes": 64, "mean_reward": 0.6, "kl": 1.25, "rm_version": "v-rm-1"}
    worth = [WORTH[outcome] for outcome in outcomes]
    judged = {
        "n": len(outcomes), **{name: outcomes.count(name) for name in ("win", "tie", "loss")},
        "win_rate": share(worth, [f"t{k}" for k in range(len(outcomes))]),
        "mean_base_reward": 0.4, "mean_policy_reward": 0.55,
        "judge": {"accuracy": JUDGE, "longer_wins": COIN, "cross_fitted": True},
    }  # fmt: skip
    made = policy_of(root, "v-ppo", summary)
    evaluation = artifact(root, "policy_evaluation", "v-eval", judged, **made_of("v-ppo", "policy"))
    rows = [
        {"pair_id": f"t{k + 1}", "prompt": canonical_prompt(f"Question t{k + 1}?"), "base_response": "base",
         "policy_response": "<script>alert('policy')</script>", "base_reward": 0.4, "policy_reward": 0.55,
         "judge_base": 0.1, "judge_policy": 0.2, "outcome": outcome}
        for k, outcome in enumerate(outcomes)
    ]  # fmt: skip
    tables.write(evaluation.path / "judged.parquet", JUDGED, rows)
    return [made, evaluation]


def record(root: Path, vault: bool = True, texts: dict[str, str] | None = None, **changes: Any) -> EvolutionRecord:
    """The whole run. Test accuracy: seed 2 of 4, loop 1 3 of 4; calibration: 1 of 2, then 2 of 2."""
    training = {"n_human": 2, "random_seed": 7, "steps": 3}
    made = [
        landed(root, vault, texts, snapshot=changes.get("snapshot", SNAPSHOT)),
        splits(root, vault),
        artifact(root, "seed_rm", "v-rm-0", {**training, "n_pseudo": 0, "loop": 0}, seconds=20.0,
                 **trained_on(), git_commit="c0ffee+", packages={"torch": "2.13"}, execution={"devices": ["a CPU"]}),
        heldout(root, "seed_rm", "v-held-0", "v-rm-0", {"t1", "t4", "c1"}),
        self_labels(root, 1, LOOP_1, "v-rm-0"),
        report_of(root, 1, "1", len(LOOP_1)),
        filtered(root, 1, LOOP_1),
        artifact(root, "loop_1/retrained_rm", "v-rm-1", {**training, "n_pseudo": 3, "loop": 1}, seconds=5.0,
                 **trained_on("v-filtered-1", start="v-rm-0")),
        heldout(root, "loop_1/retrained_rm", "v-held-1", "v-rm-1", {"t4"}),
        self_labels(root, 2, LOOP_2, "v-rm-1"),
        report_of(root, 2, "converged", len(LOOP_2)),
        promotion(
            root, "v-evolved",
            {"promoted_loop": 1, "rm_version": "v-rm-1", "verdict": "shown",
             "gain": {"value": 0.5, "low": 0.1, "high": 0.9}, "detectable": 0.25, "needed": 1234,
             "why": "loop 1: 100.0% of 2 calibration pairs"},
        ),
        artifact(root, "controls/judge_rm", "v-judge", {"accuracy": JUDGE, "longer_wins": COIN, "n": 20}),
        *policy(root),
    ]  # fmt: skip
    return named({one.key: one for one in made}, **changes)


def named(
    artifacts: Mapping[str, AuditArtifact], snapshot: str = SNAPSHOT, dataset: str = "sample",
    settings: Settings | None = None, name: str | None = None,
) -> EvolutionRecord:  # fmt: skip
    """The evolution of a snapshot under these settings."""
    settings = settings or Settings()
    at = "2026-03-01T12:00:00+00:00"
    return EvolutionRecord(f"{snapshot}/{settings.digest}", name, at, snapshot, dataset, settings, artifacts)


def promotion(
    root: Path, version: str, summary: dict[str, Any], decided_on: Sequence[str] = ("v-held-0", "v-held-1")
) -> Fake:
    """`evolved_rm`, decided on the held-out scores of these versions."""
    scores = [{"version": one, "file": "heldout.parquet", "sha256": digest_of(one)} for one in decided_on]
    return artifact(root, "evolved_rm", version, summary, inputs={"heldout": scores})


def behind_a_closed_gate(root: Path, decided_on: str = "v-held-0") -> EvolutionRecord:
    """The same run, had its seed RM not been shown to be better than a coin: its loops are those of an earlier one.

    `decided_on` is the version of the scores that the promotion was decided on.
    """
    closed = promotion(
        root, "v-closed",
        {"promoted_loop": 0, "rm_version": "v-rm-0", "verdict": "gate_not_shown",
         "why": "no loop was run: the seed RM is not shown to be better than a coin"},
        [decided_on],
    )  # fmt: skip
    return with_artifacts(record(root), closed)
