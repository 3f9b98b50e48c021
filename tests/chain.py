"""Running the real graph on tiny models, with or without injected rewards."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.graph import graph, run_keys
from assets.ser_resource import SNAPSHOTS, SerResource
from resources import evolution
from resources.evolution import Evolution
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.settings_file import load_settings
from ser.data import tables
from ser.progress import Progress
from ser.stages.job import Job
from ser.stages.label import LabelInputs

SETTINGS = """
[encoding]
max_length = 128
[reward_model]
learning_rate = 5e-3
batch_size = 8
min_steps = 1
[reward_model.lora]
r = 4
top = 0.3333
[ppo]
episodes = 8
batch_size = 8
minibatch_size = 8
epochs = 1
response_tokens = 4
[ppo.lora]
r = 2
[judging]
prompts = 8
"""

Probabilities = Callable[[int, int, str], tuple[float, float]]
"""(loop, number of the pair in the loop's pool, pair_id) -> (p_a, p_b)"""


@contextmanager
def project(folder: Path, settings: str, backbone: Path) -> Iterator[tuple[Path, pytest.MonkeyPatch]]:
    """A data root in `folder` that several tests share; the environment names it as long as this lasts."""
    (folder / "ser.toml").write_text(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_DATA", str(folder / "data"))
        patch.setenv("SER_CONFIG", str(folder / "ser.toml"))
        patch.setenv("SER_BACKBONE__MODEL", str(backbone))
        patch.setenv("SER_COMPUTE__THREADS", "1")
        patch.setenv("SER_MAX_LOOPS", "3")
        patch.delenv("DAGSTER_HOME", raising=False)
        yield folder / "data", patch


def land(root: Path, *files: Path, dataset: str = "tiny") -> str:
    """Land files and return the snapshot."""
    return Landing(root, load_settings()).land(list(files), dataset).snapshot


def materialize(root: Path, snapshot: str, policy: bool = True) -> tuple[dg.ExecuteInProcessResult, Evolution]:
    """Run the job of `ser run` on a snapshot, in an instance that is forgotten."""
    settings = load_settings()
    assets, checks = graph(settings)
    selection = dg.AssetSelection.assets(*run_keys(settings, policy))
    job = dg.define_asset_job("ser_run", selection=selection, partitions_def=SNAPSHOTS)
    defs = dg.Definitions(assets=assets, asset_checks=checks, jobs=[job], resources={"ser": SerResource()})
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("snapshot", [snapshot])
        result = defs.resolve_job_def("ser_run").execute_in_process(
            instance=instance, partition_key=snapshot, raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip
    return result, Evolution(root, settings, snapshot)


def inject(monkeypatch: pytest.MonkeyPatch, probabilities: Probabilities) -> None:
    """Let `probabilities` decide what every loop's reward model says of the pool; all else stays real."""

    def launch(job: Job, progress: Progress) -> dict[str, Any]:
        if not isinstance(job.inputs, LabelInputs):
            return in_process(job, progress)
        inputs, out = job.inputs, job.out
        loop = int(out.parts[-3].removeprefix("loop_"))
        taken = {row["pair_id"] for path in inputs.kept for row in tables.read(path, columns=["pair_id"])}
        encoded = tables.read(inputs.encoded, columns=["pair_id"])
        pool = sorted(row["pair_id"] for row in encoded if row["pair_id"] not in taken)
        rows = []
        for number, pair_id in enumerate(pool):
            p_a, p_b = probabilities(loop, number, pair_id)
            rows.append(
                {
                    "pair_id": pair_id, "reward_a": p_a, "reward_b": p_b, "p_a": p_a, "p_b": p_b, "confidence": 0.75,
                    "preferred": "a" if p_a >= p_b else "b",
                }
            )  # fmt: skip
        tables.write(out / "self_labels.parquet", tables.SELF_LABELS, rows)
        return {"n_pool": len(rows), "reward_offset": 0.0, "temperature": 1.0}

    monkeypatch.setattr(evolution, "in_process", launch)


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What became of each asset: `made` or `skipped` (failed ones are missing)."""
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    skipped = {
        "/".join(event.step_key.split("__")) for event in result.all_events if event.is_step_skipped and event.step_key
    }
    return dict.fromkeys(made, "made") | dict.fromkeys(skipped, "skipped")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Every asset check and whether it passed."""
    evaluations = result.get_asset_check_evaluations()
    return {f"{one.asset_key.to_user_string()}:{one.check_name}": one.passed for one in evaluations}


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of an asset's materialisation."""
    [made] = [one for one in result.get_asset_materialization_events() if one.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in made.materialization.metadata.items()}


def summary(work: Evolution, key: str) -> dict[str, Any]:
    """The summary of an asset's artifact."""
    return json.loads((work.heads.get(key).path / "summary.json").read_text())
