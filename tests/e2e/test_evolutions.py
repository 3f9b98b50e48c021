"""Two evolutions of one snapshot stand beside each other: in the audit, the reports and on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.evolved import choose_promoted
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.locks import own_evolution
from resources.reporting.words import name_of_loop
from ser.specs import HandPromotion
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

TABLES = ("self_labels", "status_reports", "heldout_scores", "reward_models", "evaluations", "roles")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Path]:
    """A data root with one snapshot; the environment is that of the commands."""
    folder = tmp_path_factory.mktemp("project")
    with chain.project(folder, "loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS, tiny_backbone) as (data, _):
        chain.land(data, write_jsonl(folder / "pairs.jsonl", labelled_rows(300)))
        yield data


def ser(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command that succeeds prints, as JSON."""
    assert main(list(arguments)) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def counts(capsys: pytest.CaptureFixture[str], evolution: str) -> dict[str, int]:
    """Rows that the audit shows of an evolution."""
    columns = ", ".join(f"(SELECT count(*) FROM {name} WHERE evolution = '{evolution}') AS {name}" for name in TABLES)
    return ser(capsys, "audit", "--sql", f"SELECT {columns}", "--format", "json")[0]


def test_a_second_evolution_adds_and_deletes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ser(capsys, "run", "--no-policy", "--json", "--name", "plain")
    before = counts(capsys, first["evolution"])
    assert all(before.values())
    bold = ser(capsys, "run", "--no-policy", "--json", "--name", "bold", "--set", "thresholds.tau_high=0.6")
    assert bold["snapshot"] == first["snapshot"] and bold["evolution"] != first["evolution"]
    assert counts(capsys, first["evolution"]) == before
    assert all(counts(capsys, bold["evolution"]).values())
    # The seed is one artifact of both: a model is trained once.
    assert bold["loops"][0]["rm_version"] == first["loops"][0]["rm_version"]

    listed = {row["name"]: row for row in ser(capsys, "status", "--json")["evolutions"]}
    assert {name: row["evolution"] for name, row in listed.items()} == {
        "plain": first["evolution"], "bold": bold["evolution"],
    }  # fmt: skip
    compared = ser(capsys, "compare", "plain", "bold", "--json")
    assert [one["evolution"] for one in compared["evolutions"]] == [first["evolution"], bold["evolution"]]
    assert "thresholds.tau_high" in json.dumps(compared["settings"])
    pages = sorted(path.name for path in (root / "reports").glob("*.html"))
    assert pages == sorted(["index.html", *(f"{one['evolution'].replace('/', '-')}.html" for one in (first, bold))])
    index = (root / "reports" / "index.html").read_text()
    assert all(f'href="{page}"' in index for page in pages if page != "index.html")

    # A repeated run reuses everything and keeps its name; the other name is taken.
    again = ser(capsys, "run", "--no-policy", "--json")
    assert (again["evolution"], again["name"], again["reused"]) == (first["evolution"], "plain", True)
    assert main(["run", "--no-policy", "--name", "bold"]) == 1
    assert "is that of the evolution" in capsys.readouterr().err


def promotions(capsys: pytest.CaptureFixture[str], evolution: str) -> list[dict[str, Any]]:
    columns = "promoted_loop, promoted_by, reason, current"
    sql = f"SELECT {columns} FROM promotions WHERE evolution = '{evolution}' ORDER BY promoted_at"
    return ser(capsys, "audit", "--sql", sql, "--format", "json")


