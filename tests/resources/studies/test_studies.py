"""A study's file, the file of its outcomes, and the table that they come to."""

from pathlib import Path
from typing import Any

import pytest

from resources.settings_file import load_settings
from resources.studies.comparison import Row, axis_gains, gains, promises, recovered, rows
from resources.studies.ledger import Ledger
from resources.studies.outcome import AnsweredPairs, LoopOutcome, Outcome, decisive
from resources.studies.plan import Cell, known_studies, read_plan, with_datasets
from resources.studies.report import study_page, study_plot
from ser.errors import SerError

PLAN = """
question = "Is one better?"
datasets = ["tiny"]
draws = [0, 1]
controls = ["full_label"]
[settings]
loops = 1
method.human_share = 0.3
[axes.recipe.paper]
recipe = "paper"
[axes.recipe.robust]
recipe = "robust"
[axes.labels."20 %"]
roles.seed_fraction = 0.2
[axes.labels."40 %"]
roles.seed_fraction = 0.4
[baseline]
recipe = "paper"
"""


def plan_of(folder: Path, text: str = PLAN) -> Any:
    (folder / "mine.toml").write_text(text)
    return read_plan(str(folder / "mine.toml"))[1]


def test_a_plan_is_the_product_of_its_axes_draw_by_draw(tmp_path: Path):
    cells = list(plan_of(tmp_path).cells())
    assert [(cell.draw, *cell.options.values()) for cell in cells[:5]] == [
        (0, "paper", "20 %"), (0, "paper", "40 %"), (0, "robust", "20 %"), (0, "robust", "40 %"), (1, "paper", "20 %"),
    ]  # fmt: skip
    assert cells[2].assignments == (
        "controls.full_label=true", "loops=1", "method.human_share=0.3", "random_seed=0", "recipe=robust",
        "roles.draw=0", "roles.seed_fraction=0.2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("recipe.paper]\nrecipe", "recipe.paper]\nrecipes_"), "recipes_ is no setting"),
        (("draws = [0, 1]", "draws = [1, 1]"), "names one twice"),
        (('recipe = "paper"\n[axes.recipe.robust', "x = 1\n[axes.recipe.robust"), "x is no setting"),
        (('[baseline]\nrecipe = "paper"', '[baseline]\nrecipe = "best"'), "best is no option of axes.recipe"),
        (('["full_label"]', '["full_labels"]'), "full_labels is none of full_label"),
        (("question =", "name = 1\nquestion ="), "A study has question, datasets"),
        (("draws", "draws ="), "cannot be read"),
        (("question =", "quesion ="), "quesion: .*\nA study has question, datasets"),
        (("loops = 1", "roles.draw = 1"), "roles.draw is what draws set: leave it out"),
        (("[settings]", "folds = 2\n[settings]\nroles.fold = '0/2'"), "roles.fold is what draws and folds set"),
        (("roles.seed_fraction = 0.4", 'recipe = "paper"'), "recipe is set by axes.recipe and by axes.labels"),
        (("question =", "price_per_label = 1.0\nquestion ="), "price_per_label is shown in the tables of cost = true"),
    ],
)
def test_what_a_plan_cannot_say_is_named(tmp_path: Path, changed: tuple[str, str], words: str):
    with pytest.raises(SerError, match=words):
        plan_of(tmp_path, PLAN.replace(*changed, 1))


def test_an_unknown_study_names_those_that_there_are():
    with pytest.raises(SerError, match=r"there is no study 'control'"):
        read_plan("control")
    with pytest.raises(SerError, match=r"there is no study '../studies/controls'"):
        read_plan("../studies/controls")
    with pytest.raises(SerError, match=r"there is no file mine\.toml"):
        read_plan("mine.toml")


@pytest.mark.parametrize("draws", ["[-1]", "[true]", "[2.0]", "[99999999999999999999]"])
def test_draws_are_numbers_that_all_generators_take(tmp_path: Path, draws: str):
    said = next(line for line in PLAN.splitlines() if line.startswith("draws"))
    with pytest.raises(SerError, match=r"draws\.0: Input should be"):
        plan_of(tmp_path, PLAN.replace(said, f"draws = {draws}"))


