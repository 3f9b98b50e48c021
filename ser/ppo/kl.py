"""The weight of the KL penalty, adapted so that the policy stays about as far from the reference as intended."""

from dataclasses import dataclass


@dataclass
class AdaptiveKl:
    """The proportional controller of Ziegler et al. (arXiv 1909.08593, section 2.2).

        e    = clip((KL - target) / target, -0.2, 0.2)
        beta = beta (1 + K e)

    with K = episodes / horizon, so that the speed does not depend on the size of a rollout.
    """

    weight: float
    target: float
    horizon: int

    def update(self, kl: float, episodes: int) -> None:
        """Take in the mean KL per response (nats) of a rollout of `episodes` responses."""
        error = min(max((kl - self.target) / self.target, -0.2), 0.2)
        self.weight *= 1 + error * episodes / self.horizon
