"""The store makes each artifact once, whole, and notices when one has changed."""

import errno
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from resources.artifacts import Artifact, ArtifactStore, Part
from resources.disk import file_digest
from resources.manifests import DamagedArtifactError
from ser.errors import SerError
from ser.progress import Progress, silent
from ser.specs import Execution, Target
from ser.stages.filter_pairs import FilterPairsInputs, FilterPairsSpec
from ser.stages.job import Job


class Recorder:
    """A launcher that writes what it was given, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails_at: int | None = None
        self.found: list[str] = []

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]:
        assert isinstance(job.spec, FilterPairsSpec) and isinstance(job.inputs, FilterPairsInputs)
        out, source = job.out, job.inputs.status
        self.calls += 1
        self.found = sorted(path.name for path in out.iterdir())
        (out / "part").mkdir(exist_ok=True)
        (out / "part" / "one.txt").write_text(source.read_text())
        if self.fails_at == self.calls:
            raise RuntimeError("killed")
        (out / "two.txt").write_text(job.spec.target)
        return {"length": len(source.read_text())}


@pytest.fixture
def launcher() -> Recorder:
    return Recorder()


@pytest.fixture
def store(tmp_path: Path, launcher: Recorder) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts", launcher)


def make(store: ArtifactStore, tmp_path: Path, text: str = "hello", target: Target = "hard") -> Artifact:
    source = tmp_path / "source.txt"
    source.write_text(text)
    inputs: dict[str, Part | list[Part]] = {
        name: Part(source, file_digest(source), "v0") for name in ("self_labels", "status")
    }
    return store.make(
        "loop_1/thing",
        "filter_pairs",
        FilterPairsSpec(target=target),
        inputs,
        progress=silent,
        run_id="r1",
    )


def test_an_artifact_is_made_once(store: ArtifactStore, tmp_path: Path, launcher: Recorder) -> None:
    first, second = make(store, tmp_path), make(store, tmp_path)
    assert (first.reused, second.reused) == (False, True)
    assert launcher.calls == 1
    assert second.summary == {"length": 5}
    assert second.path == tmp_path / "artifacts" / "loop_1" / "thing" / first.version


def test_other_inputs_or_settings_are_another_version(store: ArtifactStore, tmp_path: Path) -> None:
    versions = {make(store, tmp_path).version, make(store, tmp_path, "other").version}
    versions.add(make(store, tmp_path, target="soft").version)
    assert len(versions) == 3


def test_the_manifest_names_inputs_files_and_run(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = make(store, tmp_path)
    manifest = artifact.manifest
    assert manifest["inputs"]["status"] == {
        "version": "v0",
        "file": "source.txt",
        "sha256": file_digest(tmp_path / "source.txt"),
    }
    assert sorted(manifest["files"]) == ["part/one.txt", "summary.json", "two.txt"]
    assert (manifest["run_id"], manifest["key"]) == ("r1", "loop_1/thing")
    how = manifest["execution"]
    assert (how["threads"], how["batch_tokens"], how["caches"], len(how["devices"])) == (2, 768, {}, 1)


def test_how_it_is_run_is_no_part_of_the_version(store: ArtifactStore, tmp_path: Path, launcher: Recorder) -> None:
    artifact = make(store, tmp_path)
    store.execution = Execution(threads=1, batch_tokens=64)
    assert make(store, tmp_path).version == artifact.version and launcher.calls == 1


def test_a_killed_stage_continues_in_its_folder(store: ArtifactStore, tmp_path: Path, launcher: Recorder) -> None:
    launcher.fails_at = 1
    with pytest.raises(RuntimeError):
        make(store, tmp_path)
    folders = list((tmp_path / "artifacts" / "loop_1" / "thing").iterdir())
    assert [folder.name[0] for folder in folders] == ["."]
    artifact = make(store, tmp_path)
    assert launcher.found == [".stopwatch.tmp", "part"]
    assert [path.name for path in artifact.path.parent.iterdir()] == [artifact.version]


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_damaged_artifact_is_named_and_made_again(
    store: ArtifactStore, tmp_path: Path, launcher: Recorder, damage: str
) -> None:
    artifact = make(store, tmp_path)
    victim = artifact.path / "part" / "one.txt"
    if damage == "changed":
        victim.write_text("jello")
    elif damage == "missing":
        victim.unlink()
    else:
        victim = artifact.path / "three.txt"
        victim.write_text("new")
    fresh = ArtifactStore(store.root, launcher)
    with pytest.raises(DamagedArtifactError, match=victim.relative_to(artifact.path).as_posix()):
        fresh.load("loop_1/thing", artifact.version)
    told: list[str] = []
    source = Part(tmp_path / "source.txt", file_digest(tmp_path / "source.txt"))
    again = fresh.make(
        "loop_1/thing",
        "filter_pairs",
        FilterPairsSpec(target="hard"),
        {"self_labels": source, "status": source},
        progress=lambda done, total, unit, note="": told.append(note),
    )
    assert (again.version, again.reused) == (artifact.version, False)
    assert "is damaged" in told[0]
    assert (again.path / "part" / "one.txt").read_text() == "hello"


def test_a_part_may_be_a_folder(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = make(store, tmp_path)
    assert artifact.part("part").path == artifact.path / "part"
    assert artifact.part("part").digest != artifact.whole().digest
    with pytest.raises(DamagedArtifactError, match="has no three"):
        artifact.part("three")


def test_a_full_disk_is_said_in_one_line(store: ArtifactStore, tmp_path: Path) -> None:
    def full(*_: Any) -> dict[str, Any]:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.launcher = full
    with pytest.raises(SerError, match="no disk space for artifact loop_1/thing"):
        make(store, tmp_path)


def test_a_manifest_that_no_longer_says_what_it_said_is_named_and_not_the_file_it_is_wrong_about(
    store: ArtifactStore, tmp_path: Path
) -> None:
    artifact = make(store, tmp_path)
    manifest = artifact.path / "manifest.json"
    digest = artifact.manifest["files"]["two.txt"]
    manifest.write_text(manifest.read_text().replace(digest, "0" * 64))
    with pytest.raises(DamagedArtifactError, match=r"damaged: manifest\.json is not what was written"):
        store.load(artifact.key, artifact.version)


def test_an_unreadable_manifest_is_named(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = make(store, tmp_path)
    (artifact.path / "manifest.json").write_text("{")
    with pytest.raises(DamagedArtifactError, match="no readable manifest"):
        store.load("loop_1/thing", artifact.version)
    assert json.loads((make(store, tmp_path).path / "manifest.json").read_text())["key"] == "loop_1/thing"


def test_two_processes_make_one_artifact(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = """
import pathlib, sys, time
from resources.artifacts import ArtifactStore
from ser.progress import silent
def work(out):
    time.sleep(1)
    (out / "by.txt").write_text(sys.argv[2])
    return {}
