"""A model is promoted on calibration pairs only, and the reason says how sure that is."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method import promotion
from ser.method.log_loss import CrossFittedLogLoss
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
    """A model that ranks `right` of `n` pairs as people do, from the pair `first` on, all by the same margin."""
    return model(loop, [1.0 if first <= k < first + right else -1.0 for k in range(n)])


def model(loop: int, margins: Any, groups: list[str] | None = None) -> dict[str, Any]:
    """One that ranks the pairs by these margins of the human-preferred response."""
    return {
        "loop": loop,
        "rm_version": f"v{loop}",
        "correct": [margin > 0 for margin in margins],
        "log_loss": CrossFittedLogLoss(margins, groups or [str(k) for k in range(len(margins))]),
    }


RUNS = 250
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
    sure = model(1, [3.0] * 80 + [-0.1] * 40)  # its mistakes are those that it is unsure of
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


def simulated(
    draw: np.random.Generator, groups: int, of: int, noise: list[float], steep: float
) -> list[dict[str, Any]]:
    """Models that see which response is better under noise, each its own; labels err the less the steeper they are."""
    tied = np.repeat(np.arange(groups), of)
    names = [str(k) for k in tied]

    def shared() -> np.ndarray:
        return 0.8 * draw.normal(size=groups)[tied] + 0.6 * draw.normal(size=groups * of)

    better = shared()
    label = np.where(draw.random(groups * of) < 1 / (1 + np.exp(-steep * better)), 1, -1)
    return [model(k, label * (better + one * shared()), names) for k, one in enumerate(noise)]


@pytest.mark.parametrize("statistic", ["accuracy", "log_loss"])
@pytest.mark.parametrize(
    ("groups", "of", "loops", "steep"),
    [(16, 1, 1, 5.0), (40, 1, 1, 5.0), (40, 1, 3, 5.0), (20, 4, 1, 5.0), (155, 1, 1, 1.5), (60, 3, 3, 1.5)],
)
def test_loops_that_are_no_better_are_promoted_in_five_percent_of_cases(
    groups: int, of: int, loops: int, steep: float, statistic: str
) -> None:
    """Few pairs, and few that are ranked wrongly, are the hard case of the log loss: temperatures vary too."""
    draw, promoted = np.random.default_rng(0), 0
    for _ in range(RUNS):
        models = simulated(draw, groups, of, [0.5] * (loops + 1), steep)
        promoted += (
            promote(models, [str(k // of) for k in range(groups * of)], statistic=statistic)["promoted_loop"] > 0
        )
    assert promoted / RUNS <= 0.05 + 2 * (0.05 * 0.95 / RUNS) ** 0.5


@pytest.mark.parametrize("statistic", ["accuracy", "log_loss"])
def test_a_gain_is_shown_more_often_the_more_pairs_there_are(statistic: str) -> None:
    draw, power = np.random.default_rng(0), {}
    for pairs in (40, 160):
        shown = [
            promote(simulated(draw, pairs, 1, [1.0, 0.3], 5.0), statistic=statistic)["verdict"] for _ in range(100)
        ].count("shown")
        power[pairs] = shown / 100
    assert 0.15 < power[40] < power[160] - 0.2, power


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
