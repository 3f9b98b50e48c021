"""Which evolution a command is about, where nobody names one: one answer for export, promote, report and review."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.reporting.index import index_path, report_path
from ser.errors import SerError
from ser_dagster.cli import main
from ser_dagster.commands.choose_evolution import FINISHED, LABELLED, REPORTED, Need, choose_evolution
from tests import chain
from tests.evolution_fakes import SEED, evolution, loop, make
from tests.pairs import labelled_rows, write_jsonl

NEEDS = [FINISHED, REPORTED, LABELLED]
WHOLE = [*SEED, *loop(1), *loop(2), keys.EVOLVED_RM]


@dataclass
class Project:
    """A data root with a landed snapshot; evolutions are of it and of one before."""

    root: Path
    snapshot: str
    before: str = "tiny-0123456789ab"

    def add(self, snapshot: str, name: str | None = None, **settings: object) -> Evolution:
        """A finished evolution with a report."""
        work = evolution(self.root, snapshot, name, **settings)
        make(work, WHOLE)
        page = report_path(self.root, work.identity)
        page.parent.mkdir(exist_ok=True)
        page.write_text("report")
        return work


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with chain.project(tmp_path, "loops = 2\n", tmp_path / "no-model") as (root, patch):
        patch.delenv("SER_MAX_LOOPS")
        patch.delenv("SER_BACKBONE__MODEL")
        patch.delenv("SER_COMPUTE__THREADS")
        yield Project(root, chain.land(root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(3))))


@pytest.mark.parametrize("need", NEEDS)
def test_the_settings_of_now_on_the_snapshot_of_now_come_first_and_nothing_is_said(
    project: Project, need: Need, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = project.add(project.snapshot)
    project.add(project.before)
    project.add(project.snapshot, random_seed=1)
    assert choose_evolution(None, None, need).identity == mine.identity
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("need", "words"), zip(NEEDS, ("is finished", "has a report", "has labelled its pool"), strict=True)
)
def test_after_new_data_the_latest_before_serves_and_that_is_said_with_the_others(
    project: Project, need: Need, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old = project.add("tiny-ba9876543210", "old")
    mine = project.add(project.before)
    other = project.add(project.before, "other", random_seed=1)
    assert choose_evolution(None, None, need).identity == mine.identity
    assert capsys.readouterr().err.splitlines() == [
        f"No evolution of {project.snapshot} {words} yet: this is {mine.identity}.",
        f"Others, for --evolution: {old.identity} (old), {other.identity} (other).",
    ]
    assert choose_evolution(None, "other", need).identity == other.identity
    assert capsys.readouterr().err == ""


def test_other_settings_on_the_snapshot_of_now_serve_before_earlier_snapshots(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.add(project.before)
    first, last = (project.add(project.snapshot, random_seed=seed) for seed in (1, 2))
    assert choose_evolution(None, None).identity == last.identity
    said = f"No evolution of {project.snapshot} is finished yet under the settings of now: this is {last.identity}."
    assert said in capsys.readouterr().err
    first.heads.begin()  # a later execution of it
    assert choose_evolution(None, None).identity == first.identity


def test_one_that_labelled_its_pool_and_has_a_page_serves_unfinished_where_that_is_enough(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = project.add(project.before)
    half = evolution(project.root, project.snapshot)
    make(half, [*SEED, *loop(1)])
    assert choose_evolution(None, None, LABELLED).identity == half.identity
    assert choose_evolution(None, None).identity == choose_evolution(None, None, REPORTED).identity == finished.identity
    assert capsys.readouterr().err.count("No evolution of ") == 2


@pytest.mark.parametrize("need", NEEDS)
def test_where_none_serves_the_run_that_would_is_named(project: Project, need: Need) -> None:
    with pytest.raises(SerError, match=rf"^no evolution of tiny {need.words}\.\nRun: ser run --dataset tiny$"):
        choose_evolution(None, None, need)
    begun = evolution(project.root, project.snapshot, "begun")
    with pytest.raises(SerError, match=rf"^the evolution {begun.identity} {need.otherwise}\.\nRun: ser run "):
        choose_evolution(None, "begun", need)


def test_a_closed_gate_is_why_a_pool_is_not_labelled(project: Project) -> None:
    work = evolution(project.root, project.snapshot)
    closed = {"seed_rm_heldout": {"metrics": {"calibration": {"accuracy": {"ci_low": 0.4}}}}}
    make(work, [*SEED, keys.EVOLVED_RM], **closed, evolved_rm={"verdict": "gate_not_shown"})
    with pytest.raises(
        SerError, match=r"its pool, because it ended at its gate .*\nRun: ser run --dataset tiny --anyway$"
    ):
        choose_evolution(None, None, LABELLED)


def test_the_report_is_one_path_and_other_pages_are_counted_beside_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    old, mine = project.add("tiny-ba9876543210"), project.add(project.before)
    index_path(project.root).write_text("index")
    assert main(["report"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{report_path(project.root, mine.identity)}\n"
    assert f"this is {mine.identity}." in said.err and f"Others, for --evolution: {old.identity}." in said.err
    assert f"1 other report, listed in {index_path(project.root)}" in said.err


def test_who_decides_about_an_evolution_has_to_name_another_than_that_of_now(project: Project) -> None:
    other = project.add(project.before)
    with pytest.raises(SerError, match="Another has to be named, with --evolution: ") as refused:
        choose_evolution(None, None, fall_back=False)
    assert other.identity in str(refused.value) and project.snapshot in str(refused.value)
    assert choose_evolution(None, other.identity, fall_back=False).identity == other.identity
    mine = project.add(project.snapshot)
    assert choose_evolution(None, None, fall_back=False).identity == mine.identity
