"""The gate before self-training: is the seed RM shown to be better than a coin, and if not, what would show it?"""

from collections.abc import Mapping
from typing import Any

from ser.method.stats import is_above_chance, needed_above_half
from ser.specs import Gate, Spec

NEAR = 0.53
"""An accuracy up to this is called near a coin's: more than two thousand pairs would be needed to tell it from one."""

USEFUL = 0.65
"""An accuracy worth having: where the interval reaches it, the pairs cannot tell such a model from a coin."""

FEW_LABELS = 300
"""Labels below which their number may be why a model has learnt nothing, and nearly all right is suspicious."""


class SeedData(Spec):
    """What the seed RM was trained on, and what the settings kept from it and from its calibration."""

    labels: int
    held_back: int
    """Human labels that lie in the vault because the seed takes a fraction of them."""
    left_out: int
    """Landed pairs that `roles.max_pairs` leaves out."""
    not_scored: int
    """Calibration and test pairs that `roles.heldout_max` leaves out."""
    first_loss: float
    last_loss: float


def is_shown(accuracy: Mapping[str, Any]) -> bool:
    """Whether a calibration accuracy (`ser.method.stats.share`) is above one half by its interval (SER, section 3)."""
    return is_above_chance(accuracy["ci_low"])


def describe_gate(accuracy: Mapping[str, Any], seed: SeedData) -> Gate:
    """The gate at the seed RM's calibration accuracy, with the words for people."""
    value, n = accuracy["value"], accuracy["n"]
    shown = is_shown(accuracy)
    cannot_tell = value <= NEAR and accuracy["ci_high"] > USEFUL
    hoped = USEFUL if cannot_tell else value
    needed = None if hoped <= NEAR else needed_above_half(hoped, n / accuracy["n_effective"])
    measured = (
        f"{n} calibration pairs ({value:.0%}, 95 % interval {100 * accuracy['ci_low']:.0f} to "
        f"{100 * accuracy['ci_high']:.0f} %)"
    ).replace("%,", " %,")
    words = f"shown to be better than a coin with {measured}"
    if not shown:
        words = f"not {words}; {_what_would_show_it(needed, cannot_tell, seed)}"
    ends = {name: accuracy[name] for name in ("ci_low", "ci_high")}
    return Gate(shown=shown, accuracy=value, **ends, n=n, needed=needed, words=words)


def _what_would_show_it(needed: int | None, cannot_tell: bool, seed: SeedData) -> str:
    """What to do, naming a setting only where it is to blame."""
    more = f"; roles.max_pairs leaves out {seed.left_out:,} landed pairs: raise it" if seed.left_out else ""
    more += f"; roles.heldout_max leaves out {seed.not_scored:,} held-out pairs: raise it" if seed.not_scored else ""
    if cannot_tell:
        return f"so few cannot tell: about {needed:,} would show a model that is {100 * USEFUL:.0f} % right{more}"
    if needed is not None:
        return f"about {needed:,} are needed to show an accuracy like this{more}"
    if seed.last_loss < seed.first_loss:
        training = "the loss of its training fell, so that what it learnt does not carry over: look at the labels"
    else:
        training = "the loss of its training did not fall: look at the pairwise training (reward_model) and the labels"
    held = f" ({seed.held_back:,} more wait in the vault: roles.seed_fraction)" if seed.held_back else ""
    few = f"its {seed.labels:,} seed labels{held} may be too few, and " if seed.labels < FEW_LABELS else ""
    return f"more pairs of this kind would not show it: {few}{training}{more}"
