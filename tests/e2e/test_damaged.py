"""A damaged artifact is said, and stops only what has to read it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from resources import evolution
from resources.evolution import Evolution
from resources.heads import known_evolutions
from resources.launchers import in_process
from resources.prune import prune
from ser.errors import SerError
from ser.progress import Progress
from ser.stages.job import Job
from ser_dagster.commands.audit import answer_sql, rebuild_database
from ser_dagster.commands.choose_evolution import choose_evolution
from ser_dagster.commands.run import run
from ser_dagster.commands.status import status
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

SETTINGS = "loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """A data root in which one snapshot was run."""
    folder = tmp_path_factory.mktemp("built")
    with chain.project(folder, SETTINGS, tiny_backbone) as (root, _):
        chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(300)))
        run("tiny", policy=False)
    return root


@pytest.fixture
def root(built: Path, data_root: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    (tmp_path / "ser.toml").write_text(SETTINGS)
    shutil.copytree(built, data_root)
    return data_root


def damage(root: Path, key: str) -> str:
    """Flip a bit of what an asset key stands for, and return what it is called."""
    snapshot, settings = known_evolutions(root)[0][:2]
    (place,) = (place for place in Evolution(root, settings, snapshot).heads.paths() if str(place.parent).endswith(key))
    victim = place / "summary.json"
    content = victim.read_bytes()
    victim.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return f"{key}/{place.name}"


def rows(sql: str) -> list[dict[str, Any]]:
    return json.loads("".join(answer_sql(sql, "json")))


def test_the_audit_is_made_again_without_it_and_says_so_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows("SELECT * FROM self_labels ORDER BY ALL")
    assert len(before) > 0
    name = damage(root, "landed_pairs")
    assert "made again from 1 evolutions" in rebuild_database()
    assert capsys.readouterr().err.count(f"artifact {name} is damaged") == 1
    assert rows("SELECT * FROM self_labels ORDER BY ALL") == before
    assert rows("SELECT count(*) AS n FROM pairs") == [{"n": 0}]


def test_the_status_of_the_others_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = status()["evolutions"]
    assert whole[0]["promoted_loop"] is not None
    name = damage(root, "evolved_rm")
    decided = ("promoted_loop", "promoted_why", "calibration_gain", "last_loop", "verdict", "gate", "gain")
    nothing = dict.fromkeys(decided)
    assert status()["evolutions"] == [whole[0] | nothing | {"state": "stopped", "at": "evolved_rm"}]
    assert capsys.readouterr().err.count(f"artifact {name} is damaged") == 1


def test_a_run_without_its_promotion_has_not_finished(root: Path) -> None:
    damage(root, "evolved_rm")
    with pytest.raises(SerError, match=r"the evolution tiny-.* is not finished"):
        choose_evolution("tiny", None)


@pytest.mark.parametrize("content", ["", "[]", '{"key": "evolved_rm"}', "\ud800"])
def test_a_damaged_head_is_named_until_a_run_writes_it_again(root: Path, content: str) -> None:
    whole = status()
    (head,) = root.glob("heads/*/*/evolved_rm.json")
    head.write_bytes(content.encode(errors="surrogatepass"))
    for read in (
        status,
        lambda: prune(root, 1, remove=True),
        rebuild_database,
        lambda: choose_evolution("tiny", None),
    ):
        with pytest.raises(SerError, match=rf"{head} cannot be read.*\nDelete it and run again"):
            read()
    run("tiny", policy=False)
    again = status()
    for said in (whole, again):
        for time in ("executed_at", "ended_at"):
            assert said["evolutions"][0].pop(time)
    assert again == whole


def test_while_a_new_snapshot_waits_for_its_run_the_one_before_serves(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = choose_evolution("tiny", None).snapshot
    snapshot = chain.land(root, write_jsonl(tmp_path / "more.jsonl", labelled_rows(5, seed=9)))
    assert snapshot != before
    assert choose_evolution("tiny", None).snapshot == before
    assert capsys.readouterr().err.startswith(f"No evolution of {snapshot} is finished yet: this is {before}/")


@pytest.mark.parametrize("damaged", ["audit.duckdb", "splits"])
def test_a_run_that_fails_says_why_whatever_else_is_damaged(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    def launch(job: Job, progress: Progress) -> dict[str, Any]:
        if job.stage != "train_reward_model":
            return in_process(job, progress)
        victims = [root / damaged] if damaged == "audit.duckdb" else root.glob("artifacts/splits/*/manifest.json")
        for victim in victims:
            victim.write_text("{")
        raise SerError("there is no training today")

    monkeypatch.setattr(evolution, "in_process", launch)
    monkeypatch.setenv("SER_REWARD_MODEL__LEARNING_RATE", "1e-3")
    with pytest.raises(SerError, match="seed_rm failed: there is no training today"):
        run("tiny", policy=False)
    assert damaged in capsys.readouterr().err
