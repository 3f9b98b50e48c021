"""Taking answers back: every format, what a spreadsheet does to a file, and answers that cannot be labels."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from landing_fakes import jsonl, landing, pair, quarantined, roles, snapshot, splits, table

from resources.landing.store import DatasetStore
from resources.landing.zone import Landing
from resources.review.import_answers import TakenBack, take_back
from ser.data.pairs import canonical_prompt, pair_id
from ser.errors import SerError

COLUMNS = ["pair_id", "prompt", "response_a", "response_b", "preferred", "annotator", "time"]


def identity(number: int) -> str:
    return pair_id(canonical_prompt(f"question {number}"), f"good answer {number}", f"bad answer {number}")


@pytest.fixture
def zone(tmp_path: Path) -> Landing:
    """Pairs 0 to 19 in the pool; the vault knows those from 10 on."""
    made = landing(tmp_path)
    rows = [pair(i, None if i < 10 else "a", role="pool") for i in range(20)]
    made.land([jsonl(tmp_path / "pairs.jsonl", rows)], "demo")
    return made


def answers(*given: tuple[int, str], **more: str) -> list[dict[str, str]]:
    return [{"pair_id": identity(number), "preferred": word, **more} for number, word in given]


def write_csv(path: Path, rows: list[dict[str, str]], columns: list[str] = COLUMNS, **how: Any) -> Path:
    with path.open("w", newline="", encoding=how.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, columns, **how)
        writer.writeheader()
        writer.writerows(rows)
    return path


def labels(zone: Landing, tmp_path: Path) -> list[tuple[str, str, str]]:
    """(pair, annotator, label) of every answer that has landed; their pairs are seed, unless they are a tie."""
    used = roles(zone, "demo", tmp_path / "out")
    tables = snapshot(zone, zone.current_snapshot("demo"), tmp_path / "out")
    kept = [row for row in tables["labels"] if row["origin"] == "review"]
    votes = {row["pair_id"]: [one["preferred"] for one in kept if one["pair_id"] == row["pair_id"]] for row in kept}
    decided = {pair_id for pair_id, given in votes.items() if 2 * given.count("a") != len(given)}
    assert {pair_id for pair_id, role in used.items() if role == "seed"} == decided
    return sorted((row["pair_id"], row["annotator"], row["preferred"]) for row in kept)


def counts(done: TakenBack) -> tuple[int, int, int, int]:
    landed = done.landed
    assert landed.read == landed.landed + landed.duplicates + landed.quarantined
    return landed.labels_added, landed.duplicates, landed.quarantined, done.unanswered


def studio(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A task of a full export, with an annotation for each of `given`: side, person, and whether it was skipped."""
    return [
        {
            "id": 7, "completed_by": one["who"], "was_cancelled": one.get("skipped", False), "lead_time": 3.1,
            "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:05:00Z",
            "result": [
                {"id": "x", "type": "pairwise", "from_name": "preferred", "to_name": "response_a",
                 "value": {"selected": one["side"]}}
            ] if one.get("side") else [],
        }
        for one in given
    ]  # fmt: skip


def test_jsonl_and_csv_land_the_same_labels(tmp_path: Path, zone: Landing) -> None:
    given = answers((0, "a"), (12, "b"), (3, ""), time="2026-11-24 10:00")
    assert counts(take_back(zone, "demo", [jsonl(tmp_path / "queue.jsonl", given)], "ann")) == (2, 0, 0, 1)
    found = labels(zone, tmp_path)
    assert found == sorted([(identity(0), "ann", "a"), (identity(12), "ann", "b")])
    assert counts(take_back(zone, "demo", [write_csv(tmp_path / "queue.csv", given)], "ann")) == (0, 2, 0, 1)
    assert labels(zone, tmp_path) == found


@pytest.mark.parametrize(
    "how",
    [
        {"encoding": "utf-8-sig", "lineterminator": "\r\n"},
        {"lineterminator": "\n", "quoting": csv.QUOTE_ALL},
        {"delimiter": ";", "encoding": "cp1252"},
        {"delimiter": "\t"},
    ],
)
def test_a_spreadsheet_changes_nothing(tmp_path: Path, zone: Landing, how: dict[str, Any]) -> None:
    texts = {"prompt": "Wo ist das Café,\nbitte; ja?", "response_a": "'=nö", "response_b": 'sie sagte "nein"\t!'}
    given = [row | texts for row in answers((1, " A "), (2, "b"), (4, ""))]
    given[0]["pair_id"] = f"'{given[0]['pair_id']}"
    columns = ["comment", *reversed(COLUMNS), ""]
    path = write_csv(tmp_path / "queue.csv", [*given, dict.fromkeys(columns, "")], columns, **how)
    assert counts(take_back(zone, "demo", [path], "ann")) == (2, 0, 0, 1)
    assert labels(zone, tmp_path) == sorted([(identity(1), "ann", "a"), (identity(2), "ann", "b")])