@pytest.mark.parametrize("name", known_studies())
def test_every_study_that_comes_along_asks_for_possible_evolutions(name: str, data_root: Path):
    plan = with_datasets(name, read_plan(name)[1], ["sample", "mine"])
    cells = [cell for cell in plan.cells() if cell.dataset == "mine"]
    settings = {load_settings(assignments=cell.assignments).digest for cell in cells}
    assert len(settings) == len(cells) > 1


def test_the_studies_that_come_along_are_those_of_the_documentation():
    assert set(known_studies()) >= {"controls", "cost", "long-run", "seed-size", "thresholds", "transfer"}
    text = (Path(__file__).parents[3] / "docs" / "studies.md").read_text()
    said = {line.split("`")[1]: line.split("|")[-2] for line in text.splitlines() if line.startswith("| `")}
    for name in known_studies():
        plan = with_datasets(name, read_plan(name)[1].model_copy(update={"transfer": False}), ["mine"])
        assert int(said[name]) == len(list(plan.cells())) / len(plan.draws), name


def test_a_study_without_a_data_set_asks_for_one(tmp_path: Path):
    plan = plan_of(tmp_path, PLAN.replace('datasets = ["tiny"]', ""))
    with pytest.raises(SerError, match="--dataset NAME"):
        with_datasets("mine", plan, [])
    with pytest.raises(SerError, match="tiny is alone"):
        with_datasets("mine", plan.model_copy(update={"transfer": True}), ["tiny", "tiny"])
    assert with_datasets("mine", plan, ["tiny", "other", "tiny"]).datasets == ["tiny", "other"]


TESTS = AnsweredPairs.of(["u1", "u1", "u2", "u3"])
MANY = AnsweredPairs.of([f"u{number:02}" for number in range(40)])


def outcome(cell: Cell, seed: str, last: str, full: str = "1111", loops: list[LoopOutcome] | None = None) -> Outcome:
    answers = {"seed": seed, "loop_1": last, "full_label_rm": full}
    return Outcome(
        dataset=cell.dataset, options=cell.options, draw=cell.draw, assignments=cell.assignments, settings={},
        snapshot="tiny-1", evolution="tiny-1/x", pairs={"seed": 4, "calibration": 4, "test": 4, "pool": 8},
        gate_shown=True, verdict="shown", verdicts={"accuracy": "shown", "log_loss": "not_shown"}, promoted_loop=1,
        loops=loops or [], tests=TESTS.digest, answers={name: f"{int(bits, 2):x}" for name, bits in answers.items()},
        seconds={}, about={"date": "2026-01-01"},
    )  # fmt: skip


def test_draws_of_a_rotation_share_out_the_labels_and_begin_anew(tmp_path: Path):
    plan = plan_of(tmp_path).model_copy(update={"folds": 2, "draws": [0, 1, 2], "axes": {}})
    said = [dict(one.split("=") for one in cell.assignments) for cell in plan.cells()]
    assert [(one["random_seed"], one["roles.draw"], one["roles.fold"]) for one in said] == [
        ("0", "0", "0/2"), ("1", "0", "1/2"), ("2", "1", "0/2"),
    ]  # fmt: skip


def test_outcomes_are_kept_and_found_by_what_was_run(tmp_path: Path):
    cell = next(plan_of(tmp_path).cells())
    ledger = Ledger(tmp_path / "mine.jsonl")
    made = outcome(cell, "0011", "0111")
    ledger.add(made, TESTS)
    again = Ledger(tmp_path / "mine.jsonl")
    renamed = cell.model_copy(update={"options": {"recipe": "other name", "labels": "20 %"}})
    found = again.find(renamed, "tiny-1")
    assert found is not None
    assert found.options["recipe"] == "other name"
    assert found.right("seed", again.tests[found.tests]) == [False, False, True, True]
    assert again.find(cell, "tiny-2") is None
    assert again.find(cell.model_copy(update={"assignments": ("loops=2",)}), "tiny-1") is None


