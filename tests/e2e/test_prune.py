"""Pruning takes what nothing needs, and nothing else, whenever it dies and whoever works beside it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resources.caches import every_cache
from resources.evolution import Evolution
from resources.heads import known_evolutions
from resources.landing.store import DatasetStore
from resources.locks import only_writer, own_snapshot
from resources.manifests import sealed
from resources.prune import Pruning, prune
from resources.pruned import KEPT
from resources.settings_file import load_settings
from resources.store_contents import contents, store_summary
from ser.errors import SerError
from ser_dagster.commands.audit import answer_sql, rebuild_database
from ser_dagster.commands.run import run
from tests import chain
from tests.pairs import labelled_rows, unlabelled, write_jsonl

pytestmark = pytest.mark.slow

SETTINGS = "loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS

ROLES = ("seed", "calibration", "test", "pool")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> tuple[Path, list[str]]:
    """A data root in which three snapshots of one dataset were run, the first of them with a policy."""
    folder = tmp_path_factory.mktemp("built")
    batches = [labelled_rows(300), unlabelled(labelled_rows(40, seed=8)), labelled_rows(40, seed=9)]
    snapshots = []
    with chain.project(folder, SETTINGS, tiny_backbone) as (root, _):
        for number, rows in enumerate(batches):
            snapshots.append(chain.land(root, write_jsonl(folder / f"{number}.jsonl", rows)))
            run("tiny", policy=number == 0)
    return root, snapshots


@pytest.fixture
def root(built: tuple[Path, list[str]], data_root: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may prune."""
    (tmp_path / "ser.toml").write_text(SETTINGS)
    shutil.copytree(built[0], data_root)
    return data_root


@pytest.fixture
def snapshots(built: tuple[Path, list[str]]) -> list[str]:
    """The three snapshots, oldest first."""
    return built[1]


def listing(root: Path) -> dict[str, int]:
    """Every file and folder but the notes of owners, which a prune writes anew."""
    paths = [path for path in root.rglob("*") if path.name != ".owner"]
    return {path.relative_to(root).as_posix(): path.stat().st_size if path.is_file() else -1 for path in paths}


def work_on(root: Path, snapshot: str) -> Evolution:
    return next(Evolution(root, one.settings, snapshot) for one in known_evolutions(root) if one.snapshot == snapshot)


def whole(root: Path, snapshot: str) -> bool:
    """Whether everything that the heads of a snapshot stand for is there, down to the last byte."""
    heads = work_on(root, snapshot).heads
    return all(not heads.get(key).pruned for key in heads.made())


def promoted(root: Path, snapshot: str) -> Path:
    """The promoted reward model of a snapshot, its digests checked."""
    return work_on(root, snapshot).promoted_model().part("rm").path


def removed(result: Pruning, root: Path) -> set[str]:
    return {row["path"] for row in result.as_dict(root)["removed"]}


def history(snapshot: str) -> list[list[dict[str, Any]]]:
    """What the audit says of a snapshot."""
    queries = [
        f"SELECT * FROM {table} WHERE snapshot = '{snapshot}' ORDER BY ALL"
        for table in ("roles", "self_labels", "status_reports", "current_artifacts")
    ] + [
        f"SELECT * EXCLUDE (path, promoted, why) FROM reward_models WHERE snapshot = '{snapshot}' ORDER BY ALL",
        "SELECT * FROM heldout_scores ORDER BY ALL",
        "SELECT * FROM policy_samples ORDER BY ALL",
        "SELECT * FROM human_labels ORDER BY ALL",
    ]
    return [json.loads("".join(answer_sql(sql, "json"))) for sql in queries]


def test_a_dry_run_says_what_a_real_one_does_and_changes_nothing(root: Path, snapshots: list[str]) -> None:
    before = listing(root)
    said = prune(root, 1, remove=False)
    assert listing(root) == before
    done = prune(root, 1, remove=True)
    assert removed(done, root) == removed(said, root)
    assert (said.dry_run, done.dry_run, said.bytes) == (True, False, done.bytes)
    sizes = [sum(size for size in files.values() if size > 0) for files in (before, listing(root))]
    assert done.bytes == sizes[0] - sizes[1] > 0
    assert prune(root, 1, remove=True).removed == []


def test_what_is_kept_is_reused_and_what_is_old_can_be_audited(root: Path, snapshots: list[str]) -> None:
    oldest, _, newest = snapshots
    before = history(oldest)
    assert all(before)
    prune(root, 1, remove=True)
    assert history(oldest) == before
    rebuild_database()
    assert history(oldest) == before
    assert whole(root, newest)
    assert run("tiny", policy=False)["reused"]


