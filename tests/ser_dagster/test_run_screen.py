"""What a run shows while it works, and how it knows how long the rest will take."""

import os
import pty
import re
import sys
import time

import pytest

from resources import asset_keys as keys
from resources.reporter import Work
from resources.settings import Settings
from ser.method.recipe import ROBUST, Method
from ser.specs import RewardTraining
from ser_dagster.commands import run_screen
from ser_dagster.commands.run_costs import EPISODE, FORWARD, RunCosts, kind_of
from ser_dagster.commands.run_screen import RunScreen, about
from tests.terminals import read_to_end

ROLES = {"seed": 100, "calibration": 50, "test": 50, "pool": 400}
STEPS = ["landed_pairs", "encoded_pairs", "seed_rm", "loop_1/self_labels", "loop_1/retrained_rm", "ppo_policy"]


def costs() -> RunCosts:
    """Of the published method with the upper half of the layers adapted: a training pass is one training pair."""
    return RunCosts(Settings(reward_model=RewardTraining(min_steps=1)), ROLES)


def test_what_the_steps_cost() -> None:
    found = {key: costs().of_step(key) for key in STEPS}
    heldout = 100 * FORWARD
    assert found == {
        "landed_pairs": 0,
        "encoded_pairs": 600 * FORWARD,
        "seed_rm": 3 * 100 + heldout,
        "loop_1/self_labels": 400 * FORWARD,
        "loop_1/retrained_rm": 100 + 200 + heldout,  # half of the pool is thought to be kept
        "ppo_policy": 64 * EPISODE,
    }


def test_what_the_controls_cost() -> None:
    found = {key: costs().of_step(key) for key in keys.CONTROLS}
    loops = [costs().of_step(keys.model_of(loop)) - 100 * FORWARD for loop in (1, 2, 3)]
    measured = 100 * FORWARD
    assert found == {
        keys.FULL_LABEL_RM: pytest.approx(3 * 500 + measured),
        keys.MORE_STEPS_RM: pytest.approx(3 * 100 + sum(loops) + measured),
        keys.NAIVE_RM: pytest.approx(500 + measured),
        keys.TRUE_LABEL_RM: pytest.approx(loops[-1] + measured),
        keys.SEED_ENSEMBLE_RM: pytest.approx(3 * 3 * 100 + 4 * measured),  # the seed itself is there already
        keys.HALF_SEED_RM: pytest.approx(3 * 50 + measured),
    }
    fresh = RunCosts(Settings(method=Method(student="fresh", teachers=2)), ROLES)
    assert fresh.of_step(keys.MORE_STEPS_RM) == pytest.approx(fresh.of_step(keys.model_of(3)))


def test_a_member_learns_the_share_that_its_recipe_keeps_and_leaves_to_it() -> None:
    training = RewardTraining(min_steps=1)
    method = Method.model_validate(ROBUST.model_dump(include=set(Method.model_fields)))
    robust = RunCosts(Settings(reward_model=training, method=method), ROLES)
    learnt = 0.85 * 400 * 2 / 3  # of three folds the member's own is left out
    assert robust.of_step("loop_1/retrained_rm") == pytest.approx(3 * (100 + learnt + 100 * FORWARD))
    assert robust.of_step(keys.NAIVE_RM) == pytest.approx(3 * (100 + 400 * 2 / 3 + 100 * FORWARD))


def test_few_labels_are_seen_more_often() -> None:
    few, heldout = RunCosts(Settings(), ROLES), 100 * FORWARD  # seven and four steps make an epoch
    assert few.of_step(keys.SEED_RM) == 5 * 100 + heldout
    assert few.of_step(keys.HALF_SEED_RM) == pytest.approx(8 * 50 + heldout)
    assert few.of_step(keys.FULL_LABEL_RM) == pytest.approx(3 * 500 + heldout)


def test_what_a_loop_really_kept_counts_for_it_and_for_the_later_ones() -> None:
    known = costs()
    known.learn_kept(1, 40)
    assert known.of_step("loop_1/retrained_rm") == 100 + 40 + 100 * FORWARD
    assert known.of_step("loop_2/self_labels") == 360 * FORWARD
    assert known.of_step("loop_2/retrained_rm") == 100 + 40 + 72 + 100 * FORWARD


