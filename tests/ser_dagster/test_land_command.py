"""`ser land`, `ser quarantine` and `ser status` as a user reads them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ser_dagster.cli import main
from tests.pairs import labelled_rows, unlabelled, write_jsonl

Ser = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ser(data_root: Path, capsys: pytest.CaptureFixture[str]) -> Ser:
    """Run `ser` here; returns the exit code, and what went to standard output and error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def answers(tmp_path: Path, name: str = "answers.jsonl") -> Path:
    """Pairs under names that nobody publishes."""
    rows = [
        {"context": f"About {i}.", "question": f"Which {i}?", "left": f"good {i}", "right": f"bad {i}",
         "best": ["first", "second", "same"][i % 3]}
        for i in range(30)
    ]  # fmt: skip
    return write_jsonl(tmp_path / name, rows)


MAP = "prompt=context+question,response_a=left,response_b=right,preferred=best"
VALUES = "first=a,second=b,same=tie"


def test_the_document_of_a_landing(ser: Ser, tmp_path: Path) -> None:
    rows = [*labelled_rows(40), {"prompt": "x", "chosen": "y", "rejected": "y "}]
    (tmp_path / "notes.txt").write_text("hello")
    code, out, err = ser(
        "land", write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "notes.txt", "--dataset", "d", "--json"
    )
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found == found | {
        "read": 41,
        "landed": 40,
        "duplicates": 0,
        "quarantined": 1,
        "labelled": 40,
        "unlabelled": 0,
    }
    assert found["reasons"] == [{"reason": "equal responses", "rows": 1}]
    assert [one["file"] for one in found["unread"]] == ["notes.txt"]
    assert found["files"][0]["shapes"] == {"TRL standard": 40}
    assert found["files"][0]["columns"] == ["prompt", "chosen", "rejected"]
    roles = found["roles"]
    assert roles["seed"] + roles["calibration"] + roles["test"] + roles["pool"] == 40
    assert roles["vault"] == roles["pool"] > 0


def test_nothing_landed_is_a_failure_with_its_reasons_and_no_dataset(ser: Ser, tmp_path: Path) -> None:
    code, out, err = ser("land", answers(tmp_path), "--dataset", "d")
    assert code == 1
    assert "30 x the columns" in out and "--map" in out
    assert err == "ser: nothing landed in 'd'. The reasons stand above.\n"
    assert json.loads(ser("status", "--json")[1])["datasets"] == []
    code, out, _ = ser("land", tmp_path / "answers.jsonl", "--dataset", "d", "--json")
    assert (code, json.loads(out)["landed"], json.loads(out)["snapshot"]) == (1, 0, None)
    shown = json.loads(ser("quarantine", "--dataset", "d", "--json")[1])["reasons"]
    assert [(one["rows"], len(one["examples"]), "--map" in one["remedy"]) for one in shown] == [(30, 3, True)]
    assert "answers.jsonl, line 1: " in ser("quarantine")[1]


def test_a_map_on_the_command_line_and_one_in_the_settings_say_the_same(ser: Ser, tmp_path: Path) -> None:
    code, out, _ = ser("land", answers(tmp_path), "--dataset", "one", "--map", MAP, "--values", VALUES)
    assert code == 0
    assert (
        "30 rows read as" in out and "20 of 30 pairs with a label" in out and "10 x ties, landed without a label" in out
    )
    (tmp_path / "ser.toml").write_text(
        '[landing.two]\nmap = { prompt = "context+question", response_a = "left", response_b = "right", '
        'preferred = "best" }\nvalues = { first = "a", second = "b", same = "tie" }\n'
    )
    assert ser("land", answers(tmp_path), "--dataset", "two")[0] == 0
    rows = json.loads(ser("status", "--json")[1])["datasets"]
    assert [(row["pairs"], row["labelled"]) for row in rows] == [(30, 20), (30, 20)]
    assert rows[0]["snapshot"].partition("-")[2] == rows[1]["snapshot"].partition("-")[2]
    assert rows[0]["roles"] == rows[1]["roles"]


