"""The loop of PPO: roll out, update, adapt the KL weight, save; it continues where a killed run stopped."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ser.ppo import checkpoint
from ser.ppo.kl import AdaptiveKl
from ser.ppo.policy import Policy
from ser.ppo.rollout import Episode, Rollout, Score, collect
from ser.ppo.update import update
from ser.progress import Progress
from ser.specs import Ppo

SAMPLES = 4
"""Continuations of each rollout that are kept to be read."""


class Trainer:
    """Trains a policy against a score (arXiv 1707.06347, algorithm 1, with the KL penalty of 1909.08593).

    Attributes:
        metrics: one row per rollout. `mean_reward` is the mean raw reward, `mean_score` what is optimised,
            `mean_kl` nats per response, `kl_weight` the weight used in this rollout, `mean_length` tokens,
            `finished` the share of responses that ended by themselves. The losses, the entropy (nats) and
            the clip fraction are means over all tokens of all epochs.
        samples: the first responses of each rollout: `episode`, `response` (tokens), `reward`, `step`.
    """

    def __init__(self, policy: Policy, settings: Ppo, *, end_token: int, random_seed: int, score: Score):
        self.policy, self.settings, self.score = policy, settings, score
        self.end_token, self.random_seed = end_token, random_seed
        self.kl = AdaptiveKl(settings.initial_kl, settings.target_kl, settings.kl_horizon)
        self.optimizer = torch.optim.AdamW(policy.trainable().values(), lr=settings.learning_rate, weight_decay=0.0)
        self.metrics: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []

    def run(self, episodes: Sequence[Episode], folder: Path, progress: Progress) -> None:
        """Train on all `episodes`; a checkpoint in `folder` is continued from, and replaced after each rollout."""
        saved = checkpoint.load(folder)
        if saved is not None:
            self._restore(saved)
        size, total = self.settings.batch_size, len(episodes)
        for done in range(len(self.metrics) * size, total, size):
            batch = episodes[done : done + size]
            row = self._step(batch, partial(progress, done, total, "episodes"))
            checkpoint.save(self._state(), folder)
            note = f"reward {row['mean_reward']:.3f}, KL {row['mean_kl']:.2f}"
            progress(done + len(batch), total, "episodes", note)

    def _step(self, batch: Sequence[Episode], tell: partial[None]) -> dict[str, Any]:
        """One rollout and the updates on it."""
        step = len(self.metrics)
        tell("sampling")
        rollout = collect(
            self.policy,
            batch,
            self.settings,
            kl_weight=self.kl.weight,
            end_token=self.end_token,
            random_seed=self.random_seed,
            score=self.score,
        )
        terms = update(
            self.policy,
            self.optimizer,
            rollout,
            self.settings,
            random_seed=self.random_seed,
            step=step,
            tell=tell,
        )
        row = {"step": step, "episodes": batch[-1].number + 1, "kl_weight": self.kl.weight}
        self.metrics.append(row | _means(rollout) | terms)
        self.samples.extend(_samples(rollout, batch, step))
        self.kl.update(self.metrics[-1]["mean_kl"], len(batch))
        return self.metrics[-1]

    def _state(self) -> dict[str, Any]:
        return {
            "parameters": {name: tensor.detach() for name, tensor in self.policy.trainable().items()},
            "optimizer": self.optimizer.state_dict(),
            "kl_weight": self.kl.weight,
            "metrics": self.metrics,
            "samples": self.samples,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        parameters = self.policy.trainable()
        with torch.no_grad():
            for name, tensor in state["parameters"].items():
                parameters[name].copy_(tensor)
        self.optimizer.load_state_dict(state["optimizer"])
        self.kl.weight = state["kl_weight"]
        self.metrics, self.samples = state["metrics"], state["samples"]


def _means(rollout: Rollout) -> dict[str, float]:
    return {
        "mean_reward": rollout.rewards.mean().item(),
        "mean_score": rollout.scores.mean().item(),
        "mean_kl": rollout.kl.mean().item(),
        "mean_length": rollout.sequences.responses.float().mean().item(),
        "finished": sum(rollout.finished) / len(rollout.finished),
    }


def _samples(rollout: Rollout, batch: Sequence[Episode], step: int) -> list[dict[str, Any]]:
    tokens, lengths = rollout.sequences.tokens.tolist(), rollout.sequences.responses.tolist()
    return [
        {
            "episode": batch[row].number,
            "response": tokens[row][: lengths[row]],
            "reward": rollout.rewards[row].item(),
            "step": step,
        }
        for row in range(min(SAMPLES, len(batch)))
    ]
