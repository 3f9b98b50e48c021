"""`ser forget` forgets one dataset and nothing else."""

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.audit.writing import AuditBusy
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.store import DatasetStore
from resources.locks import own_snapshot
from resources.prune import prune
from resources.review.queue import export_queue
from ser.errors import SerError
from ser_dagster.cli import main
from ser_dagster.commands import forget as module
from ser_dagster.commands.audit import answer_sql, rebuild_database
from ser_dagster.commands.forget import Forgotten, forget
from ser_dagster.commands.run import run
from ser_dagster.commands.status import status
from tests import chain
from tests.e2e.test_audit_reader import held
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

SETTINGS = "loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """A data root in which the same pairs were run as two datasets."""
    folder = tmp_path_factory.mktemp("built")
    with chain.project(folder, SETTINGS, tiny_backbone) as (root, _):
        for name in ("sample", "mine"):
            chain.land(root, write_jsonl(folder / f"{name}.jsonl", labelled_rows(300)), dataset=name)
            run(name, policy=False)
    return root


@pytest.fixture
def two_datasets(built: Path, data_root: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    (tmp_path / "ser.toml").write_text(SETTINGS)
    shutil.copytree(built, data_root)
    return data_root


def test_the_other_dataset_stays_as_it_was(two_datasets: Path) -> None:
    kept = {path: path.read_bytes() for path in (two_datasets / "landing" / "mine").rglob("*") if path.is_file()}
    forget("sample")
    assert [one.dataset for one in known_evolutions(two_datasets)] == ["mine"]
    assert not (two_datasets / "landing" / "sample").exists()
    assert {path: path.read_bytes() for path in kept} == kept
    pages = sorted(path.name for path in (two_datasets / "reports").iterdir() if path.name != "index.html")
    assert [name.rpartition("-")[0].rpartition("-")[0] for name in pages] == ["mine"]
    # The same pairs have the same splits: what `mine` refers to was not taken from it.
    assert run("mine", policy=False)["reused"]


def test_a_longer_name_is_another_dataset(data_root: Path, tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))
    snapshots = [chain.land(data_root, rows, dataset=name) for name in ("sample", "sample-large")]
    pages = [data_root / "reports" / f"{snapshot}-0123456789ab.html" for snapshot in snapshots]
    pages[0].parent.mkdir()
    for page in pages:
        page.write_text("a report")
    forget("sample")
    assert [page.exists() for page in pages] == [False, True]
    assert [path.name for path in (data_root / "landing").iterdir()] == ["sample-large"]
    assert not (data_root / "heads").exists() or not list((data_root / "heads").iterdir())


@pytest.mark.parametrize("name", ["..", ".", "", "a/../..", "/", "sample*"])
def test_what_cannot_be_the_name_of_a_dataset_is_refused(data_root: Path, tmp_path: Path, name: str) -> None:
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3)), dataset="sample")
    before = sorted(data_root.rglob("*"))
    with pytest.raises(SerError, match="cannot be the name of a dataset"):
        forget(name)
    assert sorted(data_root.rglob("*")) == before


def test_nothing_begins_while_a_dataset_is_forgotten(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))
    snapshot = chain.land(data_root, rows, dataset="sample")
    began: list[threading.Thread] = []

    def in_the_middle(_: object, dataset: str) -> None:
        with pytest.raises(SerError, match="of ser forget"), own_snapshot(data_root, snapshot, "another"):
            pass
        began.append(threading.Thread(target=chain.land, args=(data_root, rows), kwargs={"dataset": dataset}))
        began[0].start()

    monkeypatch.setattr(module, "_forget_runs", in_the_middle)
    forget("sample")
    began[0].join()
    assert sorted(path.name for path in (data_root / "landing" / "sample" / ".landed" / "snapshots").iterdir()) == [
        f"{snapshot}.json"
    ]


def test_a_landing_is_waited_for(data_root: Path, tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))
    snapshot = chain.land(data_root, rows, dataset="sample")
    store = DatasetStore(data_root, "sample")
    with ThreadPoolExecutor() as threads:
        with store.lock():
            forgetting = threads.submit(forget, "sample")
            time.sleep(0.5)
            assert not forgetting.done() and store.current() == snapshot
            landing = threads.submit(chain.land, data_root, rows, dataset="sample")
        assert forgetting.result() == Forgotten(snapshots=1, artifacts=0, reports=0, quarantine_files=0)
        landing.result()


def test_a_dataset_that_is_being_worked_on_is_left(two_datasets: Path) -> None:
    snapshot = next(one.snapshot for one in known_evolutions(two_datasets) if one.dataset == "sample")
    with own_snapshot(two_datasets, snapshot, "busy"), pytest.raises(SerError, match="is being worked on"):
        forget("sample")
    assert (two_datasets / "landing" / "sample").exists()


def folder_of(root: Path, dataset: str) -> Path:
    """The heads of the only run of a dataset."""
    (folder,) = (path.parent for path in root.glob(f"heads/{dataset}-*/*/.evolution.json"))
    return folder


def labels() -> list[dict]:
    return json.loads("".join(answer_sql("SELECT * EXCLUDE (evolution) FROM self_labels ORDER BY ALL", "json")))


def test_runs_from_before_a_setting_was_added_are_neither_hidden_nor_robbed(two_datasets: Path) -> None:
    """A setting that is added changes the digest of the same file: here the folder has another name than that."""
    before, made = labels(), {run["snapshot"]: run["made"] for run in status()["evolutions"]}
    assert len(before) > 0
    for dataset in ("sample", "mine"):
        folder = folder_of(two_datasets, dataset)
        folder.rename(folder.with_name("0123456789ab"))
    assert {run["snapshot"]: run["made"] for run in status()["evolutions"]} == made
    assert {run["settings"] for run in status()["evolutions"]} == {"0123456789ab"}
    rebuild_database()
    assert labels() == before
    forget("sample")
    assert labels() == [row for row in before if row["snapshot"].startswith("mine-")]
    heads = [json.loads(path.read_text()) for path in folder_of(two_datasets, "mine").rglob("[!.]*.json")]
    assert all((two_datasets / "artifacts" / head["key"] / head["version"]).exists() for head in heads)
    assert run("mine", policy=False)["reused"]


def test_nothing_of_a_run_whose_settings_are_no_more_is_deleted(two_datasets: Path) -> None:
    recorded = folder_of(two_datasets, "mine") / ".evolution.json"
    text = recorded.read_text()
    recorded.write_text(text.replace('"loops": 1', '"loops": 1, "gone": 1'))
    before = set((two_datasets / "artifacts").rglob("*"))
    with pytest.raises(SerError, match="Delete gone there"):
        forget("sample")
    prune(two_datasets, 1, remove=True)
    assert set((two_datasets / "artifacts").rglob("*")) == before
    assert (two_datasets / "landing" / "sample").exists()
    recorded.write_text(text)
    forget("sample")
    assert run("mine", policy=False)["reused"]


def files_in(root: Path) -> dict[Path, bytes]:
    """Every file that somebody would miss."""
    folders = ("landing", "artifacts", "heads", "reports", "review")
    return {path: path.read_bytes() for name in folders for path in (root / name).rglob("[!.]*") if path.is_file()}


def test_a_dataset_whose_landing_is_gone_is_in_nobodys_way(two_datasets: Path) -> None:
    before = labels()
    shutil.rmtree(two_datasets / "landing" / "sample")
    rebuild_database()
    assert labels() == before
    forget("mine")
    assert labels() == [row for row in before if row["snapshot"].startswith("sample-")]
    forget("sample")
    assert files_in(two_datasets) == {}


def test_nothing_is_deleted_when_the_audit_cannot_be_made_without_it(two_datasets: Path) -> None:
    before = files_in(two_datasets)
    with held(two_datasets / "audit.duckdb", read=False), pytest.raises(AuditBusy):
        forget("sample")
    assert files_in(two_datasets) == before


@pytest.mark.parametrize("last", ["rename", "_forget_runs", "record_place"])
def test_killed_half_way_it_finishes_when_it_is_called_again(
    two_datasets: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    forget("sample")
    with monkeypatch.context() as patch:
        patch.setattr(Path if last == "rename" else module, last, die)
        with pytest.raises(KeyboardInterrupt):
            forget("mine")
    assert files_in(two_datasets)
    forget("mine")
    assert files_in(two_datasets) == {}
    assert status()["evolutions"] == status()["datasets"] == []


def test_what_promotes_its_models_and_what_people_were_to_label_go_too(two_datasets: Path) -> None:
    root = two_datasets
    for known in known_evolutions(root):
        export_queue(open_evolution(root, known), 5)
    for promotion in list((root / "artifacts" / "evolved_rm").iterdir()):  # as if earlier code had made it
        shutil.copytree(promotion, promotion.with_name("0" * 12 + promotion.name[12:]))
    forget("sample")
    assert [path.name.rpartition("-")[0] for path in (root / "review").iterdir()] == ["mine"]
    prune(root, 1, remove=False)
    forget("mine")
    assert files_in(root) == {}
    assert prune(root, 1, remove=False).removed == []


def test_the_command_says_what_it_deleted_and_knows_what_there_is(
    two_datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (two_datasets / "quarantine" / "readme").mkdir(parents=True)
    (two_datasets / "quarantine" / "readme" / "README.md.jsonl").write_text("{}")
    before = files_in(two_datasets)
    assert main(["forget", "smaple"]) == 1
    error = capsys.readouterr().err
    assert error == "ser: unknown dataset 'smaple', so nothing was deleted. Known: mine, readme, sample.\n"
    assert files_in(two_datasets) == before
    assert main(["forget", "sample"]) == 0
    assert "sample is forgotten. Deleted: its landed pairs (1 snapshot), " in (said := capsys.readouterr().out)
    assert ", 1 report, 0 quarantine files, its runs and its rows in the audit.\n" in said
    assert main(["forget", "readme"]) == 0
    assert "(0 snapshots), 0 artifacts, 0 reports, 1 quarantine file," in capsys.readouterr().out
    assert not (two_datasets / "quarantine" / "readme").exists()
    assert main(["forget", "readme"]) == 1
