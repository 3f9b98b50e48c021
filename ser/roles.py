"""What a pair may be used for: decided once per prompt (or group) by a keyed hash, and kept for ever."""

from collections.abc import Collection, Mapping
from typing import Literal

from ser.pairs import unit_interval

Role = Literal["seed", "calibration", "test", "pool", "unused"]
Purpose = Literal["train", "calibration", "test"]
"""What a whole prompt or group is for; its pairs have roles within that."""

ROLES: tuple[Role, ...] = ("seed", "calibration", "test", "pool", "unused")
LABEL_ROLES: frozenset[str] = frozenset({"seed", "calibration", "test"})
"""Roles that only a pair with a human label can have."""

STRICTEST_FIRST: tuple[Purpose, ...] = ("test", "calibration", "train")

TEST_SHARE = 0.25
CALIBRATION_SHARE = 0.10
DEFAULT_SEED_FRACTION = 0.15
"""Share of the training prompts that is seed when every pair has a label; else all labels are needed."""


def decide_purpose(unit: str, known: Collection[str], asked: Collection[str], labelled: bool) -> Purpose:
    """The purpose of prompts and groups that are seen for the first time and belong together.

    Args:
        unit: their name for ever, the key of the draw.
        known: purposes of earlier prompts and groups they are tied to; these come first.
        asked: purposes that their rows ask for by a `role`.
        labelled: whether any of their rows has a human label; without one they would be wasted on a test.
    """
    for claims in (known, asked):
        for purpose in STRICTEST_FIRST:
            if purpose in claims:
                return purpose
    if not labelled:
        return "train"
    draw = unit_interval("role", unit)
    if draw < TEST_SHARE:
        return "test"
    return "calibration" if draw < TEST_SHARE + CALIBRATION_SHARE else "train"


def first_unit(units: Mapping[str, str | None], purpose: str, otherwise: str) -> str:
    """The unit whose draws a new prompt shares: that of the group it is tied to, or else its own."""
    return units.get(purpose) or otherwise


def first_role(purpose: str, unit: str, labelled: bool, asked: str | None, seed_fraction: float) -> str:
    """The role of a pair when it first lands."""
    if asked:
        return asked
    if purpose != "train":
        return purpose if labelled else "unused"
    return "seed" if labelled and unit_interval("seed", unit) < seed_fraction else "pool"


def later_role(role: str, purpose: str, fixed: bool, asked: str | None) -> str:
    """The role of a known pair that gets its first human label (or, in the pool, its first that asks for the seed).

    A review asks for the seed: its pairs were chosen, so that they would bias a calibration or a test.

    Args:
        role: the one it has.
        purpose: what its prompt is for.
        fixed: whether its role was asked for and not drawn.
        asked: the role that the row with the label asks for.
    """
    if asked:
        return asked
    if role == "pool":
        return "seed"
    if role == "unused" and not fixed and purpose != "train":
        return purpose
    return role


def seed_fraction_of(every_pair_labelled: bool) -> float:
    """The seed's share of the labelled training prompts of a dataset, from its first landing."""
    return DEFAULT_SEED_FRACTION if every_pair_labelled else 1.0