def test_a_queue_comes_back_in_any_format_that_lands(tmp_path: Path, zone: Landing) -> None:
    given = answers((1, "a"), (2, "b"), (4, ""))
    found = sorted([(identity(1), "ann", "a"), (identity(2), "ann", "b")])
    files = [
        write_csv(tmp_path / "queue.tsv", given, delimiter="\t", encoding="utf-16"),
        write_csv(tmp_path / "loose.csv", [row | {"prompt": None} for row in given], extrasaction="ignore"),
        jsonl(tmp_path / "queue.ndjson.gz", given),
        table(tmp_path / "queue.parquet", given),
        tmp_path / "queue.json",
    ]
    files[-1].write_text(json.dumps(given, indent=2))
    for number, file in enumerate(files):
        assert counts(take_back(zone, "demo", [file], "ann")) == ((0, 2, 0, 1) if number else (2, 0, 0, 1))
        assert labels(zone, tmp_path) == found


def test_only_the_columns_that_are_read_have_to_be_there_and_decodable(tmp_path: Path, zone: Landing) -> None:
    path = tmp_path / "queue.csv"
    rows = [
        f"{identity(1)},A,caf\xe9,\xc3\xa9\xc3\xa9",
        f"{identity(2)},b",
        f"{identity(3)},a,x,y,z,,",
        f"{identity(4)},\xe9\x81",
    ]
    path.write_bytes("\n".join(["Pair_ID, PREFERRED ,prompt,prompt", *rows]).encode("latin-1"))
    assert counts(take_back(zone, "demo", [path], "ann")) == (3, 0, 1, 0)
    (row,) = quarantined(tmp_path)
    assert (row["line"], row["reason"]) == (5, "undecodable text: not UTF-8")


def test_a_table_of_label_studio(tmp_path: Path, zone: Landing) -> None:
    columns = ["annotation_id", "annotator", "created_at", "pair_id", "preferred", "prompt"]
    sides = ['{"selected": "left"}', "right", '[{"selected": "right"}]', ""]
    given = [
        {"annotator": str(number), "pair_id": identity(number), "preferred": side} for number, side in enumerate(sides)
    ]
    path = write_csv(tmp_path / "export.csv", given, columns)
    assert counts(take_back(zone, "demo", [path], "team")) == (3, 0, 0, 1)
    assert [(who, word) for _, who, word in sorted(labels(zone, tmp_path), key=lambda row: row[1])] == [
        ("0", "a"), ("1", "b"), ("2", "b")
    ]  # fmt: skip


def test_a_full_export_and_a_short_one_of_label_studio_land_the_same(tmp_path: Path, zone: Landing) -> None:
    eva = {"id": 2, "email": "eva@example.org"}
    given = [{"side": "left", "who": 1}, {"side": "right", "who": eva}, {"side": "left", "who": 3, "skipped": True}]
    full = [
        {"id": 1, "data": {"pair_id": identity(0)}, "annotations": studio(given)},
        {"id": 2, "data": {"pair_id": identity(1)}, "annotations": []},
        {"id": 3, "data": {"pair_id": identity(2)}, "annotations": studio([{"who": 1}])},
    ]
    short = [
        {"id": 1, "pair_id": identity(0), "preferred": [{"selected": "left"}], "annotator": 1},
        {"id": 1, "pair_id": identity(0), "preferred": [{"selected": "right"}], "annotator": "eva@example.org"},
        {"id": 3, "pair_id": identity(2), "annotator": 1},
    ]
    for name, tasks, expected in (("full", full, (2, 0, 0, 3)), ("short", short, (0, 2, 0, 1))):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(tasks))
        assert counts(take_back(zone, "demo", [path], "team")) == expected
        assert labels(zone, tmp_path) == [(identity(0), "eva@example.org", "b"), (identity(0), "team-1", "a")]


