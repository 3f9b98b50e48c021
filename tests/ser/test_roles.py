"""What prompts and pairs are used for."""

import pytest

from ser.roles import decide_purpose, first_role, later_role, seed_fraction_of


def purposes(number: int = 4000) -> list[str]:
    return [decide_purpose(f"unit {i}", (), (), labelled=True) for i in range(number)]


def test_labelled_prompts_are_shared_out():
    drawn = purposes()
    assert drawn == purposes()
    assert drawn.count("test") / len(drawn) == pytest.approx(0.25, abs=0.02)
    assert drawn.count("calibration") / len(drawn) == pytest.approx(0.10, abs=0.015)
    assert drawn.count("train") / len(drawn) == pytest.approx(0.65, abs=0.02)


def test_prompts_without_labels_are_for_training():
    assert {decide_purpose(f"unit {i}", (), (), labelled=False) for i in range(200)} == {"train"}


def test_what_is_known_comes_before_what_is_asked_and_that_before_the_draw():
    assert decide_purpose("u", ["train"], ["test"], labelled=True) == "train"
    assert decide_purpose("u", ["train", "test"], [], labelled=True) == "test"
    assert decide_purpose("u", [], ["train", "calibration"], labelled=True) == "calibration"
    assert decide_purpose("u", [], ["test"], labelled=False) == "test"


def test_the_seed_has_its_fraction_of_the_labelled_training_pairs():
    roles = [first_role("train", f"unit {i}", True, None, 0.15) for i in range(4000)]
    assert roles.count("seed") / 4000 == pytest.approx(0.15, abs=0.02)
    assert set(roles) == {"seed", "pool"}
    assert {first_role("train", f"unit {i}", True, None, 1.0) for i in range(200)} == {"seed"}


@pytest.mark.parametrize(
    ("purpose", "labelled", "asked", "role"),
    [
        ("train", False, None, "pool"),
        ("test", True, None, "test"),
        ("test", False, None, "unused"),
        ("calibration", True, None, "calibration"),
        ("calibration", False, None, "unused"),
        ("train", True, "pool", "pool"),
        ("test", True, "unused", "unused"),
    ],
)
def test_first_role(purpose: str, labelled: bool, asked: str | None, role: str):
    assert first_role(purpose, "u", labelled, asked, 1.0) == role


@pytest.mark.parametrize(
    ("role", "purpose", "fixed", "asked", "later"),
    [
        ("pool", "train", False, None, "seed"),
        ("pool", "train", True, None, "seed"),
        ("pool", "train", False, "pool", "pool"),
        ("unused", "test", False, None, "test"),
        ("unused", "calibration", False, None, "calibration"),
        ("unused", "test", True, None, "unused"),
        ("unused", "train", True, None, "unused"),
    ],
)
def test_a_label_that_comes_later(role: str, purpose: str, fixed: bool, asked: str | None, later: str):
    assert later_role(role, purpose, fixed, asked) == later


def test_all_labels_are_needed_unless_every_pair_has_one():
    assert (seed_fraction_of(True), seed_fraction_of(False)) == (0.15, 1.0)