store = ArtifactStore(pathlib.Path(sys.argv[1]), None)
print(store.build("thing", "v1", work, {}, silent).reused)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    reused = sorted(process.communicate()[0].strip() for process in processes)
    assert reused == ["False", "True"]
    assert sorted(path.name for path in (tmp_path / "thing").iterdir()) == ["v1"]


def test_work_that_was_finished_is_not_done_again(
    store: ArtifactStore, tmp_path: Path, launcher: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise RuntimeError("killed while publishing")

    with monkeypatch.context() as patch:
        patch.setattr("resources.artifacts._publish", die)
        with pytest.raises(RuntimeError, match="publishing"):
            make(store, tmp_path)
    assert make(store, tmp_path).summary == {"length": 5}
    assert launcher.calls == 1


def test_what_a_killed_process_was_writing_is_not_published(
    store: ArtifactStore, tmp_path: Path, launcher: Recorder
) -> None:
    launcher.fails_at = 1
    with pytest.raises(RuntimeError):
        make(store, tmp_path)
    (temporary,) = (tmp_path / "artifacts" / "loop_1" / "thing").iterdir()
    (temporary / "part" / ".one.txt.tmp").write_text("hal")
    (temporary / ".summary.json.tmp").write_text("{")
    artifact = make(store, tmp_path)
    assert sorted(artifact.manifest["files"]) == ["part/one.txt", "summary.json", "two.txt"]
    found = {path.name for path in artifact.path.rglob("*")}
    assert found == {"part", "one.txt", "summary.json", "two.txt", "manifest.json"}


def test_no_bit_of_an_artifact_can_change_unseen(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = make(store, tmp_path)
    for victim in sorted(path for path in artifact.path.rglob("*") if path.is_file()):
        whole = victim.read_bytes()
        for place in range(0, len(whole), 7):
            victim.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
            with pytest.raises(DamagedArtifactError, match="thing/"):
                store.load("loop_1/thing", artifact.version)
        victim.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DamagedArtifactError):
            store.load("loop_1/thing", artifact.version)
        victim.write_bytes(whole)
    assert store.load("loop_1/thing", artifact.version).version == artifact.version


@pytest.mark.parametrize("killed", ["working", "file_digests", "_publish"])
def test_the_time_of_a_killed_process_counts_and_the_time_until_the_next_does_not(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    work_done = []

    def work(out: Path) -> dict[str, Any]:
        if not work_done:
            time.sleep(0.4)
            (out / "half.txt").write_text("half")
            work_done.append("half")
            if killed == "working":
                raise RuntimeError("killed")
        return {}

    def die(*_: Any) -> None:
        raise RuntimeError("killed")

    before = datetime.now(UTC)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(f"resources.artifacts.{'_publish' if killed == 'working' else killed}", die)
        store.build("thing", "v1", work, {}, silent)
    first_end = datetime.now(UTC)
    time.sleep(1)
    made = store.build("thing", "v1", work, {}, silent)
    assert 0.35 < made.manifest["seconds"] < 1.3
    assert before <= datetime.fromisoformat(made.manifest["started_at"]) < first_end
    assert datetime.fromisoformat(made.manifest["finished_at"]) > first_end
    assert sorted(made.manifest["files"]) == ["half.txt", "summary.json"]
    assert sorted(path.name for path in made.path.iterdir()) == ["half.txt", "manifest.json", "summary.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="what memory a process had is asked of Linux")
def test_a_manifest_says_what_processor_and_memory_the_stage_took(store: ArtifactStore) -> None:
    def work(out: Path) -> dict[str, Any]:
        held = bytearray(2**26)
        held[:: 2**12] = b"1" * 2**14
        child = "import time\nwhile time.process_time() < 0.3: pass"
        subprocess.run([sys.executable, "-c", child], check=True)
        return {}

    large = store.build("thing", "v1", work, {}, silent).manifest
    small = store.build("thing", "v2", lambda out: {}, {}, silent).manifest
    assert 0.25 < large["cpu_seconds"] < 3
    assert small["cpu_seconds"] < 0.25
    assert large["peak_memory"] - small["peak_memory"] > 2**25


def test_the_processor_time_of_a_killed_process_counts_and_an_unknown_peak_is_none(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_done: list[float] = []

    def work(out: Path) -> dict[str, Any]:
        if not work_done:
            work_done.append(time.process_time())
            while time.process_time() < work_done[0] + 0.4:
                pass
            (out / "half.txt").write_text("half")
            raise RuntimeError("killed")
        return {}

    monkeypatch.setattr("resources.stopwatch._reset_peak", lambda: False)
    with pytest.raises(RuntimeError, match="killed"):
        store.build("thing", "v1", work, {}, silent)
    manifest = store.build("thing", "v1", work, {}, silent).manifest
    assert 0.3 < manifest["cpu_seconds"] < 0.8
    assert manifest["peak_memory"] is None
