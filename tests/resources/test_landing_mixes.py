"""Whatever rows land, in whatever order: every row is accounted for, and no prompt or group has two purposes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_fakes import files_in, jsonl, landing, numbers, quarantined, roles, snapshot

from ser.data.pairs import canonical_prompt, ordered, pair_id

ROWS = st.fixed_dictionaries(
    {
        "prompt": st.sampled_from(["p1", "p2", "p3", "p4", "", None, 3]),
        "response_a": st.sampled_from(["x", "y", "z"]),
        "response_b": st.sampled_from(["x", "y", "w", " "]),
        "preferred": st.sampled_from(["a", "b", "a", "b", None, "", "c"]),
        "group": st.sampled_from([None, None, "g1", "g2", "g3"]),
        "annotator": st.sampled_from([None, "ann", "judge"]),
        "role": st.sampled_from([None] * 12 + ["seed", "test", "calibration", "pool", "unused", "gold"]),
    }
)
LANDINGS = st.lists(st.lists(ROWS | st.just("{not json"), min_size=1, max_size=12), min_size=1, max_size=2)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp())
    yield place
    shutil.rmtree(place)


def check(tables: dict[str, list[dict[str, Any]]], used: dict[str, str]) -> None:
    """What holds for every snapshot and the roles of its pairs."""
    uses: dict[tuple[str, str], set[str]] = {}
    labelled = {row["pair_id"] for row in tables["labels"]}
    assert used.keys() == {row["pair_id"] for row in tables["pairs"]}
    for row in tables["pairs"]:
        role = used[row["pair_id"]]
        purpose = {"seed": "train", "pool": "train"}.get(role, role)
        if purpose != "unused":
            for key in ("prompt", "group"):
                if row[key] is not None:
                    uses.setdefault((key, row[key]), set()).add(purpose)
        assert role in ("pool", "unused") or row["pair_id"] in labelled
    assert all(len(purposes) == 1 for purposes in uses.values()), uses
    assert len({row["pair_id"] for row in tables["pairs"]}) == len(tables["pairs"])
    assert len({(row["pair_id"], row["annotator"]) for row in tables["labels"]}) == len(tables["labels"])
    assert len({row["pair_id"] for row in tables["judge_labels"]}) == len(tables["judge_labels"])


@FEW
@given(LANDINGS)
def test_every_row_is_accounted_for_and_no_group_is_split(landings: list[list[Any]]):
    for place in folder():
        zone = landing(place)
        known: set[str] = set()
        for number, rows in enumerate(landings):
            done = zone.land([jsonl(place / f"{number}.jsonl", rows)], "demo")
            assert done.read == len(rows) == done.landed + done.duplicates + done.quarantined
            assert done.labels_added <= done.landed
            if done.snapshot is None:
                continue
            used = roles(zone, "demo", place / "out")
            tables = snapshot(zone, done.snapshot, place / "out")
            check(tables, used)
            assert done.labelled + done.unlabelled == len(tables["pairs"])
            assert known <= used.keys()
            known = set(used)
        kept = files_in(place)
        for number, rows in enumerate(landings[-1:], start=len(landings) - 1):
            again = zone.land([place / f"{number}.jsonl"], "demo")
            assert (again.read, again.landed) == (len(rows), 0)
            assert again.snapshot == done.snapshot
        assert files_in(place) == kept


@FEW
@given(st.lists(ROWS, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_order_decides_nothing_but_which_of_two_equal_pairs_lands(rows: list[dict[str, Any]], chance: Any):
    unique = list({frozenset([row["response_a"], row["response_b"], row["prompt"]]): row for row in rows}.values())
    shuffled = chance.sample(unique, len(unique))
    for place in folder():
        one, other = (
            landing(place / name).land([jsonl(place / f"{name}.jsonl", some)], "demo")
            for name, some in (("one", unique), ("other", shuffled))
        )
        assert (one.snapshot, numbers(one)) == (other.snapshot, numbers(other))
        reasons = [sorted(row["reason"] for row in quarantined(place / name)) for name in ("one", "other")]
        assert reasons[0] == reasons[1]


@FEW
@given(st.lists(st.tuples(st.sampled_from("pqrs"), st.sampled_from("abc"), st.sampled_from("def")), min_size=1))
def test_swapping_every_label_moves_no_response(texts: list[tuple[str, str, str]]):
    rows = [{"prompt": p, "chosen": one, "rejected": other} for p, one, other in dict.fromkeys(texts)]
    swapped = [{"prompt": r["prompt"], "chosen": r["rejected"], "rejected": r["chosen"]} for r in rows]
    for place in folder():
        seen = []
        for name, some in (("one", rows), ("two", swapped)):
            zone = landing(place / name)
            done = zone.land([jsonl(place / f"{name}.jsonl", some)], "demo")
            seen.append(snapshot(zone, done.snapshot, place / f"{name}-out"))
        one, two = (tables["pairs"] for tables in seen)
        assert one == two
        flipped = {"a": "b", "b": "a"}
        assert [row["preferred"] for row in seen[0]["labels"]] == [
            flipped[row["preferred"]] for row in seen[1]["labels"]
        ]
        for row in rows:
            identity = pair_id(canonical_prompt(row["prompt"]), row["chosen"], row["rejected"])
            found = next(pair for pair in one if pair["pair_id"] == identity)
            assert (found["response_a"], found["response_b"]) == ordered(identity, row["chosen"], row["rejected"])
