"""A model is promoted on calibration pairs only, and the reason says how sure that is."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method import promotion
from ser.specs import Gate, PromotionRule

OPEN = Gate(shown=True, accuracy=0.8, ci_low=0.7, ci_high=0.9, n=80, needed=20, words="shown to be better")
CLOSED = OPEN.model_copy(update={"shown": False, "words": "not shown to be better than a coin with 80 pairs"})


def promote(
    candidates: list[dict[str, Any]],
    groups: list[str] | None = None,
    gate: Gate = OPEN,
    anyway: bool = False,
    **rule: Any,
) -> dict[str, Any]:
    """With pairs of which none is tied to another, unless groups are given."""
    alone = [str(k) for k in range(len(candidates[0]["correct"]))]
    return promotion.promote(candidates, groups or alone, gate, PromotionRule(**rule), anyway=anyway)


def candidate(loop: int, right: int, n: int = 120, first: int = 0) -> dict[str, Any]:
    """A model that ranks `right` of `n` pairs as people do, from the pair `first` on."""
    correct = [first <= k < first + right for k in range(n)]
    return {
        "loop": loop,
        "rm_version": f"v{loop}",
        "correct": correct,
        "log_loss": [0.5 if c else 0.9 for c in correct],
    }


RUNS = 400
SEED, CLEAR, LITTLE, WORSE = candidate(0, 60), candidate(1, 90), candidate(1, 63, first=4), candidate(1, 30)


@pytest.mark.parametrize("statistic", ["accuracy", "log_loss"])
@pytest.mark.parametrize(
    ("last", "verdict", "evidence", "not_worse"),
    [(CLEAR, "shown", 1, 1), (LITTLE, "not_shown", 0, 1), (WORSE, "worse", 0, 0)],
)
def test_the_verdict_and_what_each_rule_makes_of_it(
    last: dict[str, Any], verdict: str, evidence: int, not_worse: int, statistic: str
) -> None:
    for rule, promoted in (("evidence", evidence), ("not_worse", not_worse), ("last", 1)):
        found = promote([SEED, last], rule=rule, statistic=statistic)
        assert (found["promoted_loop"], found["verdict"]) == (promoted, verdict)
        assert found["why"].startswith(f"by promotion.rule {rule}: ") is (rule != "evidence")
        assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]


@pytest.mark.parametrize(
    ("statistic", "words"),
    [("accuracy", "the highest accuracy of all; "), ("log_loss", "the lowest log loss of all; ")],
)
def test_the_reason_names_the_statistic_that_decided(statistic: str, words: str) -> None:
    """By the log loss a loop may be the best that does not rank the most pairs as people do."""
    sure = candidate(1, 80) | {"log_loss": [0.1] * 120}
    last = candidate(2, 70 if statistic == "accuracy" else 90)
    found = promote([SEED, sure, last], rule="best", statistic=statistic)
    assert found["promoted_loop"] == 1
    assert found["why"].startswith(
        f"by promotion.rule best: loop 1 ranks 66.7 % of 120 calibration pairs as people do, {words}loop 2 ranks"
    )


def test_best_takes_the_most_right_and_of_equals_the_first() -> None:
    loops = [SEED, candidate(1, 61), candidate(2, 61), candidate(3, 60)]
    found = promote(loops, rule="best")
    assert (found["promoted_loop"], found["verdict"]) == (1, "not_shown")


def test_an_earlier_loop_is_promoted_only_if_it_is_better_than_a_last_one_that_is_shown() -> None:
    best, last = candidate(1, 118), candidate(2, 85)
    assert promote([SEED, best, last])["promoted_loop"] == 1
    assert promote([SEED, candidate(1, 88), last])["promoted_loop"] == 2
    assert promote([SEED, best, candidate(2, 62)])["promoted_loop"] == 0


def test_how_many_loops_there_are_costs_the_main_question_nothing() -> None:
    last = candidate(1, 68)
    alone = promote([SEED, last])
    many = promote([SEED, *(candidate(k, 66) for k in range(2, 9)), last])
    assert alone["gain"] == many["gain"] and alone["verdict"] == many["verdict"] == "shown"


def test_a_gain_on_few_prompts_is_not_shown() -> None:
    tied = [str(k // 30) for k in range(120)]
    found = promote([SEED, candidate(1, 120)], tied)
    assert (found["promoted_loop"], found["verdict"]) == (0, "not_shown")
    assert found["why"].startswith(
        "the seed RM stays; loop 1 ranks 100.0 % of 120 calibration pairs as people do, +50.0"
    )


def test_what_the_pairs_could_have_shown_is_said() -> None:
    found = promote([SEED, LITTLE])
    assert 0.03 < found["detectable"] < 0.08
    assert found["needed"] == pytest.approx(120 * (found["detectable"] / 0.02) ** 2, abs=1)
    assert f"show a gain of {100 * found['detectable']:.1f} with 80 % power" in found["why"]


@given(st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_verdict_depends_on_the_seed_and_the_last_loop_alone(loops: int, draw: Any) -> None:
    made = [candidate(k, draw.randint(0, 40), 40) for k in range(loops + 2)]
    assert promote(made)["verdict"] == promote([made[0], made[-1]])["verdict"]


@pytest.mark.parametrize("statistic", ["accuracy", "log_loss"])
@pytest.mark.parametrize(("pairs", "in_a_group"), [(300, 1), (80, 1), (300, 3)])
def test_the_size_of_the_test_is_five_percent_and_its_power_as_said(
    statistic: str, pairs: int, in_a_group: int
) -> None:
    draw, groups = random.Random(0), [str(k // in_a_group) for k in range(pairs)]
    power = {}
    for gain in (0.0, 0.08):
        shown = 0
        for _ in range(RUNS):
            # 15 % of the pairs change sides, those of a group alike
            changes = [one for _ in range(pairs // in_a_group) for one in [draw.random()] * in_a_group]
            up = (0.15 + gain) / 2
            before = [not (c < up) and (c < 0.15 or c > 0.5) for c in changes]
            after = [c < up or (c > 0.5) for c in changes]
            pair = [
                {"loop": k, "rm_version": "", "correct": side, "log_loss": [0.4 if right else 1.1 for right in side]}
                for k, side in enumerate((before, after))
            ]
            shown += promote(pair, groups, statistic=statistic)["verdict"] == "shown"
        power[gain] = shown / RUNS
    assert power[0.0] <= 0.05 + 2 * (0.05 * 0.95 / RUNS) ** 0.5, power
    assert power[0.08] > 3 * power[0.0], power


def test_a_closed_gate_is_the_verdict() -> None:
    result = promote([SEED], gate=CLOSED)
    assert (result["promoted_loop"], result["verdict"]) == (0, "gate_not_shown")
    assert result["why"] == "no loop was run: the seed RM is not shown to be better than a coin with 80 pairs"


def test_who_goes_on_anyway_is_told_of_the_gate_and_gets_the_verdict_on_the_loops() -> None:
    result = promote([SEED, CLEAR], gate=CLOSED, anyway=True)
    assert (result["promoted_loop"], result["verdict"]) == (1, "shown")
    assert result["why"].endswith("although the seed RM is not shown to be better than a coin with 80 pairs")
    assert promote([SEED, CLEAR], anyway=True) == promote([SEED, CLEAR])


def test_without_a_loop_the_seed_is_all_there_is() -> None:
    assert (
        promote([SEED])["why"]
        == "the seed RM ranks 50.0 % of 120 calibration pairs as people do; no loop trained a model"
    )
