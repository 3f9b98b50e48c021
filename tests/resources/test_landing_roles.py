"""Roles: shared out once per prompt or group, and kept whatever lands later."""

import random
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from landing_fakes import jsonl, landing, pair, quarantined, roles, snapshot

from resources.landing import zone as module
from resources.landing.zone import Landing
from ser.pairs import canonical_prompt, pair_id


def land(zone: Landing, tmp_path: Path, rows: list[dict[str, Any]], name: str = "in"):
    return zone.land([jsonl(tmp_path / f"{name}.jsonl", rows)], "demo")


def role_of(zone: Landing, tmp_path: Path, number: int, prompt: str | None = None) -> str:
    canonical = canonical_prompt(prompt or f"question {number}")
    return roles(zone, "demo", tmp_path / "out")[pair_id(canonical, f"good answer {number}", f"bad answer {number}")]


def number_with(role: str) -> int:
    """A pair whose prompt is drawn for `role` when it lands labelled, with everything else in the seed."""
    from resources.landing.stage import prompt_key
    from ser.roles import decide_purpose

    wanted = "train" if role == "seed" else role
    numbers = (i for i in range(1000, 2000))
    return next(
        i for i in numbers if decide_purpose(prompt_key(canonical_prompt(f"question {i}")), (), (), True) == wanted
    )


def test_labelled_data_is_shared_out_and_the_rest_of_it_goes_to_the_vault(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i) for i in range(2000)])
    drawn = list(roles(zone, "demo", tmp_path / "out").values())
    share = {role: drawn.count(role) / 2000 for role in set(drawn)}
    assert share == pytest.approx(
        {"test": 0.25, "calibration": 0.10, "seed": 0.65 * 0.15, "pool": 0.65 * 0.85}, abs=0.03
    )
    assert zone.seed_fraction("demo") == 0.15


def test_with_unlabelled_data_every_training_label_is_seed(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i, "a" if i < 500 else None) for i in range(1000)])
    drawn = list(roles(zone, "demo", tmp_path / "out").values())
    assert zone.seed_fraction("demo") == 1.0
    assert drawn.count("pool") == 500
    assert drawn.count("test") == pytest.approx(125, abs=25)
    assert set(drawn) == {"pool", "test", "calibration", "seed"}


def test_the_settings_may_say_the_fraction(tmp_path: Path):
    zone = landing(tmp_path, seed_fraction=0.5)
    land(zone, tmp_path, [pair(i) for i in range(1000)])
    drawn = list(roles(zone, "demo", tmp_path / "out").values())
    assert drawn.count("seed") == pytest.approx(325, abs=50)
    assert landing(tmp_path).seed_fraction("demo") == 0.5


def test_new_data_moves_nothing(tmp_path: Path):
    zone = landing(tmp_path)
    first = [pair(i, group=f"g{i % 20}") for i in range(100)]
    land(zone, tmp_path, first)
    before = roles(zone, "demo", tmp_path / "out")
    land(zone, tmp_path, [pair(i, None if i % 2 else "b", group=f"g{i % 40}") for i in range(100, 300)], "more")
    after = roles(zone, "demo", tmp_path / "out")
    assert {key: after[key] for key in before} == before
    assert len(after) == 300
    alone = landing(tmp_path / "alone")
    land(alone, tmp_path, first)
    assert roles(alone, "demo", tmp_path / "out") == before


def test_pairs_of_one_prompt_or_group_are_for_one_purpose(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(i, prompt=f"shared {i % 10}", group=f"g{i % 4}" if i % 2 else None) for i in range(100)]
    land(zone, tmp_path, rows)
    found = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")["pairs"]
    for key in ("prompt", "group"):
        uses: dict[str, set[str]] = {}
        for row in found:
            purpose = "train" if row["role"] in ("seed", "pool") else row["role"]
            uses.setdefault(row[key], set()).add(purpose)
        assert all(len(found) == 1 for group, found in uses.items() if group is not None), uses


