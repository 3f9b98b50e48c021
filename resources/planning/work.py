"""What a stage does, as numbers that add up: tokens, arithmetic, bytes that are moved, steps of generation."""

from dataclasses import dataclass, fields
from typing import Literal

Kind = Literal["scoring", "training", "policy"]
"""What decides the memory of a stage, and whether cards share it: a policy is trained on one."""


@dataclass(frozen=True)
class Counts:
    """Pairs of each role."""

    pool: int
    seed: int
    calibration: int
    test: int

    @property
    def heldout(self) -> int:
        """Pairs that every reward model is measured on."""
        return self.calibration + self.test

    @property
    def all(self) -> int:
        """Pairs that become tokens."""
        return self.pool + self.seed + self.heldout


@dataclass(frozen=True)
class Work:
    """What a stage does; two of them can be added.

    Attributes:
        tokens: that pass the network, each as often as it does.
        forward_flops: of passes without gradients; training_flops: of those with; again_flops: what training costs
            more where layers are computed again.
        forward_layers, trained_layers: tokens times the layers that they pass without and with gradients.
        states_read, states_written: bytes of cached states.
        decoded: steps of generation, in each of which a token of every response is made.
        decoded_rows, decoded_tokens: responses made at once, and tokens that each of them looks back on (means).
        loads: how often a model is read from the disk.
    """

    tokens: float = 0.0
    forward_flops: float = 0.0
    training_flops: float = 0.0
    again_flops: float = 0.0
    forward_layers: float = 0.0
    trained_layers: float = 0.0
    states_read: float = 0.0
    states_written: float = 0.0
    decoded: float = 0.0
    decoded_rows: float = 0.0
    decoded_tokens: float = 0.0
    loads: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        """Both. Of responses made at once the larger number stands."""
        most = {"decoded_rows", "decoded_tokens"}
        sums = {}
        for field in fields(self):
            one, two = getattr(self, field.name), getattr(other, field.name)
            sums[field.name] = max(one, two) if field.name in most else one + two
        return Work(**sums)

    def __mul__(self, times: float) -> "Work":
        """As often as that."""
        least = {"decoded_rows", "decoded_tokens"}
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Work(**{name: value if name in least else times * value for name, value in values.items()})

    @property
    def flops(self) -> float:
        """All, where no layer is computed again."""
        return self.forward_flops + self.training_flops


@dataclass(frozen=True)
class Stage:
    """The work behind one asset."""

    name: str
    kind: Kind
    work: Work
