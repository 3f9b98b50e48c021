"""A dataset's folder that is a link out of the landing folder is refused; the landing folder itself may be a link."""

from collections.abc import Callable
from pathlib import Path

import pytest
from landing_fakes import files_in, jsonl, landing, pair, quarantined

from resources.landing.inbox import fetch
from resources.landing.waiting import Arrivals
from resources.landing.zone import Landing
from resources.review.import_answers import take_back
from ser.errors import SerError

ROW = pair(1)

NAMING: dict[str, Callable[[Landing, Path], object]] = {
    "land": lambda zone, root: zone.land([root.parent / "in.jsonl"], "evil"),
    "land_waiting": lambda zone, root: zone.land_waiting("evil"),
    "folder": lambda zone, root: zone.folder("evil"),
    "current_snapshot": lambda zone, root: zone.current_snapshot("evil"),
    "counts": lambda zone, root: zone.counts("evil"),
    "dataset_of": lambda zone, root: zone.dataset_of("evil-0123456789ab"),
    "write_snapshot": lambda zone, root: zone.write_snapshot("evil-0123456789ab", root.parent),
    "find_pairs": lambda zone, root: zone.find_pairs("evil", []),
    "gained": lambda zone, root: zone.gained("evil", None),
    "roles": lambda zone, root: zone.roles("evil-0123456789ab"),
    "arrivals": lambda zone, root: zone.arrivals("evil"),
    "review": lambda zone, root: take_back(zone, "evil", [root.parent / "in.jsonl"], "ann"),
    "inbox": lambda zone, root: fetch(f"file://{root.parent}/inbox", root, "evil"),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of ours, with a file that would land, and a link to it among the datasets."""
    folder = tmp_path / "outside"
    jsonl(folder / "secret.jsonl", [ROW])
    jsonl(tmp_path / "inbox" / "evil" / "in.jsonl", [ROW])
    jsonl(tmp_path / "in.jsonl", [ROW])
    (tmp_path / "data" / "landing").mkdir(parents=True)
    (tmp_path / "data" / "landing" / "evil").symlink_to(folder)
    return folder


@pytest.mark.parametrize("name", NAMING)
def test_a_dataset_folder_that_leads_out_is_refused_by_all_that_names_it(
    tmp_path: Path, outside: Path, name: str
) -> None:
    zone = landing(tmp_path / "data")
    assert zone.folders() == zone.datasets() == []
    before = files_in(outside)
    with pytest.raises(SerError, match=f"evil is a link out of the landing folder, to {outside}") as error:
        NAMING[name](zone, tmp_path / "data")
    assert len(str(error.value).splitlines()) <= 2
    assert files_in(outside) == before
    assert [path.name for path in outside.iterdir()] == ["secret.jsonl"]


def test_a_dataset_folder_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "round").symlink_to("round")
    with pytest.raises(SerError, match="is a link out of the landing folder"):
        landing(tmp_path).land_waiting("round")


@pytest.mark.parametrize("linked", ["data", "data/landing"])
def test_the_data_root_or_all_of_the_landing_folder_may_be_a_link(tmp_path: Path, linked: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(tmp_path / "elsewhere")
    zone = landing(tmp_path / "data")
    zone.land([jsonl(tmp_path / "in.jsonl", [ROW])], "demo")
    jsonl(zone.folder("demo") / "b.jsonl", [pair(2)])
    zone.land_waiting("demo")
    assert (zone.folders(), zone.counts("demo")["pairs"]) == (["demo"], 2)


def test_a_folder_with_nothing_but_a_link_out_of_it_is_worth_a_look_once(tmp_path: Path) -> None:
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    folder.mkdir(parents=True)
    (folder / "link.jsonl").symlink_to(jsonl(tmp_path / "secret.jsonl", [ROW]))
    came = (folder / "link.jsonl").lstat().st_ctime
    assert zone.arrivals("demo") == Arrivals(came, came)
    assert zone.land_waiting("demo") is None
    assert [row["file"] for row in quarantined(tmp_path)] == ["link.jsonl"]
    assert zone.arrivals("demo") is None
