"""The labels that a reward model is trained on: how sure, and how much each counts."""

from collections.abc import Mapping
from typing import NamedTuple

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