def test_a_prompt_ties_its_groups_over_landings(tmp_path: Path):
    zone = landing(tmp_path)
    test, train = number_with("test"), number_with("seed")
    land(zone, tmp_path, [pair(test), pair(train), pair(7, None)], "first")
    done = land(zone, tmp_path, [pair(8, prompt=f"question {test}", group="new"), pair(9, group="new")], "second")
    assert done.landed == 2
    assert role_of(zone, tmp_path, 8, f"question {test}") == "test"
    assert role_of(zone, tmp_path, 9) == "test"
    done = land(zone, tmp_path, [pair(10, prompt=f"question {train}", group="new")], "third")
    assert (done.landed, done.quarantined) == (0, 1)
    assert quarantined(tmp_path)[0]["reason"] == "its prompt is used for train, but its group for test"


def test_unlabelled_pairs_beside_test_prompts_are_unused_until_they_are_labelled(tmp_path: Path):
    zone = landing(tmp_path)
    test, calibration = number_with("test"), number_with("calibration")
    more = [
        pair(1, None, prompt=f"question {test}"),
        pair(2, None, prompt=f"question {calibration}"),
        pair(3, None),
    ]
    land(zone, tmp_path, [pair(test), pair(calibration), *more])
    assert role_of(zone, tmp_path, 1, f"question {test}") == "unused"
    assert role_of(zone, tmp_path, 2, f"question {calibration}") == "unused"
    assert role_of(zone, tmp_path, 3) == "pool"
    done = land(zone, tmp_path, [{**row, "preferred": "b"} for row in more], "review")
    assert (done.landed, done.labels_added, done.unlabelled) == (3, 3, 0)
    assert role_of(zone, tmp_path, 1, f"question {test}") == "test"
    assert role_of(zone, tmp_path, 2, f"question {calibration}") == "calibration"
    assert role_of(zone, tmp_path, 3) == "seed"
    land(zone, tmp_path, [pair(3, "a", annotator="other")], "again")
    assert role_of(zone, tmp_path, 3) == "seed"


def test_prompts_first_seen_without_labels_are_never_test(tmp_path: Path):
    zone = landing(tmp_path)
    test = number_with("test")
    land(zone, tmp_path, [pair(test, None)])
    land(zone, tmp_path, [pair(5, prompt=f"question {test}")], "more")
    assert role_of(zone, tmp_path, test) == "pool"
    assert role_of(zone, tmp_path, 5, f"question {test}") == "seed"


def test_a_judge_decides_nothing(tmp_path: Path):
    zone = landing(tmp_path)
    test = number_with("test")
    rows = [pair(test, "a", annotator="judge", role="test"), pair(5, "b", annotator="judge")]
    done = land(zone, tmp_path, rows)
    assert (done.landed, done.labelled, done.unlabelled) == (2, 0, 2)
    assert set(roles(zone, "demo", tmp_path / "out").values()) == {"pool"}
    assert zone.seed_fraction("demo") == 1.0


def test_a_role_column_overrides_the_draw(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(i, role=role) for i, role in enumerate(("seed", "calibration", "test", "pool", "unused"))]
    assert land(zone, tmp_path, [*rows, pair(9, None, role="pool")]).landed == 6
    assert [role_of(zone, tmp_path, i) for i in range(5)] == ["seed", "calibration", "test", "pool", "unused"]
    tables = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")
    assert len(tables["labels"]) == 5


def test_roles_that_cannot_be(tmp_path: Path):
    zone = landing(tmp_path)
    bad = [
        pair(1, role="test", group="g"),
        pair(2, role="seed", group="g"),
        pair(3, None, role="test"),
        pair(4, role="gold"),
        pair(1, role="pool"),
    ]
    done = land(zone, tmp_path, bad)
    assert (done.landed, done.quarantined) == (1, 4)
    why = {row["line"]: row["reason"] for row in quarantined(tmp_path)}
    assert why[2] == "role 'seed' contradicts: its prompt or group is used for test"
    assert why[3] == "role 'test' needs a label, and the row has none"
    assert why[4].startswith("role 'gold' is unknown")
    assert why[5] == "role 'pool' contradicts: its prompt or group is used for test"
    again = land(zone, tmp_path, bad)
    assert (again.duplicates, again.quarantined) == (1, 4)
    assert len(quarantined(tmp_path)) == 4


def test_a_long_chain_of_groups_and_prompts_is_one(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(2 * i + j, prompt=f"p{i + j}", group=f"g{i}") for i in range(60) for j in (0, 1)]
    random.Random(0).shuffle(rows)
    land(zone, tmp_path, rows)
    purposes = {
        "train" if role in ("seed", "pool") else role for role in roles(zone, "demo", tmp_path / "out").values()
    }
    assert len(purposes) == 1


