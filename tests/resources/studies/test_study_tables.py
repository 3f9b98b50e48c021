"""The tables of studies that transfer models, and of those that tell what everything took."""

from pathlib import Path
from typing import Any

import pytest

from resources.settings import Settings
from resources.studies.comparison import rows
from resources.studies.cost_table import labels_saved, stage_costs
from resources.studies.ledger import Ledger
from resources.studies.measured_cost import Cost
from resources.studies.outcome import AnsweredPairs, Outcome, Transfer, decisive
from resources.studies.plan import StudyPlan
from resources.studies.report import study_page
from resources.studies.transfer import missing_transfers
from resources.studies.transfer_table import transfers

PLAN = StudyPlan(question="Elsewhere?", datasets=["one", "two"], draws=[0, 1], transfer=True, cost=True)
TESTS = AnsweredPairs.of(["u1", "u1", "u2", "u3"])
FEWER = AnsweredPairs.of(["u1", "u2"])


def answers(**bits: str) -> dict[str, str]:
    return {name: f"{int(each, 2):x}" for name, each in bits.items()}


def outcome(dataset: str, draw: int, **more: Any) -> Outcome:
    cell = next(one for one in PLAN.cells() if (one.dataset, one.draw) == (dataset, draw))
    return Outcome(
        dataset=dataset, options={}, draw=draw, assignments=cell.assignments, settings={}, snapshot=f"{dataset}-1",
        evolution=f"{dataset}-1/x", pairs={"seed": 4, "calibration": 4, "test": 4, "pool": 8 + draw}, gate_shown=True,
        verdict="shown", verdicts={"accuracy": "shown", "log_loss": "shown"}, promoted_loop=1, loops=[],
        tests=TESTS.digest, answers=answers(seed="0011", loop_1="0111", full_label_rm="1111"), about={},
        **{"seconds": {}, **more},
    )  # fmt: skip


def transfer(snapshot: str = "two-1", **bits: str) -> Transfer:
    return Transfer(tests=FEWER.digest, answers=answers(**bits), snapshot=snapshot, left_out=2)


def test_the_transfers_of_a_group_wait_until_all_its_evolutions_have_ended(tmp_path: Path):
    ledger, cells = Ledger(tmp_path / "mine.jsonl"), [(cell, f"{cell.dataset}-1") for cell in PLAN.cells()]
    ledger.add(outcome("one", 0), TESTS)
    ledger.add(outcome("one", 1), TESTS)
    assert list(missing_transfers(cells, ledger)) == []
    ledger.add(outcome("two", 0), TESTS)
    missing = [(cell.draw, source.dataset, to.dataset) for cell, source, to in missing_transfers(cells, ledger)]
    assert missing == [(0, "one", "two"), (0, "two", "one")]
    known = {"two": transfer(seed="01", loop_1="11")}
    ledger.add(outcome("one", 0, transfers=known), FEWER)  # in the place of the one without
    again = Ledger(tmp_path / "mine.jsonl")
    assert [one.draw for one in again.outcomes] == [0, 1, 0]
    assert [source.dataset for _, source, _ in missing_transfers(cells, again)] == ["two"]
    ledger.add(outcome("one", 0, transfers={"two": transfer("two-0", seed="01", loop_1="11")}), FEWER)
    assert [source.dataset for _, source, _ in missing_transfers(cells, ledger)] == ["one", "two"]  # of older pairs


def test_a_transfer_is_the_gain_on_the_other_pairs_beside_the_models_of_there(tmp_path: Path):
    ledger = Ledger(tmp_path / "mine.jsonl")
    for draw, last in ((0, "11"), (1, "01")):
        ledger.add(outcome("one", draw, transfers={"two": transfer(seed="01", loop_1=last)}), FEWER)
        ledger.add(outcome("two", draw), TESTS)
    (found,) = transfers(rows(PLAN, ledger.outcomes), ledger.tests)
    assert (found.row.dataset, found.to, found.draws, found.tests, found.left_out) == ("one", "two", 2, 2, 2)
    assert (found.seed, found.last, found.gain.value) == (0.5, 0.75, pytest.approx(0.25))
    assert found.gain.low < 0.25 < found.gain.high
    assert (found.own_seed, found.own_last) == (0.5, 0.75)
    page = study_page("mine", PLAN, ledger.outcomes, ledger, "ser study mine", 4)
    assert "| one | two | 2 | 2 | 2 | 50.0 % | 75.0 % | +25.0" in page


