"""A suspicion is said where it is due, and nowhere else."""

from typing import Any

import pytest

from ser.method.stats import share
from ser.method.suspicion import suspicions


def measured(right: int, n: int) -> dict[str, Any]:
    return share([1.0] * right + [0.0] * (n - right), [str(k) for k in range(n)])


COIN = measured(25, 50)


@pytest.mark.parametrize(
    ("right", "n", "labels", "suspicious"),
    [(50, 50, 28, True), (49, 50, 250, True), (45, 50, 28, False), (50, 50, 5000, False), (5, 5, 28, False)],
)
def test_nearly_all_right_from_few_labels(right: int, n: int, labels: int, suspicious: bool) -> None:
    found = suspicions(measured(right, n), COIN, labels)
    assert found == ([f"{100 * right // n} % from {labels} labels: look for a shortcut, e.g. a length or a marker"]
                     if suspicious else [])  # fmt: skip


@pytest.mark.parametrize(
    ("right", "longer", "rule"),
    [(66, 70, "longer"), (70, 70, "longer"), (66, 30, "shorter"), (71, 70, None), (50, 55, None), (20, 50, None)],
)
def test_no_better_than_a_rule_of_length_that_is_clearly_right(right: int, longer: int, rule: str | None) -> None:
    found = suspicions(measured(right, 100), measured(longer, 100), 148)
    if rule is None:
        assert found == []
    else:
        assert found == [f'{right}.0 % is no better than "the {rule} response wins" (70.0 %), a rule that '
                         "needs no model: look at what it has learnt"]  # fmt: skip
