"""The commands of the pages, typed in the order in which somebody reads them, in a project of their own."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ser_dagster.cli import main
from tests import chain
from tests.documented import PAGES, TYPED, commands, listed
from tests.pairs import labelled_rows, unlabelled, write_jsonl

pytestmark = pytest.mark.slow

ELSEWHERE = {
    "run --dataset mine --recipe robust": "tests/e2e/test_recipes.py",
    "advise --dataset mine": "tests/e2e/test_advise.py",
    "compare A B": "below, with names",
}
QUEUE = "data/review/mine-0123456789ab/0123456789ab/queue.csv"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Path]:
    """The folder that the commands are typed in, with the files that the pages name."""
    folder = tmp_path_factory.mktemp("project")
    rows = labelled_rows(360, noise=0.1)
    write_jsonl(folder / "pairs.jsonl", [*rows[:240], *unlabelled(rows[240:])])
    asked = [
        {"context": f"{row['prompt']} ", "question": "?", "answer_1": row["chosen"], "answer_2": row["rejected"]}
        for row in labelled_rows(20, seed=1)
    ]
    write_jsonl(folder / "FILE", [{**row, "winner": "model_a"} for row in asked]).rename(folder / "FILE.jsonl")
    settings = "loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS
    with chain.project(folder, settings, tiny_backbone) as (_, patch):
        patch.chdir(folder)
        patch.setenv("BROWSER", "true")  # opens nothing, and is content
        yield folder


def _typed(page: str) -> list[list[str]]:
    """What stands on lines of its own; of the first page what stands in its table, too."""
    [path] = [one for one in PAGES if one.stem == page]
    table = [said.split() for said in listed(path) if said not in ELSEWHERE] if page == TYPED[0] else []
    return [*commands(path), *table]


@pytest.mark.parametrize("page", TYPED)
def test_what_a_page_says_to_type_works(page: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = _typed(page)
    assert typed
    for words in typed:
        given = [str(project / "FILE.jsonl") if word == "FILE" else word for word in words]
        if QUEUE in given:
            [queue] = project.glob("data/review/*/*/queue.csv")
            _answer(queue)
            given[given.index(QUEUE)] = str(queue)
        assert main(given) == 0, (words, capsys.readouterr().err)
    _came_of_it(page, project, capsys)


def _came_of_it(page: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    if page == "own-data":
        assert main(["status", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert {one["name"] for one in told["evolutions"]} == {"first", None}
        assert {one["state"] for one in told["evolutions"]} == {"done", "stopped_as_asked"}
        assert main(["compare", *(one["evolution"] for one in told["evolutions"])]) == 0
        assert (project / "data" / "exports" / "rm" / "README.md").exists()
    elif page == "export":
        assert (project / "data" / "exports" / "policy" / "README.md").exists()
    elif page == "data":
        assert main(["status", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["pairs"] for one in told["datasets"]] == [20]  # forgotten, and then the last file
        assert told["evolutions"] == []


def _answer(queue: Path) -> None:
    """Fill in the column that is left to people."""
    with queue.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with queue.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows({**row, "preferred": "a"} for row in rows[:30])
