"""Labels: what a reward model says of a pair, and what one is trained on, how sure and how much each counts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ser.method.calibration import confidence, sigmoid
from ser.method.selection import human_weight


class Label(NamedTuple):
    """The probability that response a is the better one, and how much the pair counts in the loss."""

    target: float
    weight: float = 1.0


def weighted(human: Mapping[str, Label], pseudo: Mapping[str, Label], human_share: float | None) -> dict[str, Label]:
    """All labels by pair_id, the human ones as heavy as `human_share` asks; of a pair with both, the machine's."""
    machine = sum(label.weight for label in pseudo.values())
    people = sum(label.weight for pair_id, label in human.items() if pair_id not in pseudo)
    times = human_weight(people, machine, human_share)
    return {pair_id: label._replace(weight=label.weight * times) for pair_id, label in human.items()} | dict(pseudo)


def label_pair(row: dict[str, Any], offset: float, temperature: float) -> dict[str, Any]:
    """A row with `reward_a` and `reward_b` and what they say: p, confidence and the preferred response."""
    margin = row["reward_a"] - row["reward_b"]
    return row | {
        "p_a": sigmoid(row["reward_a"] - offset),
        "p_b": sigmoid(row["reward_b"] - offset),
        "confidence": confidence(margin, temperature),
        "preferred": "a" if margin >= 0 else "b",
    }