@pytest.mark.parametrize(
    ("label", "unit", "kind"),
    [
        ("encoded_pairs", "pairs", None),
        ("states/pool", "pairs", "states"),
        ("seed_rm", "pairs", "training"),
        ("seed_rm.heldout", "pairs", "scoring"),
        ("loop_2/self_labels, member 1 of 3", "pairs", "scoring"),
        ("loop_2/retrained_rm/member_1", "pairs", "training"),
        ("controls/judge_rm, fold 1 of 2, training", "pairs", "training"),
        ("controls/judge_rm, fold 1 of 2, scoring", "pairs", "scoring"),
        ("ppo_policy", "episodes", "episodes"),
        ("policy_evaluation", "responses", "responses"),
        ("backbone", "models", None),
    ],
)
def test_what_kind_of_work_it_is(label: str, unit: str, kind: str | None) -> None:
    assert kind_of(label, unit) == kind


def test_a_measured_rate_tells_the_time_of_all_that_is_left() -> None:
    screen = RunScreen(STEPS, costs())
    screen.begin("encoded_pairs")
    assert screen.seconds_left() is None
    screen.begin("seed_rm")
    screen.show(Work("seed_rm", 0, 300, "pairs"), due=True)
    screen.show(Work("seed_rm", 150, 300, "pairs", rate=10.0), due=False)
    heldout, left_of_seed = 100 * FORWARD, 150
    ahead = left_of_seed + heldout + 400 * FORWARD + 300 + heldout + 64 * EPISODE
    assert screen.seconds_left() == pytest.approx(ahead / 10)
    screen.begin("ppo_policy")
    assert screen.seconds_left() == pytest.approx(64 * EPISODE / 10)


def test_elsewhere_than_in_a_terminal_it_is_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    screen = RunScreen(STEPS, costs())
    with screen.shown():
        screen.begin("seed_rm")
        screen.begin("seed_rm_no_sign_of_a_shortcut")  # a check is no step
        screen.show(Work("seed_rm", 0, 300, "pairs"), due=True)
        screen.show(Work("seed_rm", 10, 300, "pairs", rate=10.0), due=False)
        screen.show(Work("seed_rm", 300, 300, "pairs", rate=10.0, note="loss 0.1"), due=True)
        screen.say("a warning")
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "step 3 of 6 · seed_rm",
        "step 3 of 6 · seed_rm: 0/300 pairs · 0:00 elapsed",
        "step 3 of 6 · seed_rm: 300/300 pairs · 10.0 pairs/s · loss 0.1 · 0:00 elapsed, about a minute left in all",
        "a warning",
    ]


def test_no_minute_is_silent(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_screen, "SILENCE", 0.06)
    screen = RunScreen(STEPS, costs())
    said, give_up = "", time.monotonic() + 30
    with screen.shown():
        screen.begin("ppo_policy")
        while "still at work" not in said and time.monotonic() < give_up:
            said += capfd.readouterr().err
    assert "step 6 of 6 · ppo_policy: still at work · 0:0" in said


def test_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "xterm")
        screen = RunScreen(STEPS, costs())
        with screen.shown():
            screen.begin("loop_1/self_labels")
            long = Work("loop_1/retrained_rm, member 1 of 3", 8000, 12000, "pairs", "loss 0.123", rate=23.4)
            screen.show(long, due=True)
            time.sleep(0.6)
            screen.show(Work("loop_1/self_labels", 400, 400, "pairs", rate=10.1), due=True)
            screen.say("a warning")
    shown = read_to_end(ours)
    assert "loop_1/self_labels: 400/400 pairs · 10.1 pairs/s\r\n" in shown
    plain = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).split())
    assert str(long) in plain  # on two lines, and whole
    assert "a warning\r\n" in shown
    assert "step 4 of 6" in shown


@pytest.mark.parametrize("setting", ["TERM=dumb", "FORCE_COLOR=1"])
def test_where_no_line_can_move_it_is_a_log(
    setting: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*setting.split("="))
    screen = RunScreen(STEPS, costs())
    with screen.shown():
        screen.begin("seed_rm")
        screen.show(Work("seed_rm", 0, 300, "pairs"), due=True)
    assert capfd.readouterr().err.splitlines() == [
        "step 3 of 6 · seed_rm",
        "step 3 of 6 · seed_rm: 0/300 pairs · 0:00 elapsed",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "less than a minute"), (60, "about a minute"), (840, "about 14 minutes"), (9000, "about 2.5 hours")],
)
def test_estimates_are_round(seconds: float, words: str) -> None:
    assert about(seconds) == words
