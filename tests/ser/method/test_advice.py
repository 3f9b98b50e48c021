"""What is advised before a long run: by which rule, and that no gain is promised that nobody has measured."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.method.advice import Evidence, Regime, advise
from ser.method.stats import Gain
from ser.specs import Gate

RISES, FLAT, UNKNOWN = Gain(0.05, 0.01, 0.09), Gain(0.0, -0.009, 0.009), Gain(0.02, -0.05, 0.09)


def gate(shown: bool = True, accuracy: float = 0.7) -> Gate:
    words = "shown to be better than a coin" if shown else "not shown; about 400 are needed"
    return Gate(shown=shown, accuracy=accuracy, ci_low=0.6, ci_high=0.8, n=155, needed=None, words=words)


def regime(gain: float = 0.04, half: float = 0.02, **changes: object) -> Regime:
    about = {
        "study": "seed-size",
        "recipe": "paper",
        "backbone": "embedded",
        "training": {},
        "dataset": "sample",
        "annotator": "people",
        "seed_labels": (100, 200),
        "pool": (1000, 2000),
        "seed_accuracy": (0.6, 0.8),
        "gain": gain,
        "low": gain - half,
        "high": gain + half,
        "recorded_on": date(2026, 11, 28),
    }
    return Regime.model_validate(about | changes)


SIMULATED = regime(annotator="simulated")


def evidence(**changes: object) -> Evidence:
    about = {
        "recipe": "paper",
        "backbone": "embedded",
        "training": {},
        "simulated": False,
        "gate": gate(),
        "labels": 148,
        "half_labels": 74,
        "pool": 1500,
        "n_min": 30,
        "curve": RISES,
        "ceiling": None,
        "regimes": (regime(),),
    }
    return Evidence.model_validate(about | changes)


@pytest.mark.parametrize(
    ("changes", "words", "reason"),
    [
        ({}, "expect a gain", "148 labels instead of 74 gain +5.0 points, 90 % interval +1.0 to +9.0."),
        ({"gate": gate(shown=False)}, "label first", "The seed RM is not shown; about 400 are needed."),
        ({"pool": 29}, "expect none", "The pool has 29 pairs, and a loop needs n_min = 30."),
        ({"curve": FLAT}, "expect none", "148 labels instead of 74 are shown to gain less than 1 point"),
        ({"ceiling": FLAT}, "expect none", "All human labels are shown to gain less than 1 point"),
        ({"ceiling": RISES}, "expect a gain", "More labels are shown to help"),
        ({"pool": 147}, "label first", "The pool has 147 pairs, fewer than the 148 labels of the seed"),
        ({"curve": None}, "cannot tell", "Whole groups make no half of the seed"),
        ({"curve": UNKNOWN}, "cannot tell", "a gain of 10.6 points with 80 % power; about 4,339"),
        ({"regimes": ()}, "cannot tell", "No study of a seed like this one, under this recipe, model and training"),
        ({"recipe": None}, "cannot tell", "No study of a seed like this one"),
        ({"backbone": "a/model"}, "cannot tell", "No study of a seed like this one"),
        ({"labels": 99}, "cannot tell", "No study of a seed like this one"),
        ({"gate": gate(accuracy=0.81)}, "cannot tell", "No study of a seed like this one"),
        ({"training": {"reward_model.lora.top": "0.25"}}, "cannot tell", "No study of a seed like this one"),
        ({"regimes": (regime(training={"encoding.max_length": "64"}),)}, "cannot tell", "No study of a seed like this"),
        ({"regimes": (SIMULATED,)}, "cannot tell", "No study of a seed like this one whose labels are people's"),
        ({"regimes": (SIMULATED,)}, "cannot tell", "gained +4.0 points (+2.0 to +6.0); its annotator is simulated."),
        ({"regimes": (SIMULATED,), "simulated": True}, "expect a gain", "More labels are shown to help"),
        (
            {"regimes": (regime(), regime(half=0.05, study="draws"))},
            "cannot tell",
            "(draws, sample, 2026-11-28) the last loop gained +4.0 points (-1.0 to +9.0): no gain is shown",
        ),
    ],
)  # fmt: skip
def test_the_first_rule_that_holds_decides_and_says_why(changes: dict[str, object], words: str, reason: str) -> None:
    advice = advise(evidence(**changes))
    assert advice.words == words
    assert any(reason in said for said in advice.reasons), advice.reasons


def test_the_numbers_stand_beside_the_words() -> None:
    numbers = advise(evidence(curve=UNKNOWN)).numbers
    assert numbers["curve"] == {"value": 0.02, "low": -0.05, "high": 0.09}
    assert numbers["detectable"] == pytest.approx(0.1058, abs=1e-4)  # 2.49 standard errors
    assert numbers["needed"] == 4339
    assert [one["study"] for one in numbers["regimes"]] == ["seed-size"]
    assert numbers["ceiling"] is None


ENDS = st.floats(-0.2, 0.2, allow_nan=False)
INTERVALS = st.tuples(ENDS, ENDS, ENDS).map(sorted).map(lambda ends: Gain(ends[1], ends[0], ends[2]))
REGIMES = st.lists(
    st.builds(
        lambda found, labels, accuracy: regime(
            gain=found.value,
            low=found.low,
            high=found.high,
            seed_labels=sorted(labels),
            seed_accuracy=sorted(accuracy),
        ),
        INTERVALS,
        st.tuples(st.integers(1, 300), st.integers(1, 300)),
        st.tuples(st.floats(0.5, 1), st.floats(0.5, 1)),
    ),
    max_size=4,
)


@given(
    regimes=REGIMES,
    curve=st.none() | INTERVALS,
    ceiling=st.none() | INTERVALS,
    labels=st.integers(16, 300),
    pool=st.integers(1, 600),
    shown=st.booleans(),
)
def test_a_gain_is_expected_only_where_studies_of_the_like_have_all_shown_one(
    regimes: list[Regime], curve: Gain | None, ceiling: Gain | None, labels: int, pool: int, shown: bool
) -> None:
    known = evidence(
        regimes=regimes, curve=curve, ceiling=ceiling, labels=labels, pool=pool, n_min=20, gate=gate(shown)
    )
    advice = advise(known)
    assert advice.reasons
    if advice.words == "expect a gain":
        assert shown and curve is not None and curve.low > 0 and pool >= labels
        assert known.like() and all(one.low > 0 for one in known.like())
    without = known.model_copy(update={"regimes": tuple(one for one in regimes if one.low <= 0)})
    assert advise(without).words != "expect a gain"
