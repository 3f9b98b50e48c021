"""The queue as files: what people see, what they do not see, and that nothing of theirs is overwritten."""

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from resources.review.files import write_queue
from resources.review.ranking import Chosen
from ser.data.pairs import Pair
from ser.errors import SerError

CHOSEN = Chosen(
    Pair("a" * 24, '[{"role":"user","content":"=cmd()"}]', "+1, \"yes\"\nof course", "@no"),
    source="=domain", reason="flipped", loop=2, loops=2, preferred="b", confidence=0.9, above_cut=-0.01,
    seed_preferred="a", flips=1, swing=0.5,
)  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_people_see_texts_and_nothing_of_the_machine(tmp_path: Path) -> None:
    write_queue([CHOSEN], tmp_path)
    row = json.loads((tmp_path / "queue.jsonl").read_text())
    empty = {"preferred": "", "annotator": "", "time": ""}
    texts = {"response_a": '+1, "yes"\nof course', "response_b": "@no"}
    assert row == {"pair_id": "a" * 24, "prompt": [{"role": "user", "content": "=cmd()"}], **texts, **empty}
    assert rows(tmp_path / "queue.csv")[0].keys() == row.keys()
    tasks = json.loads((tmp_path / "label-studio-tasks.json").read_text())
    assert tasks == [{"data": {"pair_id": "a" * 24, "prompt": "=cmd()", **texts}}]
    why = rows(tmp_path / "queue-why.csv")[0]
    assert (why["place"], why["pair_id"], why["reason"], why["preferred"]) == ("1", "a" * 24, "flipped", "b")
    assert why["why"] == "its label changed once in 2 loops, its probability by up to 0.500"


def test_every_variable_of_the_label_studio_config_is_in_the_tasks(tmp_path: Path) -> None:
    write_queue([CHOSEN], tmp_path)
    tree = ET.parse(tmp_path / "label-studio-config.xml")
    texts = {tag.attrib["name"]: tag.attrib["value"] for tag in tree.iter("Text")}
    data = json.loads((tmp_path / "label-studio-tasks.json").read_text())[0]["data"]
    assert {value.removeprefix("$") for value in texts.values()} <= data.keys()
    (compared,) = tree.iter("Pairwise")
    assert (compared.attrib["name"], compared.attrib["toName"]) == ("preferred", "response_a,response_b")
    assert {"response_a", "response_b"} <= texts.keys()


def test_no_cell_of_a_csv_is_a_formula_or_a_number_that_was_none(tmp_path: Path) -> None:
    one = replace(CHOSEN, pair=replace(CHOSEN.pair, pair_id="12345678901234567890e123"))
    write_queue([one], tmp_path)
    seen, why = rows(tmp_path / "queue.csv")[0], rows(tmp_path / "queue-why.csv")[0]
    assert (seen["prompt"], seen["response_b"], why["source"]) == ("'=cmd()", "'@no", "'=domain")
    assert seen["response_a"] == '\'+1, "yes"\nof course'
    assert seen["pair_id"] == why["pair_id"] == "'12345678901234567890e123"
    assert float(why["above_cut"]) == -0.01


def test_files_that_may_hold_answers_are_not_overwritten(tmp_path: Path) -> None:
    write_queue([CHOSEN], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_queue([CHOSEN], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    answered = before["queue.csv"].replace(b",,,", b",a,,") + b"x"
    (tmp_path / "queue.csv").write_bytes(answered)
    with pytest.raises(SerError, match="may hold answers"):
        write_queue([replace(CHOSEN, reason="near_cut")], tmp_path)
    now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert now == before | {"queue.csv": answered}
