"""A published data set becomes one file: limited, made once, whole or not at all."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from resources.landing.hub.catalogue import HUB_DATASETS
from resources.landing.hub.fetch import fetch
from ser.errors import SerError
from tests.hub import question_row, ultrafeedback_row, write_files, write_hh
from tests.resources.landing_fakes import files_in, landing

pytestmark = pytest.mark.slow

SHARD = "data/train_prefs-{:05d}-of-00002.parquet"


def test_the_limit_is_of_pairs_and_the_subsets_take_turns(tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub", rows=3)
    told: list[tuple[int, int]] = []
    done = fetch(
        dataset, tmp_path / "to", limit=6, hub=str(tmp_path / "hub"),
        progress=lambda done, total, unit, note="": told.append((done, total)),
    )  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "to" / done.file).read_text().splitlines()]
    assert (done.rows, done.pairs, len(rows)) == (6, 6, 6)
    assert Counter(row["source"] for row in rows) == {
        "hh-rlhf/harmless-base": 2, "hh-rlhf/helpful-base": 2, "hh-rlhf/helpful-online": 1,
        "hh-rlhf/helpful-rejection-sampled": 1,
    }  # fmt: skip
    assert done.file == "hub-hh-rlhf-train-09be8c5bbc57-6.jsonl"
    assert told[-1] == (6, 6)
    everything = fetch(dataset, tmp_path / "to", limit=1000, hub=str(tmp_path / "hub"))
    assert everything.pairs == 12


def test_the_limit_cuts_the_pairs_of_a_question(tmp_path: Path) -> None:
    dataset = HUB_DATASETS["stackexchange"]
    rows = [question_row(number, [0, 1, 2]) for number in range(3)]
    write_files(tmp_path / "hub", dataset, {"data/Stackoverflow.com/train-00000-of-00001.parquet": rows})
    done = fetch(dataset, tmp_path / "to", limit=4, hub=str(tmp_path / "hub"))
    assert (done.rows, done.pairs) == (2, 4)
    assert (tmp_path / "to" / done.file).read_text().count("\n") == 4


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    dataset = HUB_DATASETS["ultrafeedback"]
    shards = {SHARD.format(1): [ultrafeedback_row(2)], SHARD.format(0): [ultrafeedback_row(0), ultrafeedback_row(1)]}
    write_files(tmp_path / "hub", dataset, shards)
    done = fetch(dataset, tmp_path / "to", limit=10, hub=str(tmp_path / "hub"))
    rows = (tmp_path / "to" / done.file).read_text().splitlines()
    assert [json.loads(row)["group"] for row in rows] == ["id0", "id1", "id2"]


def test_the_second_time_nothing_is_read_and_nothing_lands_twice(tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub")
    zone = landing(tmp_path / "data")
    folder = zone.folder("hh")
    first = fetch(dataset, folder, subset="helpful-base", limit=2, hub=str(tmp_path / "hub"))
    landed = zone.land([folder / first.file], "hh")
    before = files_in(folder)
    again = fetch(dataset, folder, subset="helpful-base", limit=2, hub=str(tmp_path / "nowhere"))
    assert again == first
    assert files_in(folder) == before
    repeated = zone.land([folder / again.file], "hh")
    assert (repeated.snapshot, repeated.landed, repeated.duplicates) == (landed.snapshot, 0, 2)
    assert zone.land_waiting("hh") is None


def test_what_is_asked_for_names_the_file(tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub")
    write_files(
        tmp_path / "hub", dataset, {"helpful-base/train.jsonl.gz": [{"chosen": "", "rejected": ""}]}, commit="a" * 40
    )
    ask = {"limit": 2, "hub": str(tmp_path / "hub"), "subset": "helpful-base"}
    names = {
        fetch(dataset, tmp_path / "to", **{**ask, **changed}).file  # type: ignore[arg-type]
        for changed in ({}, {"limit": 3}, {"split": "test"}, {"subset": "helpful-online"}, {"subset": None})
    }
    assert len(names) == 5
    with pytest.raises(SerError, match="none of the 1 rows"):
        fetch(dataset, tmp_path / "to", limit=2, subset="helpful-base", revision="a" * 40, hub=str(tmp_path / "hub"))


def test_a_layout_that_has_changed_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    dataset = HUB_DATASETS["ultrafeedback"]
    renamed = [{"winner" if name == "chosen" else name: value for name, value in ultrafeedback_row(0).items()}]
    write_files(tmp_path / "hub", dataset, {SHARD.format(0): renamed})
    with pytest.raises(SerError, match="no column chosen"):
        fetch(dataset, tmp_path / "to", limit=10, hub=str(tmp_path / "hub"))
    assert not list((tmp_path / "to").glob("*.jsonl"))
    write_files(tmp_path / "hub", dataset, {SHARD.format(0): [ultrafeedback_row(0)]})
    assert fetch(dataset, tmp_path / "to", limit=10, hub=str(tmp_path / "hub")).pairs == 1


KILLED = """
import os, pathlib, signal, sys
from resources.landing.hub.catalogue import HUB_DATASETS
from resources.landing.hub.fetch import fetch
fetch(HUB_DATASETS["hh-rlhf"], pathlib.Path(sys.argv[1]), limit=250, hub=sys.argv[2],
      progress=lambda *told: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_process_leaves_no_file_and_the_next_makes_it_whole(tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub", rows=70)
    folder = tmp_path / "to"
    killed = subprocess.run([sys.executable, "-c", KILLED, folder, tmp_path / "hub"], cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    assert list(folder.iterdir()) == [folder / ".hub"]
    done = fetch(dataset, folder, limit=250, hub=str(tmp_path / "hub"))
    undisturbed = fetch(dataset, tmp_path / "other", limit=250, hub=str(tmp_path / "hub"))
    assert done == undisturbed
    assert files_in(folder) == files_in(tmp_path / "other")
    assert not (folder / ".hub").exists()


def test_a_file_without_its_note_is_made_again(tmp_path: Path) -> None:
    dataset = write_hh(tmp_path / "hub")
    first = fetch(dataset, tmp_path / "to", limit=2, hub=str(tmp_path / "hub"))
    before = files_in(tmp_path / "to")
    (tmp_path / "to" / f".{first.file}.note").unlink()
    assert fetch(dataset, tmp_path / "to", limit=2, hub=str(tmp_path / "hub")) == first
    assert files_in(tmp_path / "to") == before


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("hh-rlhf", {"split": "validation"}, "no split 'validation'. Choose one of: train, test"),
        ("hh-rlhf", {"subset": "red-team-attempts"}, "Choose one of: harmless-base, helpful-base"),
        ("hh-rlhf", {"subset": "../x"}, "no subset '../x'"),
        ("stackexchange", {"subset": ".."}, "no subset '..'"),
        ("stackexchange", {"subset": "a/b"}, "no subset 'a/b'"),
        ("summarize", {"subset": "x"}, "summarize has no subsets"),
        ("hh-rlhf", {"revision": "b" * 40}, "no such files in Anthropic/hh-rlhf at revision bbb"),
        ("stackexchange", {"subset": "nothing.com"}, "Check --revision and --subset"),
    ],
)
def test_what_is_not_there_is_named_and_leaves_nothing(
    tmp_path: Path, name: str, asked: dict[str, str], message: str
) -> None:
    write_hh(tmp_path / "hub")
    with pytest.raises(SerError) as raised:
        fetch(HUB_DATASETS[name], tmp_path / "to", limit=2, hub=str(tmp_path / "hub"), **asked)  # type: ignore[arg-type]
    assert message in str(raised.value)
    assert not (tmp_path / "to").exists()
