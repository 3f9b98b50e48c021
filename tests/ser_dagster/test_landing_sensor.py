"""What is put into a landing folder lands once it is quiet, and each new snapshot is requested once."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sensor_fakes import Clock, counts, current, reason, requested, tick

from resources.artifacts import ArtifactStore
from resources.heads import Heads
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.locks import own_evolution
from resources.settings_file import load_settings
from ser.errors import SerError
from ser.progress import silent
from ser_dagster.commands.forget import forget
from tests.pairs import labelled_rows, unlabelled, write_jsonl

ROOT = Path(__file__).parents[2]


def test_a_burst_becomes_one_snapshot_and_one_run(
    folder: Path, data_root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_AUTOMATION__QUIET_SECONDS", "600")
    for number in range(3):
        write_jsonl(folder / f"{number}.jsonl", labelled_rows(4, seed=number))
        first = tick()
        assert "files land after 600 s of quiet" in reason(first)
    assert Landing(data_root, load_settings()).datasets() == []
    clock.ahead = 601
    second = tick(first.cursor)
    assert requested(second) == [current(data_root)]
    assert second.run_requests is not None
    assert second.run_requests[0].run_key == f"{current(data_root)}:{load_settings().digest}"
    assert counts(data_root) == (12, 0)
    assert f"nothing new since {current(data_root)}" in reason(tick(second.cursor))


def test_quiet_counts_from_when_a_file_came_whatever_its_own_time_says(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_AUTOMATION__QUIET_SECONDS", "600")
    old = write_jsonl(folder.parent / "old.jsonl", labelled_rows(4))
    os.utime(old, (0, 0))
    old.rename(folder / "old.jsonl")
    assert "600 s of quiet" in reason(tick())
    tomorrow = time.time() + 86400
    os.utime(write_jsonl(folder / "future.jsonl", labelled_rows(4, seed=1)), (tomorrow, tomorrow))
    clock.ahead = 601
    assert len(requested(tick())) == 1


def test_unfinished_files_and_folders_of_no_dataset_are_passed_over(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "part.jsonl.tmp", labelled_rows(3))
    write_jsonl(folder / ".part.jsonl", labelled_rows(3))
    (data_root / "landing" / "Not a dataset").mkdir()
    assert reason(tick()) == "tiny: nothing has landed yet"
    shutil.rmtree(folder)
    assert reason(tick()) == "no dataset has a landing folder yet"


def test_too_few_new_pairs_land_and_wait_for_more(
    folder: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_AUTOMATION__MIN_NEW_PAIRS", "5")
    pairs = unlabelled(labelled_rows(5))
    write_jsonl(folder / "a.jsonl", pairs[:4])
    few = tick()
    assert "4 pairs are new or newly labelled since the beginning; a run needs 5" in reason(few)
    assert counts(data_root) == (0, 4)
    write_jsonl(folder / "b.jsonl", pairs)  # four of them again, and one more
    enough = tick(few.cursor)
    assert requested(enough) == [current(data_root)]
    write_jsonl(folder / "labels.jsonl", labelled_rows(5)[:4])
    few = tick(enough.cursor)
    assert "4 pairs are new or newly labelled since" in reason(few)
    write_jsonl(folder / "pair.jsonl", labelled_rows(1, seed=9))
    assert requested(tick(few.cursor)) == [current(data_root)]
    assert counts(data_root) == (5, 1)


def test_labels_that_come_later_for_known_pairs_make_a_new_snapshot(folder: Path, data_root: Path) -> None:
    rows = labelled_rows(6)
    write_jsonl(folder / "pairs.jsonl", unlabelled(rows))
    first = tick()
    write_jsonl(folder / "labels.jsonl", rows[:2])
    second = tick(first.cursor)
    assert requested(first) != requested(second) == [current(data_root)]
    assert counts(data_root) == (2, 4)
    write_jsonl(folder / "again.jsonl", unlabelled(rows[1:2]))  # a file that says nothing new
    assert "nothing new since" in reason(tick(second.cursor))


def test_a_dataset_that_cannot_land_keeps_no_other_from_landing(folder: Path, data_root: Path) -> None:
    broken = data_root / "landing" / "broken"
    write_jsonl(folder / "good.jsonl", labelled_rows(3))
    broken.mkdir()
    write_jsonl(broken / "some.jsonl", labelled_rows(3))
    (broken / ".landed").write_text("not a folder")
    first = tick()
    assert requested(first) == [current(data_root)]
    with pytest.raises(SerError, match="broken: could not land"):
        tick(first.cursor)


@pytest.mark.parametrize(
    ("damaged", "kind"),
    [
        ("parts/pairs-*.parquet", "its bytes have changed"),
        ("snapshots/*.json", "cannot be read"),
        ("current", "cannot be read"),
    ],
)
@pytest.mark.parametrize("broken", ["aaa", "zzz"])  # before and after the dataset that is whole
def test_a_damaged_dataset_stops_no_other_and_is_told(
    folder: Path, data_root: Path, capfd: pytest.CaptureFixture[str], broken: str, damaged: str, kind: str
) -> None:
    place = data_root / "landing" / broken
    place.mkdir()
    write_jsonl(place / "a.jsonl", labelled_rows(3))
    first = tick()
    [file] = (place / ".landed").glob(damaged)
    file.write_text("no longer what it was")
    write_jsonl(place / "b.jsonl", labelled_rows(3, seed=1))
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    second = tick(first.cursor)
    assert requested(second) == [current(data_root)]
    assert f"{broken}: could not land" in capfd.readouterr().err
    with pytest.raises(SerError, match=f"{broken}: could not land or be looked at: .*{kind}") as caught:
        tick(second.cursor)
    assert f"tiny: nothing new since {current(data_root)}" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_snapshot_that_is_run_by_hand_is_not_requested(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    snapshot = Landing(data_root, load_settings()).land([folder / "a.jsonl"], "tiny").snapshot
    with own_evolution(data_root, f"{snapshot}/{load_settings().digest}", "by-hand"):
        busy = tick()
    assert f"{snapshot} is being worked on already" in reason(busy)
    store = ArtifactStore(data_root / "artifacts", in_process)
    facts = {"stage": "-", "spec": {}, "inputs": {}, "run_id": "by-hand"}
    made = store.build("policy_evaluation", "v1", lambda out: {}, facts, silent)
    Heads(data_root, snapshot, load_settings(), store).set(made)
    done = tick(busy.cursor)
    assert f"{snapshot} has been run already" in reason(done)
    shutil.rmtree(data_root / "heads")
    assert "nothing new since" in reason(tick(done.cursor))


@pytest.mark.parametrize(("verdict", "complete"), [("gate_not_shown", True), ("not_shown", False)])
def test_a_run_that_ended_at_the_gate_is_complete_and_one_without_its_policy_is_not(
    folder: Path, data_root: Path, verdict: str, complete: bool
) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    snapshot = Landing(data_root, load_settings()).land([folder / "a.jsonl"], "tiny").snapshot
    store = ArtifactStore(data_root / "artifacts", in_process)
    made = store.build("evolved_rm", "v1", lambda out: {"verdict": verdict}, {}, silent)
    Heads(data_root, snapshot, load_settings(), store).set(made)
    if complete:
        assert f"{snapshot} has been run already" in reason(tick())
    else:
        assert requested(tick()) == [snapshot]


def test_a_run_whose_last_artifact_is_damaged_is_run_again(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    snapshot = Landing(data_root, load_settings()).land([folder / "a.jsonl"], "tiny").snapshot
    store = ArtifactStore(data_root / "artifacts", in_process)
    made = store.build("policy_evaluation", "v1", lambda out: {}, {}, silent)
    Heads(data_root, snapshot, load_settings(), store).set(made)
    (made.path / "manifest.json").write_text("{")
    assert requested(tick()) == [snapshot]


def test_a_hand_that_stopped_half_way_is_followed_by_a_run(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    snapshot = Landing(data_root, load_settings()).land([folder / "a.jsonl"], "tiny").snapshot
    with own_evolution(data_root, f"{snapshot}/{load_settings().digest}", "by-hand"):
        busy = tick()
    assert requested(tick(busy.cursor)) == [snapshot]


@pytest.mark.parametrize("between", [True, False])
def test_a_dataset_that_was_forgotten_is_new_when_it_lands_again(folder: Path, data_root: Path, between: bool) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    first = tick()
    forget("tiny")
    cursor = tick(first.cursor).cursor if between else first.cursor
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    second = tick(cursor)
    assert requested(second) == requested(first) == [current(data_root)]
    assert "nothing new since" in reason(tick(second.cursor))


def test_every_dataset_gets_its_own_run(folder: Path, data_root: Path) -> None:
    other = data_root / "landing" / "other"
    other.mkdir()
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    write_jsonl(other / "a.jsonl", labelled_rows(3, seed=1))
    assert requested(tick()) == [current(data_root, "other"), current(data_root)]


def test_what_is_in_the_inbox_lands_and_an_inbox_that_is_gone_stops_nothing(
    folder: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away"
    (away / "tiny").mkdir(parents=True)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", f"file://{away}")
    write_jsonl(away / "tiny" / "a.jsonl", labelled_rows(3))
    first = tick()
    assert requested(first) == [current(data_root)]
    assert "the inbox: 0 files were fetched" in reason(tick(first.cursor))
    away.rename(tmp_path / "elsewhere")
    write_jsonl(folder / "b.jsonl", labelled_rows(3, seed=1))
    second = tick(first.cursor)
    assert requested(second) == [current(data_root)]
    with pytest.raises(SerError, match="cannot be read"):
        tick(second.cursor)


def test_an_inbox_whose_client_fails_in_its_own_way_stops_nothing(
    folder: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ClientError(Exception):
        """Neither an OSError nor a ValueError, as those of object stores are."""

    class Files(MemoryFileSystem):
        protocol = "failing"

        def ls(self, path: str, detail: bool = True, **_: object) -> list[dict[str, object]]:
            raise ClientError("the token has expired")

    fsspec.register_implementation("failing", Files, clobber=True)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", "failing://inbox")
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    first = tick()
    assert requested(first) == [current(data_root)]
    with pytest.raises(SerError, match=r"the inbox failing://inbox cannot be read.*the token has expired"):
        tick(first.cursor)


def test_the_sensor_imports_no_torch_even_when_it_lands(folder: Path, data_root: Path) -> None:
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    code = (
        "import sys, dagster as dg, ser_dagster.definitions as d\n"
        "sensor = d.defs.resolve_sensor_def('landing')\n"
        "while not (result := sensor(dg.build_sensor_context())).run_requests:\n    pass\n"
        "print(len(result.run_requests), sorted(set(sys.modules) & {'torch', 'transformers', 'trl', 'peft'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"
    assert counts(data_root) == (3, 0)


def test_links_that_lead_out_are_named(folder: Path, data_root: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "secret.jsonl", labelled_rows(3))
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder.parent / "evil").symlink_to(tmp_path)
    said = reason(tick())
    assert "evil: its folder is a link out of the landing folder, and is passed over" in said
    assert "tiny: nothing has landed yet" in said
    [note] = (data_root / "quarantine" / "tiny").iterdir()
    assert "a link out of the folder" in note.read_text()
    assert not (tmp_path / ".landed").exists()