def test_a_waiting_file_that_lands_nothing_is_named_until_a_map_makes_it_land(
    ser: Ser, tmp_path: Path, data_root: Path
) -> None:
    from resources.landing.zone import Landing
    from resources.settings_file import load_settings

    folder = data_root / "landing" / "mine"
    folder.mkdir(parents=True)
    answers(folder)
    (folder / "README.md").write_text("# Mine")
    for _ in range(2):
        Landing(data_root, load_settings()).land_waiting("mine")
        unread = Landing(data_root, load_settings()).unread("mine")
        assert set(unread) == {"answers.jsonl", "README.md"}
    assert "mine: README.md was not read" in ser("status")[1]
    (tmp_path / "ser.toml").write_text(
        '[landing.mine]\nmap = { prompt = "question", response_a = "left", response_b = "right" }\nunlabelled = true\n'
    )
    done = Landing(data_root, load_settings()).land_waiting("mine")
    assert done is not None and done.landed == 30
    assert set(Landing(data_root, load_settings()).unread("mine")) == {"README.md"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--map", "prompt"], "--map: 'prompt' is no assignment"),
        (["--map", "question=prompt"], "there is no field 'question'"),
        (["--values", "x=c"], "x=c means nothing"),
        (["--role", "gold"], "there is no role 'gold'"),
    ],
)
def test_an_impossible_map_is_said_before_anything_lands(
    ser: Ser, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, _, err = ser("land", answers(tmp_path), "--dataset", "d", *arguments)
    assert code == 1
    assert words in err


def test_a_dry_run_writes_nothing_and_shows_pairs_as_the_model_reads_them(
    ser: Ser, tmp_path: Path, data_root: Path
) -> None:
    code, out, _ = ser("land", answers(tmp_path), "--map", MAP, "--values", VALUES, "--dry-run")
    assert code == 0
    assert "preview: read 30 rows: 30 landed" in out
    assert "Pair 1, response_" in out
    assert "As the model reads it:\nprompt: <|start|>user\nAbout 0.\n\nWhich 0?" in out
    assert "response_a: good 0<|end|>" in out or "response_b: good 0<|end|>" in out
    assert out.endswith("A dry run: nothing was written.\n")
    assert not (data_root / "landing").exists() and not (data_root / "quarantine").exists()
    code, out, err = ser("land", answers(tmp_path), "--dry-run", "--json")
    assert (code, json.loads(out)["dry_run"], json.loads(out)["labelled"]) == (1, True, None)
    assert "nothing would land" in err


def test_a_dry_run_says_what_is_cut_and_what_does_not_fit(ser: Ser, tmp_path: Path) -> None:
    rows = [
        {"prompt": "Which? " * 600, "chosen": "yes", "rejected": "no"},
        {"prompt": "Which?", "chosen": "word " * 600, "rejected": "no"},
    ]
    code, out, _ = ser("land", write_jsonl(tmp_path / "long.jsonl", rows), "--dry-run")
    first, second = out.split("Pair 2")
    assert code == 0
    assert "cut from the left of the prompt: " in first and "left out" not in first
    assert "Left out of a run: pair " in second and "does not fit into max_length" in second
    assert "As the model reads it" in first and "As the model reads it" not in second


def test_a_dry_run_without_a_tokenizer_does_not_say_that_a_model_reads_it_so(
    ser: Ser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(tmp_path / "no-model"))
    code, out, err = ser("land", write_jsonl(tmp_path / "a.jsonl", labelled_rows(20)), "--dry-run")
    assert code == 0 and "without the chat template: " in err
    assert out.count("As it is written:\nprompt: ") == 2 and "As the model reads it" not in out


def test_a_published_split_lands_in_its_role(ser: Ser, tmp_path: Path) -> None:
    rows = labelled_rows(300)
    ser("land", write_jsonl(tmp_path / "train.jsonl", rows[:200]), "--dataset", "d")
    _, out, _ = ser(
        "land", write_jsonl(tmp_path / "test.jsonl", rows[200:]), "--dataset", "d", "--role", "test", "--json"
    )
    assert json.loads(out)["roles"]["test"] > 100
    (tmp_path / "ser.toml").write_text("[roles]\ntest_fraction = 0\n")
    assert json.loads(ser("status", "--json")[1])["datasets"][0]["roles"]["test"] == 100


def test_a_seed_share_that_changes_is_said_with_what_keeps_it(ser: Ser, tmp_path: Path) -> None:
    rows = labelled_rows(200)
    ser("land", write_jsonl(tmp_path / "some.jsonl", rows[:100]), "--dataset", "d")
    more = write_jsonl(tmp_path / "pile.jsonl", unlabelled(rows[100:]))
    assert "The seed's share changes from 50% to 100%" in ser("land", more, "--dataset", "d")[1]
    (tmp_path / "ser.toml").write_text("[roles]\nseed_fraction = 0.4\n")
    rest = write_jsonl(tmp_path / "rest.jsonl", unlabelled(labelled_rows(50, seed=9)))
    assert "share changes" not in ser("land", rest, "--dataset", "d")[1]


def test_a_damaged_dataset_hides_no_other(ser: Ser, tmp_path: Path, data_root: Path) -> None:
    for name in ("bad", "good"):
        ser("land", write_jsonl(tmp_path / f"{name}.jsonl", labelled_rows(40)), "--dataset", name)
    (data_root / "landing" / "bad" / ".landed" / "current").write_text("")
    code, out, _ = ser("status")
    assert code == 0 and "good: 40 pairs" in out and "dataset 'bad': " in out
    assert ser("land", tmp_path / "bad.jsonl", "--dataset", "good")[0] == 0


def test_the_quarantine_of_a_clean_dataset_is_empty_and_that_of_none_an_error(ser: Ser, tmp_path: Path) -> None:
    ser("land", write_jsonl(tmp_path / "a.jsonl", labelled_rows(40)), "--dataset", "d")
    assert ser("quarantine", "--dataset", "d")[:2] == (0, "Nothing of 'd' is in quarantine.\n")
    code, _, err = ser("quarantine", "--dataset", "no")
    assert (code, err) == (1, "ser: unknown dataset 'no'. Known: d.\n")


def test_votes_that_come_again_with_a_file_that_grew_are_said(ser: Ser, tmp_path: Path) -> None:
    rows = labelled_rows(50)
    ser("land", write_jsonl(tmp_path / "a.jsonl", rows[:40]), "--dataset", "d")
    _, out, _ = ser("land", write_jsonl(tmp_path / "a.jsonl", rows), "--dataset", "d")
    assert "40 x a vote without `annotator` on a pair that had landed before" in out
    _, out, _ = ser(
        "land", write_jsonl(tmp_path / "b.jsonl", [row | {"annotator": "ann"} for row in rows]), "--dataset", "d"
    )
    assert "without `annotator`" not in out


def test_a_file_without_labels_names_the_columns_that_were_not_read(ser: Ser, tmp_path: Path) -> None:
    rows = [row | {"upper": i % 2} for i, row in enumerate(unlabelled(labelled_rows(3)))]
    _, out, _ = ser("land", write_jsonl(tmp_path / "a.jsonl", rows), "--dataset", "d")
    assert "no label was read; its columns: prompt, response_a, response_b, upper" in out


def test_ties_of_a_published_split_are_unused(ser: Ser, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"q {i}", "response_a": f"x {i}", "response_b": f"y {i}", "preferred": ("a", "tie")[i % 2]}
        for i in range(40)
    ]
    _, out, _ = ser("land", write_jsonl(tmp_path / "a.jsonl", rows), "--dataset", "d", "--role", "test", "--json")
    found = json.loads(out)
    assert (found["landed"], found["roles"]["test"], found["roles"]["unused"]) == (40, 20, 20)