def test_of_an_old_snapshot_the_promoted_model_and_records_stay(root: Path, snapshots: list[str]) -> None:
    oldest, middle, newest = snapshots
    prune(root, 1, remove=True)
    for snapshot in snapshots:
        assert list(promoted(root, snapshot).glob("*.safetensors"))
    heads = work_on(root, oldest).heads
    labels = heads.find("loop_1/self_labels")
    assert labels is not None and labels.pruned
    assert labels.manifest["inputs"]["encoded"]["version"] == heads.find("encoded_pairs").version  # type: ignore[union-attr]
    with pytest.raises(SerError, match=r"loop_1/self_labels \w+ was pruned.*Materialise loop_1/self_labels again"):
        heads.get("loop_1/self_labels")
    assert {cache.folder for cache in every_cache(root)} == {work_on(root, newest).states(role) for role in ROLES}
    kept = {path.name for path in (root / "artifacts").rglob(".pruned-*/*")}
    assert kept <= KEPT
    assert {path.name for path in (root / "reports").iterdir()} == {
        f"{newest}-{load_settings().digest}.html", "index.html",
    }  # fmt: skip
    assert work_on(root, middle).heads.pruned() and not work_on(root, newest).heads.pruned()


def test_pairs_that_were_pruned_and_whose_landing_is_gone_are_left_out_and_that_is_said(
    root: Path, snapshots: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = history(snapshots[0])[1]
    prune(root, 1, remove=True)
    shutil.rmtree(root / "landing" / "tiny")
    rebuild_database()
    assert f"{snapshots[0]}: its pairs are left out" in capsys.readouterr().err
    assert len(before) > 0 and history(snapshots[0])[1] == before


def test_as_many_snapshots_stay_as_were_asked_for(root: Path, snapshots: list[str]) -> None:
    oldest, middle, newest = snapshots
    result = prune(root, 2, remove=True)
    assert (result.kept_snapshots, result.old_snapshots) == ([newest, middle], [oldest])
    assert whole(root, newest) and whole(root, middle) and work_on(root, oldest).heads.pruned()
    assert prune(root, 9, remove=False).old_snapshots == []
    with pytest.raises(SerError, match="--keep 0 is impossible"):
        prune(root, 0, remove=True)


def test_a_snapshot_without_a_model_pushes_none_out(root: Path, snapshots: list[str]) -> None:
    _, middle, newest = snapshots
    next((root / "heads" / newest).glob("*/evolved_rm.json")).unlink()
    assert prune(root, 1, remove=False).kept_snapshots == [newest, middle]


def test_an_old_snapshot_can_be_run_again(root: Path, snapshots: list[str]) -> None:
    prune(root, 1, remove=True)
    store = DatasetStore(root, "tiny")
    (store.folder / "current").write_text(f"{snapshots[0]}\n")
    again = run("tiny", policy=False)
    assert (again["snapshot"], again["reused"]) == (snapshots[0], False)
    # Its policy was not asked for this time, so of that the record is what there is.
    heads = work_on(root, snapshots[0]).heads
    pruned = {key for key in heads.made() if (found := heads.find(key)) is not None and found.pruned}
    assert pruned == {"controls/judge_rm", "policy_evaluation", "policy_evaluation.base_responses", "ppo_policy"}
    assert not {one.identity for one in contents(root).artifacts} & {
        one.identity for one in contents(root).records if one.heavy
    }


def test_what_a_run_works_on_is_left_and_named(root: Path, snapshots: list[str]) -> None:
    oldest, middle, _ = snapshots
    unfinished = root / "artifacts" / "seed_rm" / ".0123456789abcdef.tmp"
    unfinished.mkdir()
    (unfinished / "checkpoint.pt").write_bytes(b"half")
    with own_snapshot(root, oldest, "busy"):
        result = prune(root, 1, remove=True)
        assert result.old_snapshots == [middle]
        assert [line for line in result.in_use if oldest in line] and "1 temporary folders" in result.in_use[-1]
    assert unfinished.exists() and whole(root, oldest) and work_on(root, middle).heads.pruned()
    assert prune(root, 1, remove=True).in_use == []
    assert not unfinished.exists() and work_on(root, oldest).heads.pruned()


def test_an_artifact_that_a_run_takes_meanwhile_stays(root: Path, snapshots: list[str]) -> None:
    """Between the look at the store and the removal, a run of the newest snapshot takes one and makes another."""
    old = work_on(root, snapshots[0]).heads
    taken, made = old.get("splits"), old.get("landed_pairs")
    writing = made.path.with_name(f".{made.version}.tmp")
    with only_writer(writing):
        first = True

        def take(done: int, total: int, unit: str, note: str = "") -> None:
            nonlocal first
            if first:
                work_on(root, snapshots[2]).heads.set(taken)
            first = False

        result = prune(root, 1, remove=True, progress=take)
    assert {line.partition(": ")[0] for line in result.in_use} == {
        path.relative_to(root).as_posix() for path in (taken.path, made.path, writing)
    }
    assert taken.path.exists() and made.path.exists()
    assert taken.path.relative_to(root).as_posix() not in removed(result, root)


def test_leftovers_go(root: Path) -> None:
    store = root / "artifacts" / "seed_rm"
    damaged, unfinished = store / ".damaged-0123456789abcdef-17", store / ".0123456789abcdef.tmp"
    loose = root / "artifacts" / "loop_7" / "status_report" / "fedcba9876543210"
    for folder in (damaged, unfinished, loose):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"12345")
    (loose / "manifest.json").write_text(json.dumps(sealed({"inputs": {}})))
    begun, abandoned = (root / "reports" / f".page-{number}.html.tmp" for number in (1, 2))
    for page in (begun, abandoned):
        page.write_text("half")
    os.utime(abandoned, (0, 0))
    shown = store_summary(root)
    assert shown["damaged"] == shown["unfinished"] == {"folders": 1, "bytes": 5}
    assert shown["unreferred"]["artifacts"] == 1
    assert {"kind": "loop_k/status_report", "artifacts": 4} in [
        {"kind": row["kind"], "artifacts": row["artifacts"]} for row in shown["kinds"]
    ]
    assert shown["bytes"] == sum(row["bytes"] for row in shown["kinds"])
    assert {path.relative_to(root).as_posix() for path in (damaged, unfinished, loose, abandoned)} == removed(
        prune(root, 3, remove=True), root
    )
    assert begun.exists()
    after = store_summary(root)
    assert after["damaged"]["folders"] == after["unfinished"]["folders"] == after["unreferred"]["artifacts"] == 0
    assert after["pruned"] == {"records": 0, "bytes": 0}