def test_an_outcome_under_other_settings_of_ser_toml_is_not_that_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cell = next(plan_of(tmp_path).cells())
    settings = decisive(load_settings(assignments=cell.assignments))
    ledger = Ledger(tmp_path / "mine.jsonl")
    ledger.add(outcome(cell, "0011", "0111").model_copy(update={"settings": settings | {"no.longer": "1"}}), TESTS)
    assert ledger.find(cell, "tiny-1") is not None
    (tmp_path / "ser.toml").write_text("[reward_model]\nseed_epochs = 7\n")
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    assert ledger.find(cell, "tiny-1") is None
    other = outcome(cell, "0011", "1111").model_copy(update={"evolution": "tiny-1/y"})
    ledger.add(other.model_copy(update={"settings": settings | {"reward_model.seed_epochs": "7"}}), TESTS)
    found = ledger.find(cell, "tiny-1")
    assert found is not None and found.evolution == "tiny-1/y"
    assert len(Ledger(ledger.path).outcomes) == 2


def test_processes_that_fill_one_ledger_keep_each_others_outcomes(tmp_path: Path):
    cells = list(plan_of(tmp_path).cells())
    one, other = Ledger(tmp_path / "mine.jsonl"), Ledger(tmp_path / "mine.jsonl")
    one.add(outcome(cells[0], "0011", "0111"), TESTS)
    other.add(outcome(cells[1], "0011", "0111"), TESTS)
    assert [made.draw for made in Ledger(one.path).outcomes] == [cells[0].draw, cells[1].draw]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_line_is_named(tmp_path: Path):
    (tmp_path / "mine.jsonl").write_text('{"dataset": "tiny"}\n')
    with pytest.raises(SerError, match="line 1: no outcome of a study"):
        Ledger(tmp_path / "mine.jsonl")


def _loop(kept: int, right: float, high: float) -> LoopOutcome:
    precision = {"value": right, "ci_low": 0.0, "ci_high": high, "n": kept, "n_effective": kept} if kept else None
    return LoopOutcome(
        loop=1, status="1", n_pool=8, n_kept=kept, why="", promised=0.9, precision=precision, label_accuracy=0.7
    )


def test_the_table_has_the_gains_that_the_answers_have(tmp_path: Path):
    plan = plan_of(tmp_path)
    ledger = Ledger(tmp_path / "mine.jsonl")
    for cell in plan.cells():
        if cell.options["labels"] == "40 %":
            continue
        robust = cell.options["recipe"] == "robust"
        loops = [_loop(4, 0.5, 0.8)] if robust else [_loop(0, 0.0, 1.0)]
        ledger.add(outcome(cell, "0011", "0111" if robust else "0010", loops=loops), TESTS)
    table = rows(plan, ledger.outcomes)
    assert [row.options["recipe"] for row in table] == ["paper", "robust"]
    over = {one.over: one.gain.value for one in gains(table[1], ledger.tests)}
    assert over == {"seed": pytest.approx(0.25), "full_label_rm": pytest.approx(-0.25)}
    assert recovered(table[1], ledger.tests) is None  # of four pairs full labels have two more right: not shown
    ((axis, against),) = axis_gains(plan, table, ledger.tests)
    assert (axis, against.over, against.gain.value) == ("recipe", "paper", pytest.approx(0.5))
    kept = promises(table[1])
    assert (kept.loops, kept.broken, kept.nothing, kept.precision) == (2, 2, 0, 0.5)
    assert promises(table[0]).nothing == 2
    page = study_page("mine", plan, ledger.outcomes, ledger, "ser study mine", 8)
    assert "4 of 8 evolutions" in page
    assert "| tiny | robust | 20 % | 2 | 4 | 8 | 4 | 50.0 % | 75.0 % | +25.0" in page
    assert "<svg" in study_plot(plan, ledger.outcomes, ledger)
    assert "2, 0 with a loop" not in page and "2 × status 1" in page


