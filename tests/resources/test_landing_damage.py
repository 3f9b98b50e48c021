"""What has landed and is damaged, or gone, is named by all that reads it, and nothing is changed."""

import contextlib
import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from landing_fakes import files_in, jsonl, landing, pair

from resources.landing.zone import Landing
from ser.errors import SerError


def flip(part: Path) -> None:
    """One bit of the texts, which leaves the file's size and its end as they are."""
    data = bytearray(part.read_bytes())
    data[len(data) // 4] ^= 1
    part.write_bytes(data)


@pytest.fixture
def zone(tmp_path: Path) -> Landing:
    made = landing(tmp_path / "data")
    made.land([jsonl(tmp_path / "a.jsonl", [pair(i, role="pool") for i in range(9)])], "demo")
    made.land([jsonl(tmp_path / "b.jsonl", [pair(0, annotator="ann", role="seed")])], "demo")
    return made


@pytest.mark.parametrize("harm", [flip, Path.unlink])
@pytest.mark.parametrize("kind", ["pairs", "labels", "asked_roles"])
def test_a_changed_or_missing_part_stops_the_next_landing(
    tmp_path: Path, zone: Landing, kind: str, harm: Callable[[Path], None]
) -> None:
    part = sorted((tmp_path / "data" / "landing" / "demo" / ".landed" / "parts").glob(f"{kind}-*.parquet"))[0]
    harm(part)
    before = files_in(tmp_path / "data")
    (tmp_path / "empty.jsonl").touch()
    files = [jsonl(tmp_path / "c.jsonl", [pair(20), "bad"]), tmp_path / "empty.jsonl"]
    with pytest.raises(SerError, match=rf"dataset 'demo'.*{part.name}.*\n.*from a backup") as error:
        zone.land(files, "demo")
    assert len(str(error.value).splitlines()) == 2
    assert files_in(tmp_path / "data") == before


@pytest.mark.parametrize("harm", [flip, Path.unlink])
def test_no_snapshot_is_written_from_a_changed_or_missing_part_until_it_is_put_back(
    tmp_path: Path, zone: Landing, harm: Callable[[Path], None]
) -> None:
    (tmp_path / "out").mkdir()
    counts = zone.write_snapshot(zone.current_snapshot("demo"), tmp_path / "out")
    [part] = (tmp_path / "data" / "landing" / "demo" / ".landed" / "parts").glob("pairs-*.parquet")
    backup = part.read_bytes()
    harm(part)
    for read in (
        lambda: zone.write_snapshot(zone.current_snapshot("demo"), tmp_path / "out"),
        lambda: zone.gained("demo", None),
        lambda: zone.roles(zone.current_snapshot("demo")),
        lambda: zone.find_pairs("demo", ["0" * 24]),
    ):
        with pytest.raises(SerError, match=part.name):
            read()
    part.write_bytes(backup)
    assert zone.write_snapshot(zone.current_snapshot("demo"), tmp_path / "out") == counts


def empty(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("harm", [empty, Path.unlink])
@pytest.mark.parametrize("name", ["current", "dataset.json", "snapshots/{current}.json"])
def test_a_lost_small_file_is_no_new_beginning(
    tmp_path: Path, zone: Landing, name: str, harm: Callable[[Path], None]
) -> None:
    counts = zone.counts("demo")
    path = tmp_path / "data" / "landing" / "demo" / ".landed" / name.format(current=counts["snapshot"])
    backup = path.read_bytes()
    harm(path)
    before = files_in(tmp_path / "data")
    more = jsonl(tmp_path / "more.jsonl", [pair(20)])
    for read in (lambda: zone.land([more], "demo"), lambda: (zone.counts("demo"), zone.created("demo"))):
        with pytest.raises(SerError, match=rf"{path}.*\n.*from a backup") as error:
            read()
        assert len(str(error.value).splitlines()) == 2
    assert files_in(tmp_path / "data") == before
    path.write_bytes(backup)
    assert zone.counts("demo") == counts
    assert zone.land([more], "demo").landed == 1


def test_a_damaged_dataset_does_not_hide_another(tmp_path: Path, zone: Landing) -> None:
    zone.land([jsonl(tmp_path / "c.jsonl", [pair(1)])], "other")
    (tmp_path / "data" / "landing" / "demo" / ".landed" / "current").unlink()
    assert zone.counts(zone.only_dataset("other"))["pairs"] == 1
    with pytest.raises(SerError, match="there are demo, other"):
        zone.only_dataset(None)
    with pytest.raises(SerError, match=r"dataset 'demo': .* is missing or empty"):
        zone.current_snapshot("demo")


@pytest.mark.parametrize("lost", [("snapshots",), ("snapshots", "current"), ("snapshots", "current", "dataset.json")])
def test_parts_outlive_the_loss_of_all_that_names_them(tmp_path: Path, zone: Landing, lost: tuple[str, ...]) -> None:
    landed = tmp_path / "data" / "landing" / "demo" / ".landed"
    parts = files_in(landed / "parts")
    for name in lost:
        shutil.rmtree(landed / name) if (landed / name).is_dir() else (landed / name).unlink()
    with contextlib.suppress(SerError):
        zone.land([jsonl(tmp_path / "more.jsonl", [pair(50)])], "demo")
    with contextlib.suppress(SerError):
        zone.land([jsonl(tmp_path / "bad.jsonl", ["{"])], "demo")
    assert parts.items() <= files_in(landed / "parts").items()


def test_a_landing_that_fails_takes_its_own_parts_back(
    tmp_path: Path, zone: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "data" / "landing" / "demo" / ".landed" / "parts"
    before = files_in(parts)
    more = jsonl(tmp_path / "c.jsonl", [pair(40)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space left"):
        patched.setattr("resources.landing.landed.snapshot_contents", full)
        zone.land([more], "demo")
    assert files_in(parts) == before
    assert zone.land([more], "demo").landed == 1


def test_a_first_landing_that_fails_leaves_no_dataset(
    tmp_path: Path, zone: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("resources.landing.landed.snapshot_contents", full)
    with pytest.raises(OSError, match="no space left"):
        zone.land([jsonl(tmp_path / "d.jsonl", [pair(1)])], "typo")
    assert zone.folders() == ["demo"]


def test_a_damaged_note_of_a_landed_file_is_written_again(tmp_path: Path, zone: Landing) -> None:
    jsonl(tmp_path / "data" / "landing" / "demo" / "in.jsonl", [pair(30)])
    landed = zone.land_waiting("demo")
    assert landed and landed.landed == 1
    notes = tmp_path / "data" / "landing" / "demo" / ".landed" / "files.jsonl"
    *before, last = notes.read_bytes().splitlines(keepends=True)
    for damaged in (last[:-9], b"\0" * len(last), b'{"mark": 1}\n', b'{"mark": [], "digest": 1}\n', b"[[]]\n"):
        notes.write_bytes(b"".join(before) + damaged)
        again = zone.land_waiting("demo")
        assert again
        assert (again.landed, again.duplicates) == (0, 1)
        assert zone.arrivals("demo") is None
        assert last in notes.read_bytes().splitlines(keepends=True)
