"""What a reward model says of a pair."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scored:
    """The raw rewards of one pair."""

    pair_id: str
    reward_a: float
    reward_b: float

    @property
    def margin(self) -> float:
        """reward_a - reward_b"""
        return self.reward_a - self.reward_b
