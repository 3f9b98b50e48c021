"""A recipe is data: every field has its values, and a combination that would lie is refused in words."""

import pytest
from pydantic import ValidationError

from ser.method.recipe import PAPER, ROBUST, Recipe, epochs_that_see
from ser.specs import RewardTraining, Thresholds


def test_the_two_recipes_are_the_tables_of_the_design() -> None:
    assert PAPER.model_dump() == {
        "loops": 3, "thresholds": Thresholds().model_dump(), "teachers": 1, "student": "continue", "student_epochs": 1,
        "select": "status", "target": "hard", "pool": "shrinks", "label_with": "any", "replay": "all",
        "human_share": None, "temperature": "loop", "min_precision": None,
    }  # fmt: skip
    assert ROBUST.model_dump(exclude={"thresholds"}) == {
        "loops": 3, "teachers": 3, "student": "fresh", "student_epochs": None, "select": "calibrated", "target": "hard",
        "pool": "whole", "label_with": "unseen", "replay": "latest", "human_share": 0.3, "temperature": "loop",
        "min_precision": "relative",
    }  # fmt: skip
    for recipe in (PAPER, ROBUST):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_calibrated_promises_something_and_nothing_else_does() -> None:
    assert Recipe(select="calibrated").min_precision == "relative"
    assert Recipe(select="calibrated", min_precision=0.8).min_precision == 0.8
    # Another choice beside the values of robust leaves nothing behind.
    assert Recipe(**ROBUST.model_dump() | {"select": "all"}).min_precision is None


def test_epochs_are_whole_and_see_at_least_as_many_pairs() -> None:
    assert [epochs_that_see(120, of=pairs) for pairs in (40, 60, 119, 120, 121, 5000)] == [3, 2, 2, 1, 1, 1]


def test_few_labels_are_seen_until_the_least_steps_are_taken() -> None:
    training = RewardTraining(batch_size=16, seed_epochs=3, min_steps=30)
    assert [training.epochs_on(labels) for labels in (5, 16, 17, 44, 144, 145, 5000)] == [30, 30, 15, 10, 4, 3, 3]
    assert RewardTraining(seed_epochs=2, min_steps=1).epochs_on(5) == 2
    assert training.epochs_on(0) == 30  # a plan of a pile without labels


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pool": "whole"}, "pool = whole needs label_with = unseen"),
        ({"label_with": "unseen"}, "label_with = unseen needs at least 2 teachers, not 1"),
        (ROBUST.model_dump() | {"temperature": "seed"}, "temperature = seed contradicts label_with = unseen"),
        ({"min_precision": 0.8}, "min_precision is the promise of select = calibrated"),
        ({"select": "calibrated", "min_precision": 0.5}, "must lie between 0.5 and 1"),
        ({"select": "calibrated", "min_precision": 1}, "must lie between 0.5 and 1"),
        ({"human_share": 1.0}, "less than 1"),
        ({"teachers": 0}, "greater than or equal to 1"),
        ({"vault": True}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Recipe(**given)  # type: ignore[arg-type]
