"""Landing through the public door: counts, formats, labels, idempotence, names."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landing_fakes import files_in, jsonl, landing, numbers, pair, quarantined, snapshot, table

from resources.disk import file_digest
from ser.data.pairs import canonical_prompt, pair_id
from ser.errors import SerError

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
CONTENT = [
    pair(1, "a", source="web", group="g1", annotator="ann", id=1),
    pair(2, "b"),
    pair(3, None),
    pair(4, "a", prompt=MESSAGES, note="x, \"y\"\nz"),
    pair(5, "a", prompt="\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Bye\n\nAssistant:"),
    pair(1, "b", annotator="judge"),
]  # fmt: skip


def test_a_landing_is_counted_and_can_be_read_back(tmp_path: Path):
    zone = landing(tmp_path)
    done = zone.land([jsonl(tmp_path / "in.jsonl", [*CONTENT, pair(2, "b"), "{", ""])], "demo")
    assert numbers(done) == (8, 7, 2, 0, 1, 4, 1)
    assert done.reasons == [{"reason": quarantined(tmp_path)[0]["reason"], "rows": 1}]
    [file] = done.files
    assert (file.name, file.unread, file.shapes) == ("in.jsonl", None, {"two responses": 7})
    assert done.snapshot.startswith("demo-") and len(done.snapshot) == len("demo-") + 12
    assert zone.current_snapshot("demo") == done.snapshot
    assert zone.datasets() == zone.folders() == ["demo"]
    assert zone.dataset_of(done.snapshot) == "demo"

    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    ids = [row["pair_id"] for row in tables["pairs"]]
    assert ids == sorted(ids) and len(ids) == 5
    first = pair_id(canonical_prompt("question 1"), "good answer 1", "bad answer 1")
    row = next(row for row in tables["pairs"] if row["pair_id"] == first)
    assert {row["response_a"], row["response_b"]} == {"good answer 1", "bad answer 1"}
    assert (row["source"], row["group"], row["asked"]) == ("web", "g1", None)
    times = {one["pair_id"]: one["landed_at"] for one in tables["pair_times"]}
    assert times.keys() == set(ids) and times[first].utcoffset().total_seconds() == 0
    assert [(one["pair_id"], one["annotator"]) for one in tables["label_times"]] == [
        (one["pair_id"], one["annotator"]) for one in tables["labels"]
    ]
    label = next(label for label in tables["labels"] if label["pair_id"] == first)
    assert row[f"response_{label['preferred']}"] == "good answer 1"
    assert label["annotator"] == "ann"
    assert len(tables["labels"]) == 5
    assert [judge["pair_id"] for judge in tables["judge_labels"]] == [first]
    assert tables["judge_labels"][0]["preferred"] != label["preferred"]
    columns = [
        "pair_id",
        "prompt",
        "response_a",
        "response_b",
        "source",
        "group",
        "dialogue",
        "asked",
    ]
    assert list(row) == columns


def test_every_format_lands_the_same_snapshot(tmp_path: Path):
    ways = {
        "jsonl": [jsonl(tmp_path / "x.jsonl", CONTENT)],
        "gzip": [jsonl(tmp_path / "x.jsonl.gz", CONTENT)],
        "csv": [table(tmp_path / "x.csv", CONTENT)],
        "parquet": [table(tmp_path / "x.parquet", [row for row in CONTENT if isinstance(row["prompt"], str)]),
                    table(tmp_path / "y.parquet", [row for row in CONTENT if isinstance(row["prompt"], list)])],
        "split": [jsonl(tmp_path / f"{i}.jsonl", [row]) for i, row in enumerate(CONTENT)],
        "reversed": [jsonl(tmp_path / "r.jsonl", CONTENT[:0:-1]), jsonl(tmp_path / "l.jsonl", CONTENT[:1])],
    }  # fmt: skip
    names = {}
    for way, files in ways.items():
        done = landing(tmp_path / way).land(files, "demo")
        assert (done.read, done.quarantined) == (6, 0), way
        names[way] = done.snapshot
    assert len(set(names.values())) == 1


def test_order_does_not_matter_where_no_row_repeats_a_pair(tmp_path: Path):
    rows = [pair(i, "ab"[i % 2] if i % 3 else None, group=f"g{i % 7}") for i in range(40)]
    names = {
        landing(tmp_path / str(step)).land([jsonl(tmp_path / f"{step}.jsonl", rows[::step])], "demo").snapshot
        for step in (1, -1)
    }
    assert len(names) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_pair_has_the_source_that_any_of_its_rows_has(tmp_path: Path, order: int):
    rows = [pair(1, "a", annotator="judge"), pair(1, "b", source="web")]
    zone = landing(tmp_path / "data")
    landed = zone.land([jsonl(tmp_path / f"{n}.jsonl", [row]) for n, row in enumerate(rows[::order])], "demo")
    assert (landed.landed, landed.duplicates, landed.labels_added) == (2, 0, 1)
    tables = snapshot(zone, landed.snapshot, tmp_path / "out")
    assert [row["source"] for row in tables["pairs"]] == ["web"]


def test_landing_again_changes_nothing(tmp_path: Path):
    zone = landing(tmp_path / "data")
    bad = ["nonsense", pair(1, "b", annotator="ann"), pair(9, "a", response_a="")]
    file = jsonl(tmp_path / "in.jsonl", [*CONTENT, *bad])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    first = zone.land([file, broken], "demo")
    before = files_in(tmp_path / "data")
    again = zone.land([file, broken], "demo")
    assert (first.read, first.landed, first.quarantined) == (9, 6, 3)
    assert first.files[1].unread and "cannot be read" in first.files[1].unread
    assert (again.read, again.landed, again.duplicates, again.quarantined) == (9, 0, 6, 3)
    assert (again.snapshot, again.labelled, again.unlabelled) == (first.snapshot, 4, 1)
    assert files_in(tmp_path / "data") == before


def test_a_snapshot_is_written_to_the_same_bytes_and_stays(tmp_path: Path):
    zone = landing(tmp_path / "data")
    first = zone.land([jsonl(tmp_path / "a.jsonl", CONTENT)], "demo")
    for out in ("one", "two", "three"):
        (tmp_path / out).mkdir()
    counts = zone.write_snapshot(first.snapshot, tmp_path / "one")
    assert counts == {"number": 1, "pairs": 5, "labels": 4, "judge_labels": 1, "pair_times": 5, "label_times": 4}
    second = zone.land([jsonl(tmp_path / "b.jsonl", [pair(3, "b"), pair(8)])], "demo")
    assert second.snapshot != first.snapshot
    assert (second.landed, second.labels_added, second.labelled, second.unlabelled) == (2, 1, 6, 0)
    zone.write_snapshot(first.snapshot, tmp_path / "two")
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")
    counts = zone.write_snapshot(second.snapshot, tmp_path / "three")
    assert (counts["number"], counts["pairs"]) == (2, 6)
    history = pq.read_table(tmp_path / "three" / "snapshots.parquet").to_pylist()
    assert [[row[name] for name in ("snapshot", "number", "n_pairs", "n_labelled")] for row in history] == [
        [first.snapshot, 1, 5, 4], [second.snapshot, 2, 6, 6],
    ]  # fmt: skip
    assert history[0]["landed_at"] < history[1]["landed_at"]
    times = pq.read_table(tmp_path / "three" / "pair_times.parquet").column("landed_at").to_pylist()
    assert sorted(map([row["landed_at"] for row in history].index, times)) == [0, 0, 0, 0, 0, 1]


def test_labels_of_several_annotators(tmp_path: Path):
    zone = landing(tmp_path)
    rows = [
        pair(1, "a", annotator="ann"),
        pair(1, "b", annotator="ben"),  # another opinion
        pair(1, "a", annotator="ann"),  # the same again
        pair(1, "b", annotator="ann"),  # a change of mind
        pair(1, None),
        pair(1, "b"),  # no name: one more vote
        pair(1, "a"),  # and another
        pair(1, "a", annotator="judge"),
        pair(1, "b", annotator="judge"),
    ]
    done = zone.land([jsonl(tmp_path / "in.jsonl", rows)], "demo")
    assert numbers(done) == (9, 5, 4, 2, 2, 0, 1)  # two votes for each: no label
    tables = snapshot(zone, done.snapshot, tmp_path / "out")
    unnamed = [f"unnamed {file_digest(tmp_path / 'in.jsonl')[:12]}/{place}" for place in (1, 2)]
    assert [label["annotator"] for label in tables["labels"]] == ["ann", "ben", *unnamed]
    assert tables["labels"][0]["preferred"] != tables["labels"][1]["preferred"]
    reasons = {row["line"]: row["reason"] for row in quarantined(tmp_path)}
    assert set(reasons) == {4, 9}
    assert reasons[4] == "the label contradicts an earlier one by annotator 'ann'"
    assert "judge" in reasons[9]

    later = zone.land([jsonl(tmp_path / "later.jsonl", [pair(1, "b", annotator="ann")])], "demo")
    assert (later.quarantined, later.snapshot) == (1, done.snapshot)


def test_files_that_wait_are_landed_once(tmp_path: Path):
    zone = landing(tmp_path)
    folder = tmp_path / "landing" / "demo"
    assert zone.land_waiting("demo") is None
    jsonl(folder / ".part.jsonl", [pair(1)])
    jsonl(folder / "part.jsonl.tmp", [pair(2)])
    assert zone.folders() == ["demo"] and zone.datasets() == []
    assert zone.land_waiting("demo") is None
    jsonl(folder / "b.jsonl", [pair(3)])
    jsonl(folder / "a.jsonl", [pair(4)])
    done = zone.land_waiting("demo")
    assert done and (done.read, done.landed) == (2, 2)
    assert zone.land_waiting("demo") is None
    (folder / "b.jsonl").rename(folder / "c.jsonl")
    assert zone.land_waiting("demo") is None
    jsonl(folder / "a.jsonl", [pair(4), pair(5)])
    done = zone.land_waiting("demo")
    assert done and (done.read, done.landed, done.labels_added) == (2, 2, 1)
    (folder / "empty.jsonl").touch()
    done = zone.land_waiting("demo")
    assert done and (done.read, done.nothing, done.files[0].unread) == (0, True, "empty file")
    assert [row["reason"] for row in quarantined(tmp_path)] == ["empty file"]
    assert zone.land_waiting("demo") is None


@pytest.mark.parametrize("name", ["", "Demo", "../demo", "a/b", ".demo", "a b", "x" * 65, "-x", "demo\n"])
def test_a_dataset_has_a_plain_name(tmp_path: Path, name: str):
    with pytest.raises(SerError, match="cannot be the name of a dataset"):
        landing(tmp_path / "data").land([jsonl(tmp_path / "in.jsonl", [pair(1)])], name)
    assert not (tmp_path / "data").exists()


def test_an_unknown_dataset_or_snapshot_is_an_error_that_lists_the_known(tmp_path: Path):
    zone = landing(tmp_path)
    with pytest.raises(SerError, match=r"unknown dataset 'demo'\. No dataset has landed yet"):
        zone.current_snapshot("demo")
    for name in ("one", "two-2"):
        zone.land([jsonl(tmp_path / "in.jsonl", [pair(1)])], name)
    with pytest.raises(SerError, match="Known: one, two-2"):
        zone.current_snapshot("demo")
    with pytest.raises(SerError, match="unknown snapshot 'one-000000000000'"):
        zone.write_snapshot("one-000000000000", tmp_path)
    assert zone.dataset_of(zone.current_snapshot("two-2")) == "two-2"


def test_equal_content_has_equal_names_in_two_places_and_metadata_stays_out(tmp_path: Path):
    plain = [pair(i) for i in range(5)]
    extra = [pair(i, secret="gold") for i in range(5)]
    one, two = (
        landing(tmp_path / name).land([jsonl(tmp_path / f"{name}.jsonl", rows)], "demo")
        for name, rows in (("one", plain), ("two", extra))
    )
    assert (one.snapshot, numbers(one)) == (two.snapshot, numbers(two))
    tables = snapshot(landing(tmp_path / "two"), two.snapshot, tmp_path / "out")
    assert "gold" not in json.dumps(tables, default=str)


def test_no_file_lands_if_one_cannot_be_opened(tmp_path: Path):
    zone = landing(tmp_path / "data")
    file = jsonl(tmp_path / "in.jsonl", [pair(1)])
    with pytest.raises(SerError, match="is a directory"):
        zone.land([file, tmp_path], "demo")
    with pytest.raises(SerError, match=r"missing\.jsonl cannot be read: No such file"):
        zone.land([file, tmp_path / "missing.jsonl"], "demo")
    assert zone.datasets() == []


EVIL_NAMES = [
    "..", ".", "", "../x", "a/../../x", "/etc", "a/b", "a\\b", "a\0b", "x" * 300, "x" * 65, ".hidden", "-rf", "a b",
    "A", "é", "a\n", "~root", "$HOME", "*", "..%2f",
]  # fmt: skip


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_datasets_name_cannot_leave_its_folder(tmp_path: Path, name: str):
    zone = landing(tmp_path / "data")
    file = jsonl(tmp_path / "in.jsonl", [pair(1)])
    for land in (lambda: zone.land([file], name), lambda: zone.land_waiting(name)):
        with pytest.raises(SerError, match="cannot be the name of a dataset") as error:
            land()
        assert len(str(error.value).splitlines()) <= 2
    for ask in (lambda: zone.current_snapshot(name), lambda: zone.dataset_of(f"{name}-0123456789ab")):
        with pytest.raises(SerError, match="unknown"):
            ask()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["x" * 300 + ".jsonl", "a\0b.jsonl", "gone.jsonl", "../gone.jsonl"])
def test_a_files_name_that_leads_nowhere_is_said(tmp_path: Path, name: str):
    zone = landing(tmp_path / "data")
    with pytest.raises(SerError, match="cannot be read") as error:
        zone.land([tmp_path / name], "demo")
    assert len(str(error.value).splitlines()) <= 2


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    zone, folder = landing(tmp_path), tmp_path / "landing" / "demo"
    secret = jsonl(tmp_path / "secret.jsonl", [pair(1), "the password is swordfish"])
    jsonl(folder / "own.jsonl", [pair(2)])
    (folder / "link.jsonl").symlink_to(secret)
    (folder / "up.jsonl").symlink_to("../../secret.jsonl")
    (folder / "same.jsonl").symlink_to("own.jsonl")
    (folder / "nowhere.jsonl").symlink_to("gone.jsonl")
    (folder / "round.jsonl").symlink_to("round.jsonl")
    done = zone.land_waiting("demo")
    assert done is not None
    assert (done.read, done.landed, done.duplicates) == (2, 1, 1)
    assert zone.land_waiting("demo") is None
    noted = quarantined(tmp_path)
    assert [row["file"] for row in noted] == ["link.jsonl", "up.jsonl"]
    assert all("is not followed" in row["reason"] for row in noted)
    kept = b"".join(files_in(tmp_path / "quarantine").values())
    assert b"swordfish" not in kept
    # Whoever names a link to `ser land` has chosen it.
    assert zone.land([folder / "link.jsonl"], "demo").landed == 1