def test_nothing_goes_while_a_promotion_cannot_be_read(root: Path) -> None:
    victim = next((root / "artifacts" / "evolved_rm").glob("*/summary.json"))
    whole = victim.read_text()
    version = json.loads(whole)["rm_version"]
    another = version.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))  # no less a version
    for text in ("{", whole.replace(version, another)):
        victim.write_text(text)
        _nothing_goes(root, "summary.json is not what was written")
    victim.write_text(whole)
    (model,) = (place for place in (root / "artifacts").glob(f"**/{version}") if place.is_dir())
    model.rename(model.with_name(f".damaged-{version}-1"))
    _nothing_goes(root, f"{version}, which it promotes, is not in the store")
    model.with_name(f".damaged-{version}-1").rename(model)
    victim.parent.rename(victim.parent.with_name(f".damaged-{victim.parent.name}-1"))
    _nothing_goes(root, "was damaged and put aside")


def _nothing_goes(root: Path, why: str) -> None:
    before = listing(root)
    with pytest.raises(SerError, match=f"(?s){why}.*Nothing was removed"):
        prune(root, 1, remove=True)
    assert listing(root) == before


DIES = """
import os, pathlib, signal, sys
from resources.prune import prune
root, last = pathlib.Path(sys.argv[1]), int(sys.argv[2])
steps = 0
def step(event, arguments):
    global steps
    if event in ("os.rename", "os.remove", "os.rmdir"):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
prune(root, 1, remove=True)
print(steps)
"""


def killed(root: Path, step: int) -> subprocess.CompletedProcess[str]:
    """A prune that is killed before it renames or deletes for the `step`-th time."""
    return subprocess.run([sys.executable, "-c", DIES, str(root), str(step)], capture_output=True, text=True)


def test_a_killed_prune_loses_nothing_and_the_next_finishes(
    root: Path, snapshots: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(root, undisturbed)
    steps = int(killed(undisturbed, 0).stdout)
    before = history(snapshots[0])
    for step in range(1, steps + 1, max(1, steps // 4)):
        victim = tmp_path / f"killed-{step}"
        shutil.copytree(root, victim)
        assert killed(victim, step).returncode == -signal.SIGKILL
        monkeypatch.setenv("SER_DATA", str(victim))
        assert whole(victim, snapshots[2])
        assert all(promoted(victim, snapshot) for snapshot in snapshots)
        rebuild_database()
        assert history(snapshots[0]) == before
        shutil.copy(root / "audit.duckdb", victim / "audit.duckdb")
        prune(victim, 1, remove=True)
        assert listing(victim) == listing(undisturbed)
    assert run("tiny", policy=False)["reused"]


def test_the_command_lists_first_and_removes_when_told(
    root: Path, snapshots: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from ser_dagster.cli import main

    assert main(["prune", "--keep", "1"]) == 0
    shown = capsys.readouterr().out
    assert "splits" in shown and "states" in shown
    assert "Nothing was removed: add --yes to remove it." in shown
    assert main(["prune", "--keep", "1", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["keep"], document["dry_run"], document["in_use"]) == (1, False, [])
    assert document["bytes"] == sum(row["bytes"] for row in document["removed"]) > 0
    assert main(["status", "--store", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert [row["pruned"] for row in status["evolutions"]] == [True, True, False]
    assert status["store"]["pruned"]["records"] > 0
    assert main(["status", "--store"]) == 0
    assert "records of pruned artifacts" in capsys.readouterr().out
    assert main(["prune", "--keep", "1"]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out
    assert main(["prune", "--keep", "0"]) == 1
    assert "--keep 0 is impossible" in capsys.readouterr().err