def test_a_person_promotes_a_loop_and_takes_it_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ser(capsys, "run", "--no-policy", "--json")
    ruled = first["promoted"]["loop"]
    other = 1 if ruled != 1 else 0
    told = ("--by", "ann", "--why", "it answers better.")
    done = ser(capsys, "promote", str(other), *told, "--evolution", "plain", "--json")
    assert (done["promoted_loop"], done["ruled_loop"], done["promoted_by"]) == (other, ruled, "ann")
    rule = {"promoted_loop": ruled, "promoted_by": None, "reason": None}
    hand = {"promoted_loop": other, "promoted_by": "ann", "reason": "it answers better."}
    assert promotions(capsys, first["evolution"]) == [rule | {"current": False}, hand | {"current": True}]
    page = (root / "reports" / f"{first['evolution'].replace('/', '-')}.html").read_text()
    assert f"Promoted: {name_of_loop(other)}, by ann." in page and "it answers better" in page

    # A later execution keeps to it; taken back, the rule decides again.
    again = ser(capsys, "run", "--no-policy", "--json")
    assert (again["promoted"]["loop"], again["reused"]) == (other, True)
    assert again["promoted"]["why"].startswith("promoted by hand by ann: it answers better; by promotion.rule evidence")
    assert ser(capsys, "promote", "--undo", "--json")["promoted_loop"] == ruled
    assert promotions(capsys, first["evolution"]) == [rule | {"current": True}, hand | {"current": False}]

    # A decision about a model that was made anew since is not one about the new model.
    said: list[str] = []
    work = open_evolution(root, known_evolutions(root)[-1], log_warning=said.append)
    assert work.identity == first["evolution"]
    work.heads.promote_by_hand(HandPromotion(loop=other, rm_version="an earlier one", by="ann", why="it was better"))
    decided = choose_promoted(work).summary
    assert (decided["promoted_loop"], decided.get("promoted_by")) == (ruled, None)
    assert any("has been made anew since: the rule decides" in line for line in said)
    work.heads.promote_by_hand(None)


def test_what_cannot_be_promoted_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["promote"], "give the loop to promote, or --undo"),
        (["promote", "1"], "--why is needed"),
    ):
        with pytest.raises(SystemExit) as wrong:
            main(arguments)
        assert wrong.value.code == 2 and said in capsys.readouterr().err
    assert main(["promote", "9", "--why", "x"]) == 1
    assert "loop 9 has no reward model" in capsys.readouterr().err


def test_while_one_is_worked_on_the_other_is_free(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, bold = known_evolutions(root)[-1], known_evolutions(root)[0]
    assert (plain.name, bold.name) == ("plain", "bold")
    with own_evolution(root, bold.identity, "elsewhere"):
        assert ser(capsys, "run", "--no-policy", "--json")["reused"]
        assert main(["run", "--no-policy", "--set", "thresholds.tau_high=0.6"]) == 1
    assert "is being worked on by run elsewhere" in capsys.readouterr().err


@pytest.mark.slow
def test_fewer_loops_are_the_same_evolution_not_finished(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = ser(capsys, "run", "--no-policy", "--json", "--loops", "1", "--set", "random_seed=3")
    assert (part["promoted"], part["verdict"], [row["loop"] for row in part["loops"]]) == (None, None, [0, 1])
    row = ser(
        capsys, "audit", "--format", "json", "--sql",
        f"SELECT state, promoted_loop FROM evolutions WHERE evolution = '{part['evolution']}'",
    )[0]  # fmt: skip
    assert row == {"state": "unfinished", "promoted_loop": None}
    whole = ser(capsys, "run", "--no-policy", "--json", "--set", "random_seed=3")
    assert whole["evolution"] == part["evolution"]
    assert whole["promoted"]["loop"] is not None
    assert [row["rm_version"] for row in whole["loops"][:2]] == [row["rm_version"] for row in part["loops"]]


def test_one_that_cannot_be_read_is_said_and_the_others_are_listed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = known_evolutions(root)
    about = root / "heads" / known[0].identity / ".evolution.json"
    good = about.read_text()
    try:
        about.write_text("{")
        found = ser(capsys, "status", "--json")
        assert len(found["evolutions"]) == len(known) - 1 and [str(about) in said for said in found["damage"]] == [True]
        assert main(["status"]) == 0 and str(about) in capsys.readouterr().out.replace("\n", "")
    finally:
        about.write_text(good)


def test_wrong_assignments_and_names_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--set", "thresholds.tau_hi=1"], "--set thresholds.tau_hi: unknown setting"),
        (["--set", "loops"], "write KEY=VALUE"),
        (["--recipe", "robus"], "Did you mean 'robust'?"),
        (["--name", "a/b"], "without a slash"),
    ):
        assert main(["run", *arguments]) == 1
        error = capsys.readouterr().err
        assert words in error and len(error.splitlines()) <= 3, error
