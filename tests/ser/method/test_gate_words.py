"""The gate says what was shown, what would show it, and names a setting only where it is to blame."""

from ser.method.gate import SeedData, describe_gate
from ser.method.stats import needed_above_half, share
from ser.specs import Gate

BLAMELESS = SeedData(labels=800, held_back=0, left_out=0, not_scored=0, first_loss=0.7, last_loss=0.3)


def gate(right: int, n: int, copies: int = 1, **seed: float) -> Gate:
    """The gate at `right` of `n` prompts; each stands for so many pairs, which are right or wrong together."""
    values, groups = [1.0] * right + [0.0] * (n - right), [str(k) for k in range(n)]
    return describe_gate(share(values * copies, groups * copies), BLAMELESS.model_copy(update=seed))


def test_few_pairs_do_not_show_a_good_accuracy_and_it_is_said_how_many_would() -> None:
    found = gate(15, 22)
    assert not found.shown and found.needed == needed_above_half(15 / 22)
    assert found.words == (
        "not shown to be better than a coin with 22 calibration pairs (68 %, 95 % interval 47 to 84 %); "
        "about 57 are needed to show an accuracy like this"
    )


def test_as_many_pairs_as_are_needed_would_show_it() -> None:
    needed = gate(15, 22).needed
    assert needed is not None and gate(round(needed * 15 / 22), needed).shown


def test_pairs_that_are_tied_are_worth_less() -> None:
    alone, tied = gate(15, 22), gate(15, 22, copies=3)
    assert alone.needed is not None and tied.needed is not None
    assert tied.n == 66 and not tied.shown
    assert 2.8 < tied.needed / alone.needed < 3.3


def test_an_open_gate_asks_for_nothing() -> None:
    found = gate(80, 100)
    assert found.shown
    assert found.words == "shown to be better than a coin with 100 calibration pairs (80 %, 95 % interval 71 to 87 %)"


def test_so_few_pairs_that_they_cannot_tell_ask_for_more() -> None:
    found = gate(11, 22)
    assert (found.shown, found.needed) == (False, needed_above_half(0.65))
    assert "so few cannot tell: about 85 would show a model that is 65 % right" in found.words


def test_near_one_half_more_pairs_would_not_help_and_it_says_what_to_look_at() -> None:
    found = gate(110, 220)
    assert (found.shown, found.needed) == (False, None)
    assert "more pairs of this kind would not show it" in found.words
    assert "look at the labels" in found.words and "learnt does not carry over" in found.words
    assert "the loss of its training did not fall" in gate(110, 220, last_loss=0.7).words


def test_a_setting_is_named_where_it_is_to_blame_and_nowhere_else() -> None:
    assert not any(name in gate(110, 220).words for name in ("max_pairs", "seed_fraction", "seed labels"))
    assert "max_pairs leaves out 1,200 landed pairs" in gate(15, 22, left_out=1200).words
    assert "max_pairs leaves out 1,200 landed pairs" in gate(110, 220, left_out=1200).words
    assert "heldout_max leaves out 40 held-out pairs" in gate(15, 22, not_scored=40).words
    words = gate(110, 220, labels=31, held_back=170).words
    assert "its 31 seed labels (170 more wait in the vault: roles.seed_fraction) may be too few" in words