def test_when_somebody_answered_stays_with_the_landed_label(tmp_path: Path, zone: Landing) -> None:
    given = [*answers((0, "a"), time="2026-11-24 10:00"), *answers((1, "b"))]
    take_back(zone, "demo", [jsonl(tmp_path / "queue.jsonl", given)], "ann")
    done = studio([{"side": "left", "who": "eva@example.org"}])
    (tmp_path / "export.json").write_text(json.dumps([{"data": {"pair_id": identity(2)}, "annotations": done}]))
    take_back(zone, "demo", [tmp_path / "export.json"], "team")
    store = DatasetStore(tmp_path, "demo")
    parts = store.files("labels", store.contents(store.current())["parts"])
    kept = [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert {row["pair_id"]: json.loads(row["metadata"]) for row in kept if row["origin"] == "review"} == {
        identity(0): {"reviewed_at": "2026-11-24 10:00"},
        identity(1): {},
        identity(2): {"reviewed_at": "2026-11-20T10:05:00Z"},
    }


def test_people_who_disagree_are_all_kept_and_the_majority_decides(tmp_path: Path, zone: Landing) -> None:
    for name, word in (("ann", "b"), ("ben", "a"), ("eva", "b")):
        take_back(zone, "demo", [write_csv(tmp_path / f"{name}.csv", answers((15, word)))], name)
    assert labels(zone, tmp_path) == [
        (identity(15), name, word) for name, word in (("ann", "b"), ("ben", "a"), ("eva", "b"))
    ]
    [seed] = pq.read_table(splits(zone, "demo", tmp_path / "out") / "seed.parquet").to_pylist()
    assert (seed["pair_id"], seed["preferred"]) == (identity(15), "b")


def test_who_answered_stands_in_the_row_or_else_in_the_command(tmp_path: Path, zone: Landing) -> None:
    given = [*answers((0, "a"), annotator="eva"), *answers((1, "a"))]
    take_back(zone, "demo", [jsonl(tmp_path / "queue.jsonl", given)], " ann ")
    assert {(number, who) for number, who, _ in labels(zone, tmp_path)} == {(identity(0), "eva"), (identity(1), "ann")}


def test_what_cannot_be_a_label_is_quarantined_with_the_reason(tmp_path: Path, zone: Landing) -> None:
    bad = [
        {"pair_id": "f" * 24, "preferred": "a"},
        {"pair_id": 5, "preferred": "a"},
        *answers((0, "better")),
        {"pair_id": identity(1), "preferred": 1},
        *answers((2, "a"), annotator="judge"),
        *answers((3, "a")),
        *answers((3, "b")),
        "no json",
        *answers((4, "")),
    ]
    done = take_back(zone, "demo", [jsonl(tmp_path / "queue.jsonl", bad)], "ann")
    assert counts(done) == (1, 0, 7, 1)
    why = {row["line"]: row["reason"] for row in quarantined(tmp_path)}
    assert why[1] == f"unknown pair_id '{'f' * 24}': the dataset has no such pair"
    assert why[2] == "unknown pair_id 5: the dataset has no such pair"
    assert why[3] == "preferred is 'better'; allowed are a, b or empty"
    assert why[4] == "preferred is 1; allowed are a, b or empty"
    assert why[5] == "annotator 'judge' is the judge of the policies, whose labels are no people's"
    assert why[7] == "the label contradicts an earlier one by annotator 'ann'"
    assert why[8].startswith("malformed JSON")
    assert {row["file"] for row in quarantined(tmp_path)} == {"queue.jsonl"}


def test_bad_rows_of_a_table_keep_their_line(tmp_path: Path, zone: Landing) -> None:
    rows = [row | {"prompt": "two\nlines"} for row in answers((0, "a"), (1, "c"), (2, "d"))]
    take_back(zone, "demo", [write_csv(tmp_path / "queue.csv", rows)], "ann")
    assert [row["line"] for row in quarantined(tmp_path)] == [4, 6]
    assert json.loads(quarantined(tmp_path)[0]["raw"])["preferred"] == "c"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("queue.csv", "pair_id,prompt\n1,2\n", "it needs one column 'preferred' (and has 0)"),
        ("queue.csv", "pair_id,preferred,preferred\n1,a,b\n", "it needs one column 'preferred' (and has 2)"),
        ("queue.csv", "\n", "it needs one column 'pair_id'"),
        ("export.json", '[{"id": 1, ', "is no file of answers"),
        ("export.json", '{"id": 1}', "no answer in export.json: preferred is empty in 1 of 1 rows"),
        ("export.json", '[{"data": {}, "annotations": [3]}]', "it is not built as Label Studio exports"),
        ("queue.xlsx", "PK", "unknown kind of file; accepted are .json"),
        ("queue.xlsx", "PK\x03\x04", "a zip archive: unpack it first"),
        ("queue.csv", "pair_id,preferred\n1,\n2,\n", "no answer in queue.csv: preferred is empty in 2 of 2 rows"),
    ],
)
def test_a_file_without_answers_lands_nothing(
    tmp_path: Path, zone: Landing, name: str, content: str, message: str
) -> None:
    before = zone.current_snapshot("demo")
    (tmp_path / name).write_text(content)
    good = jsonl(tmp_path / "good.jsonl", answers((0, "a")))
    files = [tmp_path / name] if "no answer" in message else [good, tmp_path / name]
    with pytest.raises(SerError) as error:
        take_back(zone, "demo", files, "ann")
    assert message in str(error.value)
    assert zone.current_snapshot("demo") == before
    assert quarantined(tmp_path) == []


@pytest.mark.parametrize("annotator", ["", "  ", "judge"])
def test_somebody_must_have_answered(tmp_path: Path, zone: Landing, annotator: str) -> None:
    path = jsonl(tmp_path / "queue.jsonl", answers((0, "a")))
    with pytest.raises(SerError, match="name the person"):
        take_back(zone, "demo", [path], annotator)