def took(seconds: float, **more: Any) -> tuple[float, Cost]:
    return seconds, Cost(**{"cpu_seconds": 2 * seconds, "peak_memory": 10**9, "tokens": None, "flops": None} | more)


def test_costs_are_summed_by_kind_and_told_beside_those_of_all_labels(tmp_path: Path):
    made = {
        "states/pool": took(10, tokens=8e6, flops=3e12),
        "seed_rm": took(1),
        "seed_rm/member_0": took(4, tokens=1e6, flops=1e12),
        "seed_rm.heldout": took(2, tokens=2e6, flops=1e12),
        "loop_1/self_labels": took(3, tokens=8e6, flops=2e12),
        "loop_1/retrained_rm": took(5, tokens=4e6, flops=4e12, peak_memory=3 * 10**9),
        "controls/full_label_rm": took(20, tokens=24e6, flops=30e12),
        "controls/more_steps_rm": took(100),
        "evolved_rm": took(7),
    }
    told = {"seconds": {key: one[0] for key, one in made.items()}, "costs": {key: one[1] for key, one in made.items()}}
    ledger = Ledger(tmp_path / "mine.jsonl")
    for draw in (0, 1):
        ledger.add(outcome("one", draw, **told), TESTS)
    (row,) = rows(PLAN, ledger.outcomes)
    found = {(one.way, one.kind): one for one in stage_costs(row)}
    seed, everything = found["the evolution", "seed RM"], found["the evolution", "in all"]
    assert (seed.seconds, seed.cpu_seconds, seed.tokens, seed.flops) == (5, 10, 1e6, 1e12)
    assert (everything.seconds, everything.peak_memory, everything.flops) == (25, 3e9, 11e12)
    assert (found["all labels", "training"].seconds, found["all labels", "in all"].seconds) == (20, 30)
    assert found["all labels", "held-out scoring"].seconds is None
    assert labels_saved(row) == 8.5
    page = study_page("mine", PLAN, ledger.outcomes, ledger, "ser study mine", 4)
    assert "| one | the evolution | retraining | 5 | 10 | 3.00 | 4.000 | 4.00 |" in page
    assert "price" not in page
    priced = PLAN.model_copy(update={"price_per_label": 0.4})
    assert "| one | 8 | 3.40 |" in study_page("mine", priced, ledger.outcomes, ledger, "ser study mine", 4)


def test_a_sum_is_not_told_where_a_part_of_it_is_not_known(tmp_path: Path):
    costs = {"seed_rm": took(1)[1], "states/pool": took(1)[1], "states/test": took(1, cpu_seconds=None)[1]}
    ledger = Ledger(tmp_path / "mine.jsonl")
    ledger.add(outcome("one", 0, seconds={"seed_rm": 1.0, "states/pool": 1.0}, costs=costs), TESTS)
    found = {(one.way, one.kind): one for one in stage_costs(rows(PLAN, ledger.outcomes)[0])}
    known, unknown = found["the evolution", "seed RM"], found["the evolution", "states"]
    assert (known.seconds, known.cpu_seconds) == (1, 2)
    assert (unknown.seconds, unknown.cpu_seconds) == (None, None)
    assert found["the evolution", "in all"].seconds is None


def test_a_page_says_which_settings_of_all_are_not_the_defaults(tmp_path: Path):
    defaults = decisive(Settings())
    said = [defaults | {"encoding.max_length": "256", "loops": loops} for loops in ("2", "4")]
    ledger = Ledger(tmp_path / "mine.jsonl")
    for draw, settings in enumerate(said):
        ledger.add(outcome("one", draw).model_copy(update={"settings": settings}), TESTS)
    page = study_page("mine", PLAN, ledger.outcomes, ledger, "ser study mine", 4)
    assert "Settings that all share, unlike the defaults: `encoding.max_length=256`.\n" in page
    usual = [one.model_copy(update={"settings": defaults}) for one in ledger.outcomes]
    assert "Settings that all share are the defaults.\n" in study_page("mine", PLAN, usual, ledger, "ser study mine", 4)
