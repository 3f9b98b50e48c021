"""A landed part whose bytes are no longer what its name says, or that is gone, is refused by all that reads it."""

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
@pytest.mark.parametrize("kind", ["pairs", "labels", "role_changes", "keys"])
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
        lambda: zone.find_pairs("demo", ["0" * 24]),
    ):
        with pytest.raises(SerError, match=part.name):
            read()
    part.write_bytes(backup)
    assert zone.write_snapshot(zone.current_snapshot("demo"), tmp_path / "out") == counts
