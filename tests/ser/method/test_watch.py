"""Every sign is seen beyond its limit and where there are enough pairs, and nowhere else."""

from typing import Any

import pytest

from ser.method.watch import SIGNS, signs_of, unlike_words

QUIET: dict[str, Any] = {
    "loop": 2,
    **{f"ece_{split}{end}": value for split in ("calibration", "test")
       for end, value in (("", 0.05), ("_by_chance", 0.04), ("_n", 150))},
    "flip_rate": 0.1, "flip_rate_low": 0.08, "flip_rate_n": 500,
    "seed_agreement": 0.9, "seed_agreement_high": 0.93, "seed_agreement_n": 500,
    "kept_longer": 0.62, "kept_longer_low": 0.57, "kept_longer_high": 0.67, "kept_longer_n": 300,
    "seed_longer": 0.6, "seed_longer_low": 0.55, "seed_longer_high": 0.65, "seed_longer_n": 300,
    "source_differs": 0.3, "source_kept_least": 0.2, "source_kept_most": 0.5,
    "length_differs": 4.0, "length_kept_least": 0.3, "length_kept_most": 0.5,
    "margin_spread": 1.4, "reward_shift": -0.5, "offset_shift": 0.4,
    "trained_precision": 0.8, "trained_precision_high": 0.85, "trained_precision_n": 90, "trained_confidence": 0.84,
    "untrained_precision": 0.7, "untrained_precision_n": 200, "untrained_confidence": 0.72,
    "base_vocabulary": 100.0, "policy_vocabulary": 51.0, "compared_words": 900,
}  # fmt: skip


def seen(**changes: Any) -> dict[str, list[str]]:
    return {name: words for name, words in signs_of([QUIET | changes]).items() if words}


def test_a_quiet_loop_shows_nothing() -> None:
    assert seen() == {}
    assert signs_of([]).keys() == {sign.name for sign in SIGNS}


def test_a_loop_of_which_nothing_is_known_shows_nothing_and_is_not_called_measured() -> None:
    nothing = {name: None for name in QUIET if name != "loop"}
    assert seen(**nothing) == {}
    vocabulary = QUIET | nothing | {"loop": 0, "policy_vocabulary": 51.0}
    measured = {sign.name: sign.measured_in([QUIET | nothing, vocabulary]) for sign in SIGNS}
    assert measured == {sign.name: [] for sign in SIGNS} | {"answers_stay_diverse": ["seed"]}
    assert all(sign.measured_in([QUIET]) == ["loop 2"] for sign in SIGNS)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"ece_test": 0.12}, "confidence_is_calibrated", "loop 2: ECE 0.120 on test pairs (by chance 0.040)"),
        ({"ece_calibration": 0.12}, "confidence_is_calibrated", "(by chance 0.040, temperature cross-fitted)"),
        ({"flip_rate": 0.3, "flip_rate_low": 0.26}, "labels_are_stable", "30 % of the labels turned round"),
        ({"seed_agreement_high": 0.74}, "labels_are_stable", "agree with the seed RM on 90 % of the pairs"),
        ({"kept_longer": 0.75, "kept_longer_low": 0.7}, "length_is_not_amplified", "preferred in 75 %, of the human"),
        ({"kept_longer": 0.4, "kept_longer_high": 0.45}, "length_is_not_amplified", "preferred in 40 %, of the human"),
        ({"source_differs": 2.4}, "selection_is_even", "by source between 20 % and 50 % are kept"),
        ({"length_kept_least": 0.2}, "selection_is_even", "by length between 20 % and 50 % are kept"),
        ({"margin_spread": 3.1}, "rewards_do_not_drift", "margins spread 3.1 times as wide as the seed's"),
        ({"margin_spread": 0.3}, "rewards_do_not_drift", "margins spread 0.3 times"),
        ({"reward_shift": -3.2}, "rewards_do_not_drift", "reward of calibration pairs moved by -3.2 standard dev"),
        ({"offset_shift": 3.2}, "rewards_do_not_drift", "mean reward of the pool moved by +3.2 standard dev"),
        ({"trained_confidence": 0.9}, "own_labels_are_honest", "(confidence says 90 %), of the others 70 % (72 %)"),
        ({"policy_vocabulary": 49.0}, "answers_stay_diverse", "use 49 words effectively, its base model's 100"),
    ],
)  # fmt: skip
def test_a_sign_beyond_its_limit(changes: dict[str, Any], name: str, words: str) -> None:
    [(found, [said])] = seen(**changes).items()
    assert found == name and words in said and said.startswith("loop 2: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"ece_test": 0.3, "ece_test_n": 19},
        {"flip_rate_low": 0.4, "flip_rate_n": 10},
        {"kept_longer": 0.75, "kept_longer_low": 0.5, "seed_longer_high": 0.75},  # by chance
        {"kept_longer": 0.45, "kept_longer_high": 0.6, "seed_longer_low": 0.45},
        {"trained_confidence": 0.9, "trained_precision_n": 19},
        {"trained_confidence": 0.84, "trained_precision_high": 0.81, "trained_precision_n": 9000},  # sure, and little
        {"policy_vocabulary": 10.0, "compared_words": 199},
    ],
)
def test_too_few_say_nothing(changes: dict[str, Any]) -> None:
    assert seen(**changes) == {}


LIKE = {"auc": 0.83, "ci_low": 0.6, "margins_apart": 0.4, "margins_low": 0.36, "margins_high": 0.44}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"ci_low": None, "margins_low": None, "margins_high": None}, ""),
        ({"ci_low": 0.61}, "unlike the pool: a classifier of their texts and sources tells them apart (AUC 0.83"),
        (
            {"margins_low": 0.37},
            "unlike the pool: the seed RM's margins of the pool are 0.40 standard deviations wider",
        ),
        (
            {"margins_apart": -0.5, "margins_low": -0.6, "margins_high": -0.4},
            "0.50 standard deviations narrower than of calibration and test pairs. Calibrated precision",
        ),
        ({"ci_low": 0.61, "margins_low": 0.37}, "a coin), and the seed RM's margins"),
    ],
)
def test_piles_differ_by_the_end_of_an_interval_and_then_promises_are_weaker(
    changes: dict[str, Any], said: str
) -> None:
    words = unlike_words(LIKE | changes)
    assert said in words and ("promise less" in words) is bool(said) and (words == "") is not bool(said)
    assert unlike_words(None) == ""
