"""What a pair may be used for: a pure function of a snapshot and the settings, drawn by keyed hashes."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from ser.specs import Roles

Role = Literal["seed", "calibration", "test", "pool", "unused"]

ROLES: tuple[Role, ...] = ("seed", "calibration", "test", "pool", "unused")
TRAIN = "train"
"""What a row may ask for beside a role: to be trained on, as seed or as pool."""
ASKED_ROLES: dict[str, str] = {
    **dict(zip(ROLES, ROLES, strict=True)),
    **dict.fromkeys((TRAIN, "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "calibration"),
}
"""What the column `role` may say, in any case: our roles, and the names of published splits."""
LABEL_ROLES: frozenset[str] = frozenset({"seed", "calibration", "test"})
"""Roles that only a pair with a human label can have."""

MIN_PAIRS = 16
"""Pairs of a role below which training, calibrating or testing would be noise."""
MIN_SEED = 28
"""Seed pairs that a simulation aims at where 15 % of its labels are fewer: a draw then seldom gives less than 16."""

TEST_FRACTION = 0.25
CALIBRATION_PAIRS = 100
"""Calibration pairs that are aimed at, within 10 and 25 % of the labels."""
SIMULATED_SEED = 0.15
REAL_POOL = 0.1
"""Share of a snapshot's pairs that have no label from which on the pool is real, and every training label seed."""


@dataclass(frozen=True)
class Labelled:
    """How much of what is used of a snapshot is labelled.

    Attributes:
        pairs: all that are used.
        labelled: with a vote that was landed, whatever it says (a review's does not count).
        drawn: labelled pairs that ask for no role.
        asked_train: labelled pairs of a published split for training: drawn for anything but the test.
        asked_test: labelled pairs that ask to be tested with.
    """

    pairs: int
    labelled: int
    drawn: int
    asked_train: int
    asked_test: int


@dataclass(frozen=True)
class Fractions:
    """The thresholds of the draw, in shares of the labelled units; the seed's is of those for training.

    `simulated`: the pool is made of labelled pairs, whose labels go to the vault.
    """

    test: float
    calibration: float
    seed: float
    simulated: bool


def decide_fractions(roles: Roles, labelled: Labelled) -> Fractions:
    """The shares of the draw; a set value always wins."""
    drawn = labelled.drawn + labelled.asked_train
    test = _first(roles.test_fraction, roles.fold_fraction, TEST_FRACTION)
    aimed_at = min(0.25, max(0.10, CALIBRATION_PAIRS / max(1, drawn)))
    calibration = min(_first(roles.calibration_fraction, aimed_at), 1 - test)
    unlabelled = labelled.pairs - labelled.labelled
    simulated = unlabelled < REAL_POOL * labelled.pairs
    training = drawn - labelled.drawn * test - drawn * calibration
    seed = max(SIMULATED_SEED, min(0.5, MIN_SEED / training)) if training > 0 else SIMULATED_SEED
    return Fractions(test, calibration, _first(roles.seed_fraction, seed if simulated else 1.0), simulated)


def draw_unit(unit: str, draw: int) -> float:
    """A number in [0, 1) that depends on the name of a unit and the setting `roles.draw` only.

    `DRAW` is the same in SQL.
    """
    return int(hashlib.sha256(f"{draw}:{unit}".encode()).hexdigest()[:13], 16) / 16**13


DRAW = "(CAST('0x' || substr(sha256('{draw}:' || {unit}), 1, 13) AS UBIGINT) / 16.0 ** 13)"


def _first(*values: float | None) -> float:
    """The first value that is set."""
    return next(value for value in values if value is not None)
