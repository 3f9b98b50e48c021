"""Stages that score: killed, shared out, with and without the cache of states, they come to the same bytes."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from resources.disk import clear
from ser import slices
from ser.data import tables
from ser.data.encoded import ENCODED_NAME, count_slices, write_encoded
from ser.models import scoring
from ser.models.states.writing import write_states
from ser.progress import Progress, silent
from ser.specs import Arithmetic, Execution
from ser.stages.heldout import HeldoutSpec
from ser.stages.job import Job
from ser.stages.label import LabelSpec
from tests.models import encoded_pairs, labelled_pairs, random_model, run_stage

ROOT = Path(__file__).parents[3]
SPECS = {"label": LabelSpec(arithmetic=Arithmetic()), "heldout": HeldoutSpec(arithmetic=Arithmetic())}
Stage = Callable[..., dict[str, Any]]


class KilledError(Exception):
    """Stands for a process that dies."""


@pytest.fixture(scope="module")
def inputs(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Three parts of 60 pairs in small slices, with their states."""
    folder = tmp_path_factory.mktemp("scoring")
    model = random_model(tiny_backbone)
    model.save(folder / "rm")
    result: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SLICE_TOKENS", 512)
        for name, seed in (("pool", 0), ("test", 1), ("calibration", 2)):
            part = folder / name
            part.mkdir()
            write_encoded(encoded_pairs(tiny_backbone, 60, seed=seed), part)
            write_states(model, part / ENCODED_NAME, part, Arithmetic())
            assert count_slices(part / ENCODED_NAME) > 4
            rows = [
                {**pair.__dict__, "preferred": letter, "unit": pair.prompt} for pair, letter in labelled_pairs(60, seed)
            ]
            tables.write(folder / f"{name}.parquet", tables.LABELLED, rows)
            result |= {f"{name}_encoded": part / ENCODED_NAME, f"{name}_states": part, name: folder / f"{name}.parquet"}
    tables.write(folder / "none.parquet", tables.LABELS, [])
    kept = [{"pair_id": row["pair_id"], "preferred": "a"} for row in list(tables.read(folder / "pool.parquet"))[:7]]
    tables.write(folder / "kept.parquet", tables.LABELS, kept)
    (folder / "summary.json").write_text('{"temperature": 1.5}')
    return result | {
        "backbone": tiny_backbone, "reward_model": folder / "rm", "heldout": folder / "summary.json",
        "encoded": result["pool_encoded"], "states": result["pool_states"], "kept": [folder / "kept.parquet"],
        "judge": folder / "none.parquet",
    }  # fmt: skip


