"""Rows as they are published become rows of the landing contract."""

import json
from pathlib import Path
from typing import Any

import pytest

from resources.landing.hub.catalogue import HUB_DATASETS
from resources.landing.hub.fetch import Fetched, fetch
from resources.landing.shapes.rankings import PAIRS_PER_RANKING
from tests.hub import (
    SUMMARIZE_COMMIT,
    hh_row,
    question_row,
    summarize_row,
    ultrafeedback_row,
    write_files,
)
from tests.resources.landing_fakes import landing, snapshot


def fetched(tmp_path: Path, name: str, files: dict[str, list[dict[str, Any]]], **asked: Any) -> tuple[Fetched, Any]:
    """What became of the files of a repository: the counts, and the rows of the landing file."""
    hub, folder = tmp_path / "hub", tmp_path / "data" / "landing" / name
    write_files(hub, HUB_DATASETS[name], files)
    done = fetch(HUB_DATASETS[name], folder, limit=100, hub=str(hub), **asked)
    return done, [json.loads(line) for line in (folder / done.file).read_text().splitlines()]


def test_hh_rlhf(tmp_path: Path) -> None:
    other = hh_row("another first turn")
    files = {
        "helpful-base/test.jsonl.gz": [
            hh_row("hello", "fine \n\nthanks", "no"),
            {"chosen": hh_row("hello")["chosen"], "rejected": other["rejected"]},
            other,
            {"chosen": "no transcript", "rejected": "at all"},
            {"chosen": "\n\nHuman: hello\n\nAssistant: hi", "rejected": "\n\nHuman: hello\n\nAssistant: go"},
        ]
    }
    done, rows = fetched(tmp_path, "hh-rlhf", files, subset="helpful-base", split="test")
    assert (done.rows, done.pairs) == (5, 3)
    assert done.skipped == {
        "no prompt, and the responses share no beginning: name its column with --map prompt=COLUMN": 1,
        "the two conversations share no turn of the user: there is no prompt": 1,
    }
    turns = [("user", "hello"), ("assistant", "go on"), ("user", "and then?")]
    assert rows[0] == {
        "id": "test/0", "source": "hh-rlhf/helpful-base", "annotator": None, "chosen": "fine \n\nthanks",
        "rejected": "no", "prompt": [{"role": role, "content": text} for role, text in turns],
    }  # fmt: skip
    assert [row["id"] for row in rows] == ["test/0", "test/2", "test/4"]
    zone = landing(tmp_path / "data")
    landed = zone.land([zone.folder("hh-rlhf") / done.file], "hh-rlhf")
    assert (landed.read, landed.landed, landed.labelled, landed.quarantined) == (3, 3, 3, 0)
    pairs = snapshot(zone, landed.snapshot, tmp_path / "out")["pairs"]
    messages = next(json.loads(p["prompt"]) for p in pairs if "fine \n\nthanks" in (p["response_a"], p["response_b"]))
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "hello"), ("assistant", "go on"), ("user", "and then?"),
    ]  # fmt: skip


def test_ultrafeedback(tmp_path: Path) -> None:
    broken = ultrafeedback_row(3) | {"rejected": ultrafeedback_row(4)["rejected"]}
    empty = ultrafeedback_row(5) | {"chosen": []}
    rows_in = [ultrafeedback_row(1), ultrafeedback_row(2, 7.0, 7.0), broken, empty]
    files = {
        "data/train_prefs-00000-of-00001.parquet": rows_in,
        "data/train_sft-00000-of-00001.parquet": [ultrafeedback_row(9)],
        "data/test_prefs-00000-of-00001.parquet": [ultrafeedback_row(8)],
    }
    done, rows = fetched(tmp_path, "ultrafeedback", files)
    assert (done.split, done.rows, done.pairs) == ("train_prefs", 4, 2)
    assert done.skipped == {
        "no 'chosen': nothing to compare": 1,
        "the two conversations share no turn of the user: there is no prompt": 1,
    }
    assert ["chosen" in row for row in rows] == [True, False]  # equal scores prefer nothing
    assert rows[:1] == [
        {
            "id": "train_prefs/0", "source": "ultrafeedback", "prompt": [{"content": "question 1", "role": "user"}],
            "chosen": "good 1", "rejected": "bad 1", "annotator": "gpt-4", "group": "id1",
            "score_chosen": 8.5, "score_rejected": 6.0,
        }
    ]  # fmt: skip
    _, test_rows = fetched(tmp_path, "ultrafeedback", files, split="test_prefs")
    assert [row["chosen"] for row in test_rows] == ["good 8"]


