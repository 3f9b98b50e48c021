"""Roles: a pure function of what has landed and of the settings, whatever the order in which it came."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_fakes import jsonl, landing, pair, quarantined, roles, snapshot, splits, vault_of

from resources.landing.zone import Landing
from ser.data.pairs import canonical_prompt, dialogue, keyed_hash, pair_id
from ser.data.role_assignment import assign_roles
from ser.data.roles import draw_unit
from ser.specs import Roles


def land(zone: Landing, tmp_path: Path, rows: list[dict[str, Any]], name: str = "in"):
    return zone.land([jsonl(tmp_path / f"{name}.jsonl", rows)], "demo")


def identity(number: int, prompt: str | None = None) -> str:
    canonical = canonical_prompt(prompt or f"question {number}")
    return pair_id(canonical, f"good answer {number}", f"bad answer {number}")


def role_of(zone: Landing, tmp_path: Path, number: int, prompt: str | None = None, **settings: Any) -> str:
    return roles(zone, "demo", tmp_path / "out", **settings)[identity(number, prompt)]


def counts(zone: Landing) -> dict[str, int]:
    return zone.roles(zone.current_snapshot("demo")).counts


def draw_of(number: int) -> float:
    """The draw of a pair without a group, whose prompt is its own."""
    unit = keyed_hash("dialogue", dialogue(canonical_prompt(f"question {number}")))[:24]
    return draw_unit(f"d{unit}", 0)


def number_with(role: str) -> int:
    """A pair that is drawn for `role` where a quarter is test and a quarter calibration."""
    low, high = {"test": (0, 0.25), "calibration": (0.25, 0.5), "train": (0.5, 1)}[role]
    return next(i for i in range(1000, 2000) if low <= draw_of(i) < high)


def test_labelled_data_alone_is_a_simulation(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i) for i in range(2000)])
    assigned = zone.roles(zone.current_snapshot("demo"))
    share = {role: count / 2000 for role, count in assigned.counts.items()}
    expected = {"test": 0.25, "calibration": 0.10, "seed": 0.65 * 0.15, "pool": 0.65 * 0.85, "unused": 0}
    assert share == pytest.approx(expected | {"vault": 0.65 * 0.85}, abs=0.03)
    assert assigned.fractions.simulated


def test_a_few_labels_and_a_pile_come_to_the_same_in_both_orders(tmp_path: Path):
    labels, pile = [pair(i) for i in range(298)], [pair(i, None) for i in range(1000, 2000)]
    found = []
    for name, order in (("one", (labels, pile)), ("other", (pile, labels))):
        zone = landing(tmp_path / name)
        for number, rows in enumerate(order):
            land(zone, tmp_path / name, rows, str(number))
        found.append((zone.current_snapshot("demo"), roles(zone, "demo", tmp_path / name / "out")))
        drawn = list(found[-1][1].values())
        assert drawn.count("seed") + drawn.count("test") + drawn.count("calibration") == 298
        assert drawn.count("pool") == 1000
        assert {role: drawn.count(role) for role in set(drawn)} == {
            role: count for role, count in counts(zone).items() if count and role != "vault"
        }
    assert found[0] == found[1]


def test_more_data_never_takes_a_pair_out_of_the_test(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i, group=f"g{i % 40}") for i in range(200)])
    before = roles(zone, "demo", tmp_path / "out")
    land(zone, tmp_path, [pair(i, None if i % 2 else "b", group=f"g{i % 60}") for i in range(200, 600)], "more")
    after = roles(zone, "demo", tmp_path / "out")
    assert {key for key, role in before.items() if role == "test"} <= {
        key for key, role in after.items() if role == "test"
    }
    assert {"seed", "calibration", "test", "pool", "unused"} == set(after.values())


def test_another_draw_and_the_folds_need_no_landing(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i, group=f"g{i % 90}") for i in range(300)])
    drawn = [roles(zone, "demo", tmp_path / str(n), draw=n) for n in range(2)]
    assert drawn[0] != drawn[1]
    tests = [
        {key for key, role in roles(zone, "demo", tmp_path / f"fold{n}", fold=f"{n}/3").items() if role == "test"}
        for n in range(3)
    ]
    assert sum(map(len, tests)) == len(set.union(*tests)) == 300


def test_pairs_of_one_prompt_group_or_dialogue_are_for_one_purpose(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(i, prompt=f"shared {i % 10}", group=f"g{i % 4}" if i % 2 else None) for i in range(100)]
    deeper = [
        pair(200 + i, prompt=[{"role": "user", "content": f"alone {i % 9}"},
                              {"role": "assistant", "content": "yes"}, {"role": "user", "content": f"and {i}"}])
        for i in range(27)
    ]  # fmt: skip
    land(zone, tmp_path, [*rows, *deeper, *(pair(300 + i, prompt=f"alone {i}") for i in range(9))])
    found = roles(zone, "demo", tmp_path / "out")
    uses: dict[str, set[str]] = {}
    for row in pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist():
        purpose = "train" if found[row["pair_id"]] in ("seed", "pool") else found[row["pair_id"]]
        for key in (dialogue(row["prompt"]), row["group"]):
            uses.setdefault(key or row["pair_id"], set()).add(purpose)
    assert all(len(purposes) == 1 for purposes in uses.values())
    assert {"test", "train"} <= set.union(*uses.values())


def test_a_new_tie_moves_only_towards_the_test(tmp_path: Path):
    zone = landing(tmp_path)
    test, train = number_with("test"), number_with("train")
    land(zone, tmp_path, [pair(test), pair(train), *(pair(i, None) for i in range(9))])
    assert role_of(zone, tmp_path, train) == "seed"
    tie = [pair(test, prompt=f"question {n}", group="both", preferred="b") for n in (test, train)]
    land(zone, tmp_path, [{**row, "response_a": f"new {i}"} for i, row in enumerate(tie)], "tie")
    assert {role_of(zone, tmp_path, test), role_of(zone, tmp_path, train)} == {"test"}


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_files_decides_nothing(tmp_path_factory: pytest.TempPathFactory, draw: random.Random):
    rows = [pair(i, draw.choice(["a", "b", None]), prompt=f"p{draw.randrange(12)}",
                 group=draw.choice([None, f"g{draw.randrange(6)}"]), annotator=f"x{i}") for i in range(40)]  # fmt: skip
    found = set()
    for _ in range(2):
        folder = tmp_path_factory.mktemp("order")
        draw.shuffle(rows)
        zone = landing(folder)
        cut = draw.randrange(1, 39)
        land(zone, folder, rows[:cut], "one")
        land(zone, folder, rows[cut:], "two")
        found.add((zone.current_snapshot("demo"), tuple(counts(zone).items())))
    assert len(found) == 1


def test_unlabelled_pairs_beside_a_test_are_unused_and_later_labels_take_the_role_they_would_have_had(tmp_path: Path):
    zone = landing(tmp_path)
    test, calibration, train = map(number_with, ("test", "calibration", "train"))
    more = [
        pair(1, None, prompt=f"question {test}"),
        pair(2, None, prompt=f"question {calibration}"),
        pair(train, None),
    ]
    land(zone, tmp_path, [pair(test), pair(calibration), *more, *(pair(i, None) for i in range(10, 20))])
    assert role_of(zone, tmp_path, 1, f"question {test}") == "unused"
    assert role_of(zone, tmp_path, 2, f"question {calibration}") == "unused"
    assert role_of(zone, tmp_path, train) == "pool"
    done = land(zone, tmp_path, [{**row, "preferred": "b"} for row in more], "later")
    assert (done.landed, done.labels_added) == (3, 3)
    assert role_of(zone, tmp_path, 1, f"question {test}") == "test"
    assert role_of(zone, tmp_path, 2, f"question {calibration}") == "calibration"
    assert role_of(zone, tmp_path, train) == "seed"


def test_a_judge_decides_nothing(tmp_path: Path):
    zone = landing(tmp_path)
    test = number_with("test")
    rows = [pair(test, "a", annotator="judge", role="test"), pair(5, "b", annotator="judge")]
    done = land(zone, tmp_path, rows)
    assert (done.landed, done.labelled, done.unlabelled) == (2, 0, 2)
    assert set(roles(zone, "demo", tmp_path / "out").values()) == {"pool"}


def test_a_role_column_overrides_the_draw(tmp_path: Path):
    zone = landing(tmp_path)
    asked = ("seed", "calibration", "test", "pool", "unused", "train")
    rows = [pair(i, role=role) for i, role in enumerate(asked)]
    assert land(zone, tmp_path, [*rows, pair(9, None, role="pool")]).landed == 7
    assert [role_of(zone, tmp_path, i) for i in range(5)] == ["seed", "calibration", "test", "pool", "unused"]
    assert role_of(zone, tmp_path, 5) in ("seed", "pool")
    assert len(snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")["labels"]) == 6


def test_published_splits_land_in_their_roles(tmp_path: Path):
    zone = landing(tmp_path, test_fraction=0)
    land(zone, tmp_path, [*(pair(i, role="test") for i in range(60)), *(pair(i) for i in range(100, 500))])
    assert counts(zone)["test"] == 60
    assert counts(zone)["calibration"] == pytest.approx(100, abs=25)
    beside = landing(tmp_path).roles(zone.current_snapshot("demo"))
    assert beside.counts["test"] == pytest.approx(160, abs=25)
    assert "60 pairs asked to be tested with, and others are drawn beside them" in " ".join(beside.oddities())


def test_a_published_split_for_training_is_calibrated_with_and_never_tested_with(tmp_path: Path):
    zone = landing(tmp_path)
    land(
        zone, tmp_path, [*(pair(i, role="test") for i in range(60)), *(pair(i, role="train") for i in range(100, 500))]
    )
    found = counts(zone)
    assert (found["test"], found["unused"]) == (60, 0)
    assert found["calibration"] == pytest.approx(100, abs=25)
    assert found["seed"] == pytest.approx(0.15 * 300, abs=20)


def test_roles_that_contradict_are_not_used_and_counted(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [
        pair(1, role="test", group="g"),
        pair(2, role="seed", group="g"),
        pair(3, None, role="test"),
        pair(4, role="gold"),
    ]
    done = land(zone, tmp_path, rows)
    assert (done.landed, done.quarantined) == (2, 2)
    why = {row["line"]: row["reason"] for row in quarantined(tmp_path)}
    assert why[3] == "role 'test' needs a label, and the row has none"
    assert why[4].startswith("role 'gold' is unknown")
    assert (role_of(zone, tmp_path, 1), role_of(zone, tmp_path, 2)) == ("test", "unused")
    assert zone.roles(zone.current_snapshot("demo")).contradictions == 1
    stricter = land(zone, tmp_path, [pair(1, role="unused", group="g")], "again")
    assert (stricter.landed, role_of(zone, tmp_path, 1)) == (1, "unused")


def test_a_long_chain_of_groups_and_prompts_is_one(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(2 * i + j, prompt=f"p{i + j}", group=f"g{i}") for i in range(60) for j in (0, 1)]
    random.Random(0).shuffle(rows)
    land(zone, tmp_path, rows)
    found = roles(zone, "demo", tmp_path / "out").values()
    assert len({"train" if role in ("seed", "pool") else role for role in found}) == 1
    assert "120 of 120 pairs share a group or a first message" in " ".join(
        zone.roles(zone.current_snapshot("demo")).oddities()
    )


def test_a_very_long_chain_takes_few_rounds() -> None:
    rows = [(f"{i + j}", f"g{i}") for i in range(20_000) for j in (0, 1)]
    with duckdb.connect() as con:
        table = pa.table({"pair_id": [str(i) for i in range(len(rows))], "dialogue": [row[0] for row in rows],
                          "group": [row[1] for row in rows], "asked": pa.nulls(len(rows), pa.string())})  # fmt: skip
        con.register("pair", table)
        con.register("label", pa.table({"pair_id": ["0"], "preferred": ["a"], "origin": ["landed"]}))
        assigned = assign_roles(con, Roles())
    assert assigned.largest_unit == 40_000


def test_votes_of_the_vault_change_no_role_whatever_they_say(tmp_path: Path):
    made = []
    for name, second in (("same", "a"), ("even", "b")):
        zone = landing(tmp_path / name)
        pool = {key for key, role in made[0].items() if role == "pool"} if made else {identity(i) for i in range(300)}
        rows = [pair(i, "a", annotator="x") for i in range(300)]
        rows += [pair(i, second if identity(i) in pool and made else "a", annotator="y") for i in range(300)]
        land(zone, tmp_path / name, rows)
        made.append(roles(zone, "demo", tmp_path / name / "out"))
    assert made[0] == made[1]


def test_max_pairs_and_heldout_max(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i, prompt=f"p{i // 2}") for i in range(1000)])
    some = roles(zone, "demo", tmp_path / "some", max_pairs=300)
    used = {key for key, role in some.items() if role != "unused"}
    assert len(used) == 300
    fewer = roles(zone, "demo", tmp_path / "fewer", max_pairs=200)
    assert {key for key, role in fewer.items() if role != "unused"} < used
    held = list(roles(zone, "demo", tmp_path / "held", heldout_max=20).values())
    assert (held.count("test"), held.count("calibration")) == (20, 20)
    assert held.count("unused") == pytest.approx(350 - 40, abs=60)


def test_the_seed_takes_so_many_of_a_group_and_the_others_are_nobodys(tmp_path: Path):
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i, prompt=f"p{i // 4}") for i in range(400)])
    whole = roles(zone, "demo", tmp_path / "whole", seed_fraction=0.4)
    one = roles(zone, "demo", tmp_path / "one", seed_fraction=0.4, seed_per_group=1)
    seed = {key for key, role in whole.items() if role == "seed"}
    assert len({key for key, role in one.items() if role == "seed"}) == len(seed) / 4
    assert {key for key, role in one.items() if role != whole[key]} < seed
    assert {one[key] for key in seed} == {"seed", "unused"}


def test_unnamed_raters_of_one_file_vote(tmp_path: Path):
    zone = landing(tmp_path)
    votes = [pair(1, "a"), pair(1, "b"), pair(1, "a"), pair(2, "a"), pair(2, "b")]
    done = land(zone, tmp_path, votes)
    assert (done.read, done.landed, done.labels_added, done.quarantined) == (5, 5, 3, 0)
    again = land(zone, tmp_path, votes)
    assert (again.landed, again.duplicates, again.snapshot) == (0, 5, done.snapshot)
    assert done.labelled == 1
    another = landing(tmp_path / "another")
    for number, label in enumerate("abb"):
        last = land(another, tmp_path, [pair(1, label, rater=number)], str(number))
    assert (last.labels_added, another.roles(last.snapshot).undecided) == (1, 0)
    assigned = zone.roles(done.snapshot)
    assert (assigned.disputed, assigned.undecided, assigned.labelled.labelled) == (2, 1, 2)
    tables = splits(zone, "demo", tmp_path / "out", test_fraction=0, calibration_fraction=0, seed_fraction=1)
    kept = pq.read_table(tables / "seed.parquet").to_pylist()
    one = kept[0]
    assert [row["pair_id"] for row in kept] == [identity(1)]
    assert one[f"response_{one['preferred']}"] == "good answer 1"
    assert [row["pair_id"] for row in pq.read_table(tables / "pool.parquet").to_pylist()] == [identity(2)]


def test_one_annotator_who_says_both_is_quarantined_and_two_who_disagree_are_not(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [pair(1, "a", annotator="ann"), pair(1, "b", annotator="ann"), pair(1, "b", annotator="bob")]
    done = land(zone, tmp_path, rows)
    assert (done.landed, done.labels_added, done.quarantined) == (2, 1, 1)
    assert quarantined(tmp_path)[0]["reason"] == "the label contradicts an earlier one by annotator 'ann'"
    assert zone.roles(done.snapshot).undecided == 1


def test_flipping_the_labels_of_the_vault_changes_no_other_table(tmp_path: Path):
    rows = [pair(i, "ab"[i % 2]) for i in range(200)]
    made = []
    for flipped in (False, True):
        zone = landing(tmp_path / str(flipped))
        if flipped:
            pool = {key for key, role in made[0][0].items() if role == "pool"}
            rows = [row | {"preferred": "ba"[i % 2]} if identity(i) in pool else row for i, row in enumerate(rows)]
        land(zone, tmp_path / str(flipped), rows)
        folder = splits(zone, "demo", tmp_path / str(flipped) / "out")
        files = {name: (folder / f"{name}.parquet").read_bytes() for name in ("seed", "calibration", "test", "pool")}
        vault = vault_of(zone, "demo", tmp_path / str(flipped) / "vault").read_bytes()
        made.append((roles(zone, "demo", tmp_path / str(flipped) / "again"), files, vault))
    assert made[0][:2] == made[1][:2]
    assert made[0][2] != made[1][2]


def test_roles_are_drawn_once_for_each_setting_and_again_where_what_was_kept_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = landing(tmp_path)
    land(zone, tmp_path, [pair(i) for i in range(60)])
    snapshot_name = zone.current_snapshot("demo")
    drawn = zone.roles(snapshot_name)
    with monkeypatch.context() as patched:
        patched.setattr("resources.landing.known_roles.assign_snapshot", None)
        assert landing(tmp_path).roles(snapshot_name) == drawn
    other = landing(tmp_path, test_fraction=0.5).roles(snapshot_name)
    assert other.fractions.test == 0.5 and other.counts != drawn.counts
    kept = list((tmp_path / "landing" / "demo" / ".landed" / "roles").glob("*.json"))
    assert len(kept) == 2
    for path in kept:
        path.write_text(path.read_text().replace("60", "61"))
    assert zone.roles(snapshot_name) == drawn


def test_groups_bind_in_whatever_order_they_come(tmp_path: Path) -> None:
    plain = [pair(i) for i in range(120)]
    grouped = [row | {"group": f"g{i // 4}"} for i, row in enumerate(plain)]
    beside = [row | {"group": f"h{i // 12}", "annotator": "x"} for i, row in enumerate(plain)]
    made = []
    for number, files in enumerate(([plain, grouped, beside], [beside, plain, grouped])):
        zone = landing(tmp_path / str(number))
        landed = [land(zone, tmp_path, rows, f"{number}-{place}") for place, rows in enumerate(files)]
        assert all(done.duplicates == 0 for done in landed)
        made.append((landed[-1].snapshot, roles(zone, "demo", tmp_path / str(number) / "out")))
    assert made[0] == made[1]
    side = {key: "train" if role in ("seed", "pool") else role for key, role in made[0][1].items()}
    blocks = [{side[identity(i)] for i in range(start, start + 12)} for start in range(0, 120, 12)]
    assert all(len(sides) == 1 for sides in blocks) and len(set.union(*blocks)) > 1


def test_no_label_leaves_the_seed_as_labels_grow(tmp_path: Path) -> None:
    zone = landing(tmp_path)
    before: dict[str, str] = {}
    for size in (200, 300, 500, 800, 1200):
        land(zone, tmp_path, [pair(i) for i in range(size)], str(size))
        now = roles(zone, "demo", tmp_path / str(size))
        moves = {(role, now[key]) for key, role in before.items() if now[key] != role}
        assert moves <= {("calibration", "pool"), ("seed", "pool"), ("pool", "seed")}, moves
        before = now