@pytest.fixture(params=["label", "heldout"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def stage(name: str, inputs: Mapping[str, Any]) -> Stage:
    def run(out: Path, progress: Progress = silent, without: tuple[str, ...] = (), **execution: int) -> dict[str, Any]:
        out.mkdir(exist_ok=True)
        own = {key: value for key, value in inputs.items() if key not in without}
        return run_stage(name, SPECS[name], own, out, progress, **execution)

    return run


def results(out: Path) -> dict[str, bytes]:
    """What the store keeps."""
    clear(out)
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_killed_stage_repeats_at_most_a_slice(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    everything: list[int] = []
    wanted = stage(tmp_path / "whole", lambda done, *_: everything.append(done))
    before: list[int] = []

    def kill(done: int, total: int, unit: str, note: str = "") -> None:
        before.append(done)
        if done > share * total:
            raise KilledError

    with pytest.raises(KilledError):
        stage(tmp_path / "broken", kill)
    after: list[int] = []
    assert json.dumps(stage(tmp_path / "broken", lambda done, *_: after.append(done))) == json.dumps(wanted)
    assert before + after == everything and 0 < len(after) < len(everything)
    assert results(tmp_path / "broken") == results(tmp_path / "whole")


def test_dying_after_any_table_costs_no_scoring(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right after it wrote the n-th table, for every n."""
    wanted = stage(tmp_path / "whole")
    original = tables.write
    for number in range(1, 20):
        out, calls = tmp_path / f"broken {number}", 0

        def die(*args: Any, last: int = number) -> int:
            nonlocal calls
            result = original(*args)
            calls += 1
            if calls == last:
                raise KilledError
            return result

        with monkeypatch.context() as patch:
            patch.setattr(tables, "write", die)
            try:
                assert stage(out) == wanted
                assert number > 1  # it was killed at least once
                return
            except KilledError:
                assert calls == number
        with monkeypatch.context() as patch:
            patch.setattr(scoring, "_rewards", None)
            assert stage(out) == wanted
    raise AssertionError("it never came to its end")


def test_without_the_cache_or_with_a_damaged_one_the_results_are_the_same(
    name: str, stage: Stage, inputs: Mapping[str, Any], tmp_path: Path
) -> None:
    """Byte for byte where nothing of a slice is left out, as for held-out pairs: the shapes are the same."""
    caches = ("states", "calibration_states", "test_states")
    stage(tmp_path / "with")
    stage(tmp_path / "without", without=caches)
    damaged = inputs["states" if name == "label" else "test_states"] / "00002"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:99] + bytes([content[99] ^ 4]) + content[100:])
    stage(tmp_path / "damaged")
    assert not damaged.exists()
    stage(tmp_path / "gone")
    damaged.write_bytes(content)
    stage(tmp_path / "large batches", batch_tokens=4096)
    wanted = results(tmp_path / "with")
    for other in ("without", "damaged", "gone", "large batches"):
        if name == "heldout" and other != "large batches":
            assert results(tmp_path / other) == wanted
        table = tmp_path / other / {"label": "self_labels.parquet", "heldout": "heldout.parquet"}[name]
        for one, two in zip(tables.read(table), tables.read(tmp_path / "with" / table.name), strict=True):
            assert {k: v for k, v in one.items() if not isinstance(v, float)} == {
                k: v for k, v in two.items() if not isinstance(v, float)
            }
            assert [one["reward_a"], one["reward_b"]] == pytest.approx([two["reward_a"], two["reward_b"]], abs=1e-5)


def test_any_sharing_out_comes_to_the_same_bytes(name: str, stage: Stage, tmp_path: Path, inputs: Any) -> None:
    """Rank 1 of 2, then rank 2 of 3, then rank 0 of 2, then the whole."""
    wanted = stage(tmp_path / "whole")
    out = tmp_path / "shared"
    out.mkdir()
    known = get_type_hints(import_module(f"ser.stages.{name}").run)["inputs"].model_fields
    job = Job.of(name, SPECS[name], {key: inputs[key] for key in known if key in inputs}, out, Execution(threads=1))
    for share in ((1, 2), (2, 3), (0, 2)):
        assert replace(job, share=share).run(silent) == dict(zip(("rank", "world"), share, strict=True))
        assert not list(out.glob("*.parquet"))
    rest: list[int] = []
    assert stage(out, lambda done, *_: rest.append(done)) == wanted
    assert rest == []
    assert results(out) == results(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["label"])
def test_two_processes_side_by_side(stage: Stage, name: str, inputs: Mapping[str, Any], tmp_path: Path) -> None:
    """One of them is killed on its way; the whole then costs what that one had left."""
    wanted, out, file = stage(tmp_path / "whole"), tmp_path / "shared", tmp_path / "job.json"
    read = ("backbone", "reward_model", "heldout", "encoded", "kept")  # without the cache, on top
    job = {
        "stage": name, "spec": {"arithmetic": {}}, "out": str(out), "execution": {"threads": 1},
        "inputs": {key: inputs[key] for key in read},
    }  # fmt: skip

    def share(rank: int) -> subprocess.Popen[str]:
        mine = file.with_name(f"{rank}.json")
        mine.write_text(json.dumps(job | {"share": [rank, 2]}, default=str))
        command = [sys.executable, "-m", "ser.stages", str(mine)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    job["inputs"]["kept"] = [str(path) for path in inputs["kept"]]
    whole, killed = share(0), share(1)
    assert killed.stdout is not None and "pairs" in killed.stdout.readline()
    killed.kill()
    said = whole.communicate()[0].splitlines()
    killed.communicate()
    assert json.loads(said[-1]) == {"rank": 0, "world": 2} and len(said) > 2
    assert stage(out) == wanted
    assert results(out) == results(tmp_path / "whole")