def many(cell: Cell, **right: int) -> Outcome:
    """An evolution whose models rank so many of 40 test pairs right, the first ones."""
    bits = {name: f"{int('1' * n + '0' * (40 - n), 2):x}" for name, n in right.items()}
    return outcome(cell, "0", "0").model_copy(update={"answers": bits, "tests": MANY.digest})


def one_row(folder: Path, *answers: dict[str, int]) -> tuple[Any, Row, Ledger]:
    """The row of as many draws as there are answers, and what it is of."""
    plan = plan_of(folder).model_copy(update={"draws": list(range(len(answers))), "axes": {}, "baseline": {}})
    ledger = Ledger(folder / "mine.jsonl")
    for cell, right in zip(plan.cells(), answers, strict=True):
        ledger.add(many(cell, **right), MANY)
    return plan, rows(plan, ledger.outcomes)[0], ledger


def test_the_share_of_the_gap_is_that_of_a_gap_that_is_shown(tmp_path: Path):
    draws = ({"seed": 20, "loop_1": 24, "full_label_rm": 30}, {"seed": 20, "loop_1": 28, "full_label_rm": 32})
    plan, row, ledger = one_row(tmp_path, *draws)
    assert recovered(row, ledger.tests) is None  # two draws that differ show no gap
    alone = row._replace(outcomes=row.outcomes[:1])
    closed = recovered(alone, ledger.tests)
    assert closed is not None and closed.value == pytest.approx(0.4) and closed.low < 0.2 and closed.high > 0.6
    page = study_page("mine", plan, [alone.outcomes[0]], ledger, "ser study mine", 2)
    assert f"| 40 % ({100 * closed.low:.0f} to {100 * closed.high:.0f}) |" in page


def test_where_no_loop_trained_a_model_nothing_of_a_gap_was_tried(tmp_path: Path):
    _, row, ledger = one_row(tmp_path, {"seed": 10, "full_label_rm": 35})
    assert recovered(row, ledger.tests) is None


def test_a_control_is_compared_in_the_draws_that_have_it(tmp_path: Path):
    with_loop = {"seed": 20, "loop_1": 24, "more_steps_rm": 22}
    plan, row, ledger = one_row(tmp_path, with_loop, with_loop | {"loop_1": 28}, {"seed": 20})
    over = {one.over: (one.draws, one.gain.value) for one in gains(row, ledger.tests)}
    assert over == {"seed": (3, pytest.approx(0.1)), "more_steps_rm": (2, pytest.approx(0.1))}
    page = study_page("mine", plan, ledger.outcomes, ledger, "ser study mine", 3)
    assert "| 3, 2 with a loop |" in page
    assert "), of 2 |" in page


def test_naive_self_training_is_compared_with_loop_1(tmp_path: Path):
    answers = {"seed": 20, "loop_1": 24, "loop_2": 30, "more_steps_rm": 22, "naive_self_training_rm": 23}
    plan, row, ledger = one_row(tmp_path, answers)
    assert "| over naive self training (loop 1) |" in study_page("mine", plan, ledger.outcomes, ledger, "ser study", 1)
    over = {one.over: one.gain.value for one in gains(row, ledger.tests)}
    assert over == pytest.approx({"seed": 0.25, "more_steps_rm": 0.2, "naive_self_training_rm": 0.025})


def test_without_any_loop_nothing_is_said_of_a_gain(tmp_path: Path):
    plan, row, ledger = one_row(tmp_path, {"seed": 20}, {"seed": 22})
    closed = [one.model_copy(update={"verdict": "gate_not_shown"}) for one in row.outcomes[1:]]
    page = study_page("mine", plan, [row.outcomes[0], *closed], ledger, "ser study mine", 2)
    assert "| 2, 0 with a loop, 1 with a seed not shown to be better than a coin | 4 |" in page
    assert "| 52.5 % | 52.5 % | – | – |" in page
