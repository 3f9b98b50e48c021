"""Evolutions without any work: artifacts of a few bytes under real heads, and executions of jobs that do nothing."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent

from assets.ser_resource import EVOLUTION_TAG, PARTITION_TAG
from resources import asset_keys as keys
from resources.artifacts import Artifact, Part
from resources.evolution import Evolution
from resources.manifests import MANIFEST, file_digests, sealed
from resources.settings import Settings
from ser.method.selection import PairRule
from ser.method.stats import share
from ser.specs import Gate, Thresholds

SNAPSHOT = "tiny-0123456789ab"
DATA = [keys.LANDED_PAIRS, keys.SPLITS, keys.VAULT, keys.ENCODED_PAIRS]
SEED = [*DATA, keys.SEED_RM, keys.heldout_of(keys.SEED_RM)]
POLICY = [keys.JUDGE_RM, keys.PPO_POLICY, keys.POLICY_EVALUATION]
RULE = PairRule.of_loop("status", "2", Thresholds())
RIGHT = 50
"""Of the 60 calibration pairs that the seed RM ranks as people do, by default."""

_FILES = {"self_labels": "self_labels.parquet", "filtered_pairs": "kept.parquet", "ppo_policy": "policy/model"}


def loop(number: int) -> list[str]:
    """The keys of a loop that trains a model."""
    model = keys.model_of(number)
    before = [keys.self_labels(number), keys.status_report(number), keys.filtered_pairs(number)]
    return [*before, model, keys.heldout_of(model)]


def evolution(root: Path, snapshot: str = SNAPSHOT, name: str | None = None, **settings: Any) -> Evolution:
    """An evolution that has begun and made nothing, of two loops."""
    work = Evolution(root, Settings(**({"loops": 2} | settings)), snapshot)
    work.heads.begin(name)
    return work


def make(work: Evolution, made: Sequence[str], again: str = "", **summaries: dict[str, Any]) -> None:
    """Make these keys in their order, each from those before; `again` tells content from an earlier one."""
    for key in made:
        summary = _summary(work, key) | summaries.get(key.rpartition("/")[2].replace(".", "_"), {})
        text = f"{key} of {work.identity} {again}"
        artifact = Artifact(key, hashlib.sha256(text.encode()).hexdigest()[:16], Path())
        place = work.store.root / key / artifact.version
        (place / _file(key)).parent.mkdir(parents=True, exist_ok=True)
        (place / _file(key)).write_text(text)
        (place / "summary.json").write_text(json.dumps(summary))
        facts = {"key": key, "version": artifact.version, "files": file_digests(place), "inputs": _inputs(work, key)}
        (place / MANIFEST).write_text(json.dumps(sealed(facts)))
        work.heads.set(artifact)


def _file(key: str) -> str:
    if keys.measured_model(key):
        return "heldout.parquet"
    return "rm/model" if keys.is_reward_model(key) else _FILES.get(key.rpartition("/")[2], "table.parquet")


def _summary(work: Evolution, key: str) -> dict[str, Any]:
    """What the summaries of these keys say as far as the state of an evolution depends on it."""
    accuracy = share([float(k < RIGHT) for k in range(60)], [str(k) for k in range(60)])
    if keys.measured_model(key):
        return {"metrics": {"calibration": {"accuracy": accuracy}}}
    if key == keys.EVOLVED_RM:
        loops = [0, *(k for k in range(1, 9) if work.heads.find(keys.model_of(k)))]
        gate = Gate(shown=True, accuracy=0.8, ci_low=0.7, ci_high=0.9, n=60, needed=9, words="shown").model_dump()
        candidates = [{"loop": k} for k in loops]
        return {"promoted_loop": loops[-1], "verdict": "shown", "gate": gate, "candidates": candidates}
    return {
        "status_report": {"ends": False, "rule": RULE.model_dump()},
        "vault": {"vault": 0},
        "policy_evaluation": {"win_rate": {"value": 0.5}},
    }.get(key.rpartition("/")[2], {})


def _inputs(work: Evolution, key: str) -> dict[str, Any]:
    """What the manifests of these keys say that they were made from."""
    stage = key.rpartition("/")[2]
    if model := keys.measured_model(key):
        return {"reward_model": _described(_part(work, model, "rm"))}
    if stage in ("status_report", "filtered_pairs"):
        labels = _part(work, key.replace(stage, "self_labels"), "self_labels.parquet")
        return {"self_labels": _described(labels)}
    if key == keys.NAIVE_PAIRS:
        return {"self_labels": _described(_part(work, keys.self_labels(1), "self_labels.parquet"))}
    if key == keys.TRUE_LABELS:
        kept = [keys.filtered_pairs(k) for k in range(1, 9) if work.heads.find(keys.filtered_pairs(k))]
        return {"kept": [_described(_part(work, one, "kept.parquet")) for one in kept]}
    if key == keys.EVOLVED_RM:
        made = [keys.heldout_of(keys.model_of(k)) for k in range(9) if work.heads.find(keys.model_of(k))]
        return {"heldout": [_described(_part(work, one, "heldout.parquet")) for one in made]}
    if key == keys.PPO_POLICY:
        return {"reward_model": _described(work.promoted_model().part("rm"))}
    if key == keys.POLICY_EVALUATION:
        return {"policy": _described(_part(work, keys.PPO_POLICY, "policy"))}
    return {}


def _part(work: Evolution, key: str, name: str) -> Part:
    artifact: Artifact = work.heads.get(key)
    return artifact.part(name)


def _described(part: Part) -> dict[str, str]:
    return {"version": part.version, "file": part.path.name, "sha256": part.digest}


def tags(work: Evolution) -> dict[str, str]:
    """Those of an execution of the evolution."""
    return {EVOLUTION_TAG: work.identity, PARTITION_TAG: work.snapshot}


_TOLD = dg.ResourceDefinition(lambda _: None, config_schema={"stop_after": dg.Noneable(dg.Int)})


def job(name: str, step: str, error: BaseException | None = None) -> dg.JobDefinition:
    """A job of one step that fails with `error`, or does nothing."""

    @dg.op(name=step, required_resource_keys={"ser"})
    def work_on() -> None:
        if error is not None:
            raise error

    graph = dg.GraphDefinition(name=name, node_defs=[work_on])
    return dg.JobDefinition(graph_def=graph, resource_defs={"ser": _TOLD})


def config(loops: int | None = None) -> dict[str, Any]:
    """The run config of an execution that is told to stop after `loops`."""
    quiet = {"console": {"config": {"log_level": "CRITICAL"}}}
    return {"resources": {"ser": {"config": {"stop_after": loops}}}, "loggers": quiet}


NOTHING = job("ser_run", "nothing")


def begin(
    current: dg.DagsterInstance, work: Evolution, step: str | None = None, loops: int | None = None,
    what: dg.JobDefinition = NOTHING,
) -> dg.DagsterRun:  # fmt: skip
    """An execution that has begun, and if need be a step, and neither goes on nor ends."""
    run = current.create_run_for_job(what, tags=tags(work), run_config=config(loops))
    report(current, run, dg.DagsterEventType.RUN_START)
    if step:
        report(current, run, dg.DagsterEventType.STEP_START, step)
    return run


def report(current: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType, step: str | None = None) -> None:
    """Write down an event of an execution."""
    event = DagsterEvent(event_type_value=kind.value, job_name=run.job_name, step_key=step)
    current.report_dagster_event(event, run.run_id)
