"""Stores that somebody has made up where files are put: they are refused by name, and stop nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import jsonl, landing, pair

from resources.landing.parts import PARTS
from resources.landing.zone import Landing
from ser.errors import SerError


@pytest.fixture
def zone(tmp_path: Path) -> Landing:
    """One dataset that has landed."""
    made = landing(tmp_path)
    made.land([jsonl(tmp_path / "in.jsonl", [pair(number) for number in range(3)])], "good")
    return made


def plant(root: Path, contents: Any) -> None:
    """A store of the dataset `evil` with one snapshot, which says this."""
    store = root / "landing" / "evil" / ".landed"
    (store / "snapshots").mkdir(parents=True)
    (store / "current").write_text("evil-1\n")
    (store / "dataset.json").write_text("{}")
    (store / "snapshots" / "evil-1.json").write_text(contents if isinstance(contents, str) else json.dumps(contents))


def said(part: str, **more: Any) -> dict[str, Any]:
    facts = {"pairs": 1, "labelled": 1, "number": 1, "after": None, "until": None, "landed_at": "2026-01-01T00:00:00Z"}
    return {"parts": {kind: [part] for kind in PARTS}, **facts, **more}


ODD = {
    "a list": [],
    "nothing of ours": {},
    "too deep": "[" * 200_000,
    "a part that never ends": said("/dev/zero"),
    "a part elsewhere": said("/etc/passwd"),
    "a part of another dataset": said(f"../../../good/.landed/parts/pairs-{'0' * 32}.parquet"),
    "parts that are none": {**said(""), "parts": dict.fromkeys(PARTS)},
    "no counts": {name: value for name, value in said("").items() if name not in ("parts", "pairs")}
    | {"parts": {kind: [] for kind in PARTS}},
    "counts in words": {**said(""), "parts": {kind: [] for kind in PARTS}, "pairs": "many"},
}


@pytest.mark.parametrize("name", ODD)
def test_a_snapshot_that_was_made_up_is_refused_and_others_are_told(tmp_path: Path, zone: Landing, name: str) -> None:
    plant(tmp_path, ODD[name])
    assert zone.datasets() == ["evil", "good"]
    for ask in (zone.counts, lambda dataset: zone.gained(dataset, None), lambda _: zone.roles("evil-1")):
        with pytest.raises(SerError, match=r"evil") as error:
            ask("evil")
        assert len(str(error.value).splitlines()) == 2
    assert zone.counts("good")["pairs"] == 3


def test_a_history_that_goes_round_ends(tmp_path: Path, zone: Landing) -> None:
    plant(tmp_path, said("", after="evil-1") | {"parts": {kind: [] for kind in PARTS}})
    (tmp_path / "out").mkdir()
    with pytest.raises(SerError, match=r"evil-1\.json is not of the time before evil-1\.\nPut it back"):
        zone.write_snapshot("evil-1", tmp_path / "out")


def test_a_folder_or_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, zone: Landing) -> None:
    evil = tmp_path / "landing" / "evil"
    (evil / ".landed" / "current").mkdir(parents=True)
    (evil / ".landed" / "snapshots").mkdir()
    assert zone.has_landed("evil") and zone.datasets() == ["evil", "good"]
    with pytest.raises(SerError, match=r"evil/\.landed/current cannot be read: something else than a file is in its"):
        zone.counts("evil")
    linked = tmp_path / "landing" / "linked"
    linked.mkdir()
    (linked / ".landed").symlink_to(tmp_path / "landing" / "good" / ".landed")
    with pytest.raises(SerError, match=r"linked/\.landed is a link, which ser has not made, and is not used"):
        zone.counts("linked")


def test_an_error_under_the_lock_names_the_path_that_people_know(
    tmp_path: Path, zone: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system", str(Path("/proc/self/fd/7") / "staging" / "x"))

    monkeypatch.setattr("resources.landing.landed.Staging.read", fails)
    with pytest.raises(OSError, match="Read-only") as error:
        zone.land([tmp_path / "in.jsonl"], "good")
    assert error.value.filename == str(tmp_path / "landing" / "good" / ".landed" / "staging" / "x")
