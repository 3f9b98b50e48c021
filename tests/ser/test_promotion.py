"""A model is promoted on calibration pairs only, and the reason says how sure that is."""

from typing import Any

from ser import promotion
from ser.specs import Gate

OPEN = Gate(shown=True, accuracy=0.8, ci_low=0.7, ci_high=0.9, n=80, needed=20, words="shown to be better")
CLOSED = OPEN.model_copy(update={"shown": False, "words": "not shown to be better than a coin with 80 pairs"})


def promote(
    candidates: list[dict[str, Any]], groups: list[str] | None = None, gate: Gate = OPEN, anyway: bool = False
) -> dict[str, Any]:
    """With pairs of which none is tied to another, unless groups are given."""
    alone = [str(k) for k in range(len(candidates[0]["correct"]))]
    return promotion.promote(candidates, groups or alone, gate, anyway=anyway)


def candidate(loop: int, right: str) -> dict:
    return {"loop": loop, "rm_version": f"v{loop}", "correct": [letter == "1" for letter in right]}


def test_the_seed_stays_when_nothing_is_better() -> None:
    result = promote([candidate(0, "1101"), candidate(1, "1110"), candidate(2, "0110")])
    assert (result["promoted_loop"], result["rm_version"], result["verdict"]) == (0, "v0", "not_shown")
    assert "75.0% of 4 calibration pairs; none of 2 loops ranks more of them" in result["why"]


def test_the_first_of_the_best_is_promoted() -> None:
    result = promote([candidate(0, "1000"), candidate(1, "1100"), candidate(2, "0110"), candidate(3, "0001")])
    assert (result["promoted_loop"], result["rm_version"]) == (1, "v1")
    assert "+25.0 points against the seed RM" in result["why"]
    assert "no change lies inside it" in result["why"]


def test_a_clear_gain_is_called_one() -> None:
    result = promote([candidate(0, "0" * 60 + "1" * 60), candidate(1, "1" * 120)])
    assert "no change lies outside it" in result["why"] and result["verdict"] == "shown"


def test_a_gain_on_few_prompts_is_not_called_clear() -> None:
    tied = [str(k // 30) for k in range(120)]
    result = promote([candidate(0, "0" * 60 + "1" * 60), candidate(1, "1" * 120)], tied)
    assert "+50.0 points" in result["why"] and "no change lies inside it" in result["why"]
    assert result["verdict"] == "not_shown"


def test_a_closed_gate_is_the_verdict() -> None:
    result = promote([candidate(0, "10")], gate=CLOSED)
    assert (result["promoted_loop"], result["verdict"]) == (0, "gate_not_shown")
    assert result["why"] == "no loop was run: the seed RM is not shown to be better than a coin with 80 pairs"


def test_who_goes_on_anyway_is_told_of_the_gate_and_gets_the_verdict_on_the_loops() -> None:
    loops = [candidate(0, "0" * 60 + "1" * 60), candidate(1, "1" * 120)]
    result = promote(loops, gate=CLOSED, anyway=True)
    assert (result["promoted_loop"], result["verdict"]) == (1, "shown")
    assert result["why"].endswith("although the seed RM is not shown to be better than a coin with 80 pairs")
    assert promote(loops, anyway=True) == promote(loops)


def test_without_a_loop_the_seed_is_all_there_is() -> None:
    assert "no loop was run" in promote([candidate(0, "10")])["why"]
