"""A model is promoted on calibration pairs only, and the reason says how sure that is."""

from typing import Any

from ser import promotion


def promote(candidates: list[dict[str, Any]], groups: list[str] | None = None) -> dict[str, Any]:
    """With pairs of which none is tied to another, unless groups are given."""
    return promotion.promote(candidates, groups or [str(k) for k in range(len(candidates[0]["correct"]))])


def candidate(loop: int, right: str) -> dict:
    return {"loop": loop, "rm_version": f"v{loop}", "correct": [letter == "1" for letter in right]}


def test_the_seed_stays_when_nothing_is_better() -> None:
    result = promote([candidate(0, "1101"), candidate(1, "1110"), candidate(2, "0110")])
    assert (result["promoted_loop"], result["rm_version"]) == (0, "v0")
    assert "75.0% of 4 calibration pairs; none of 2 loops ranks more of them" in result["why"]


def test_the_first_of_the_best_is_promoted() -> None:
    result = promote([candidate(0, "1000"), candidate(1, "1100"), candidate(2, "0110"), candidate(3, "0001")])
    assert (result["promoted_loop"], result["rm_version"]) == (1, "v1")
    assert "+25.0 points against the seed RM" in result["why"]
    assert "no change lies inside it" in result["why"]


def test_a_clear_gain_is_called_one() -> None:
    result = promote([candidate(0, "0" * 60 + "1" * 60), candidate(1, "1" * 120)])
    assert "no change lies outside it" in result["why"]


def test_a_gain_on_few_prompts_is_not_called_clear() -> None:
    tied = [str(k // 30) for k in range(120)]
    result = promote([candidate(0, "0" * 60 + "1" * 60), candidate(1, "1" * 120)], tied)
    assert "+50.0 points" in result["why"] and "no change lies inside it" in result["why"]


def test_without_a_loop_the_seed_is_all_there_is() -> None:
    assert "no loop was run" in promote([candidate(0, "10")])["why"]