def test_summarize(tmp_path: Path) -> None:
    article = {"post": None, "subreddit": None, "site": "cnn", "article": "news"}
    rows_in = [
        summarize_row(1, 1),
        summarize_row(1, 0, worker="w2"),
        summarize_row(2, None),
        summarize_row(3, 0, **article),
        summarize_row(4, 0, post=None),
    ]
    files = {"data/train-00000-of-00001-abcdef.parquet": rows_in}
    done, rows = fetched(tmp_path, "summarize", files, revision=SUMMARIZE_COMMIT)
    assert (done.revision, done.rows, done.pairs) == (SUMMARIZE_COMMIT, 5, 4)
    assert done.skipped == {"no text to summarize": 1}
    prompt = "SUBREDDIT: r/tifu\n\nTITLE: title 1\n\nPOST: post 1\n\nTL;DR:"
    assert rows[0] == {
        "id": "train/0", "source": "summarize", "prompt": [{"role": "user", "content": prompt}],
        "chosen": "summary 1 one", "rejected": "summary 1 zero", "annotator": "w1", "group": "t3_1",
        "batch": "batch3", "split": "train", "extra": {"confidence": None},
    }  # fmt: skip
    assert (rows[1]["chosen"], rows[1]["annotator"], rows[1]["group"]) == ("summary 1 zero", "w2", "t3_1")
    assert rows[2]["response_a"][:9] == "summary 2" and "chosen" not in rows[2]
    assert rows[3]["prompt"][0]["content"] == "TITLE: title 3\n\nARTICLE: news\n\nTL;DR:"
    zone = landing(tmp_path / "data")
    landed = zone.land([zone.folder("summarize") / done.file], "summarize")
    # Two workers who disagree about one pair are both kept, and it has no label; another is a tie.
    assert (landed.landed, landed.labels_added, landed.labelled, landed.quarantined) == (4, 1, 1, 0)


def test_stackexchange(tmp_path: Path) -> None:
    question = "<p>Why <code>a</code>?</p><pre><code>x  = 1\n</code></pre>"
    rows_in = [question_row(1, [3, -1], question), question_row(2, [2, 2]), question_row(3, [0, 1, 2, 3, 4])]
    files = {"data/pets.stackexchange.com/train-00000-of-00001.parquet": rows_in}
    done, rows = fetched(tmp_path, "stackexchange", files, subset="pets.stackexchange.com")
    assert (done.rows, done.pairs) == (3, 2 + PAIRS_PER_RANKING)
    assert ["chosen" in row for row in rows] == [True, False, *[True] * PAIRS_PER_RANKING]
    url = "https://pets.stackexchange.com/questions/1"
    assert rows[0] == {
        "id": f"{url}#100-101", "source": "stackexchange/pets.stackexchange.com", "annotator": "votes", "group": url,
        "prompt": [{"role": "user", "content": "Why `a`?\n\n```\nx  = 1\n```"}],
        "chosen": "Answer **0** to 1", "rejected": "Answer **1** to 1", "score_chosen": 3, "score_rejected": -1,
        "date": "2016/03/15", "authors": ["https://pets.stackexchange.com/users/0", "https://pets.stackexchange.com/users/1"],
    }  # fmt: skip
    capped = rows[2:]
    assert len({row["id"] for row in capped}) == PAIRS_PER_RANKING < 10
    assert {row["group"] for row in capped} == {"https://pets.stackexchange.com/questions/3"}
    assert all(row["score_chosen"] > row["score_rejected"] for row in capped)
    assert all(row["chosen"] == f"Answer **{row['score_chosen']}** to 3" for row in capped)


def test_the_pairs_of_a_question_do_not_depend_on_the_order_of_its_answers(tmp_path: Path) -> None:
    name = "data/Stackoverflow.com/train-00000-of-00001.parquet"
    row = question_row(3, [0, 1, 2, 3, 4])
    _, rows = fetched(tmp_path / "one", "stackexchange", {name: [row]})
    _, others = fetched(tmp_path / "two", "stackexchange", {name: [row | {"answers": row["answers"][::-1]}]})
    assert rows == others


@pytest.mark.parametrize("name", sorted(HUB_DATASETS))
def test_what_is_pinned_is_a_commit(name: str) -> None:
    revision = HUB_DATASETS[name].revision
    assert revision == "main" if name == "summarize" else len(bytes.fromhex(revision)) == 20