def test_a_label_that_asks_for_the_seed_takes_a_pair_out_of_the_pool_and_leaves_the_vault_behind(tmp_path: Path):
    zone = landing(tmp_path)
    first = [pair(i, "a" if i % 2 else "b", role="pool") for i in range(4)]
    land(zone, tmp_path, first)
    ordinary = land(zone, tmp_path, [pair(3, "b", annotator="eva")], "ordinary")
    assert (ordinary.labels_added, role_of(zone, tmp_path, 3)) == (1, "pool")
    review = [pair(0, "a", annotator="ann", role="seed"), pair(1, "a", annotator="ann", role="seed")]
    done = land(zone, tmp_path, review, "review")
    assert (done.landed, done.labels_added, done.labelled) == (2, 2, 4)
    assert [role_of(zone, tmp_path, i) for i in range(4)] == ["seed", "seed", "pool", "pool"]
    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    moved = {row["pair_id"] for row in tables["pairs"] if row["role"] == "seed"}
    assert [row["annotator"] for row in tables["labels"] if row["pair_id"] in moved] == ["ann", "ann"]
    assert len(tables["labels"]) == len(tables["label_times"]) == 5
    again = land(zone, tmp_path, review, "again")
    assert (again.duplicates, again.snapshot) == (2, done.snapshot)
    # Whoever speaks up later counts, and what the vault said before is still held against its annotator.
    second = land(zone, tmp_path, [pair(0, "b", annotator="ben", role="seed"), pair(0, "a")], "second")
    assert (second.labels_added, second.quarantined) == (1, 1)
    tables = snapshot(zone, second.snapshot, tmp_path / "out")
    assert sorted(row["annotator"] for row in tables["labels"] if row["pair_id"] in moved) == ["ann", "ann", "ben"]


@pytest.mark.parametrize("clock_steps_back", [False, True])
def test_a_pair_whose_role_changes_twice_has_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock_steps_back: bool
):
    root = tmp_path / "data [1]"  # no pattern of file names
    zone = landing(root)
    land(zone, tmp_path, [pair(1, None, role="unused"), pair(2, None)])
    land(zone, tmp_path, [pair(1, "b", role="pool")], "first")
    assert role_of(zone, tmp_path, 1) == "pool"
    if clock_steps_back:
        monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda zone: datetime(2020, 1, 1, tzinfo=zone)))
    done = land(zone, tmp_path, [pair(1, "a", annotator="ann", role="seed")], "review")
    monkeypatch.undo()
    assert (done.labels_added, done.labelled, done.unlabelled) == (1, 1, 1)
    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    assert sorted(row["role"] for row in tables["pairs"]) == ["pool", "seed"]
    assert [row["annotator"] for row in tables["labels"]] == ["ann"]
    done = land(zone, tmp_path, [pair(1, "a", annotator="ben"), pair(1, "b")], "later")
    assert (done.labels_added, done.duplicates, done.labelled) == (1, 1, 1)
    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    assert sorted(row["role"] for row in tables["pairs"]) == ["pool", "seed"]
    assert {row["annotator"] for row in tables["labels"]} >= {"ann", "ben"}
    assert len(tables["labels"]) == len(tables["label_times"])


def test_a_flipped_vault_changes_nothing_that_a_review_makes(tmp_path: Path):
    made = []
    for name, label in (("one", "a"), ("other", "b")):
        zone = landing(tmp_path / name)
        land(zone, tmp_path, [pair(i, label, role="pool") for i in range(5)], name)
        land(zone, tmp_path, [pair(i, "a", annotator="ann", role="seed") for i in range(5)], "review")
        made.append(zone.current_snapshot("demo"))
    assert made[0] == made[1]


def test_the_seed_cannot_be_asked_for_where_a_prompt_is_for_a_test(tmp_path: Path):
    zone = landing(tmp_path)
    test = number_with("test")
    land(zone, tmp_path, [pair(test)])
    done = land(zone, tmp_path, [pair(test, "b", annotator="ann", role="seed")], "review")
    assert (done.quarantined, done.labels_added, role_of(zone, tmp_path, test)) == (1, 0, "test")
