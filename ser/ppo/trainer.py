"""The loop of PPO: roll out, update, adapt the KL weight, save; it continues where a killed run stopped."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.errors import SerError, shortened
from ser.models.completeness import non_finite
from ser.models.folder_files import some_of
from ser.models.token_budget import TokenBudget
from ser.ppo.objective import AdaptiveKl, clipped, policy_loss, ratio_error, value_loss
from ser.ppo.policy import Policy
from ser.ppo.rollout import UPDATE_TOKENS, Episode, Rollout, Score, collect, minibatches, parts_of
from ser.progress import Progress
from ser.scratch import put_in_place, scratch_path
from ser.specs import Ppo

CHECKPOINT = "checkpoint.pt"
"""What a killed training needs to continue: one file, replaced as a whole."""

SAMPLES = 4
"""Continuations of each rollout that are kept to be read."""

MAX_GRADIENT_NORM = 1.0

TERMS = ("policy_loss", "value_loss", "entropy", "clip_fraction", "ratio_error")


class Trainer:
    """Trains a policy against a score (arXiv 1707.06347, algorithm 1, with the KL penalty of 1909.08593).

    Attributes:
        metrics: one row per rollout. `mean_reward` is the mean raw reward, `mean_score` what is optimised,
            `mean_kl` nats per response, `kl_weight` the weight used in this rollout, `mean_length` tokens,
            `finished` the share of responses that ended by themselves. The losses, the entropy (nats) and
            the clip fraction are means over all tokens of all epochs; `ratio_error` is the mean |ratio - 1| of the
            first minibatch, before any step: 0, unless two passes of one model differ.
        samples: the first responses of each rollout: `episode`, `response` (tokens), `reward`, `step`.
    """

    def __init__(
        self,
        policy: Policy,
        settings: Ppo,
        *,
        end_token: int,
        random_seed: int,
        score: Score,
        batch_tokens: int | None = None,
    ):
        self.policy, self.settings, self.score, self._batch_tokens = policy, settings, score, batch_tokens
        self.end_token, self.random_seed = end_token, random_seed
        self.kl = AdaptiveKl(settings.initial_kl, settings.target_kl, settings.horizon)
        self.optimizer = torch.optim.AdamW(policy.trainable().values(), lr=settings.learning_rate, weight_decay=0.0)
        self.metrics: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []

    def run(self, episodes: Sequence[Episode], folder: Path, progress: Progress) -> None:
        """Train on all `episodes`; a checkpoint in `folder` is continued from, and replaced after each rollout."""
        size, total = self.settings.batch_size, len(episodes)
        longest = max(len(episode.prompt) for episode in episodes) + self.settings.response_tokens + 1
        sizes = (self.settings.lora, self._batch_tokens, longest)
        self._budget = TokenBudget.for_policy(self.policy, *sizes, on_cpu=UPDATE_TOKENS)
        saved = load_checkpoint(folder, self.policy.trainable())
        if saved is not None:
            self._restore(saved, folder, -(-total // size))
        for done in range(len(self.metrics) * size, total, size):
            batch = episodes[done : done + size]
            row = self._step(batch, partial(progress, done, total, "episodes"))
            save_checkpoint(self._state(), folder)
            note = f"reward {row['mean_reward']:.3f}, KL {row['mean_kl']:.2f}"
            progress(done + len(batch), total, "episodes", note)

    def _step(self, batch: Sequence[Episode], tell: Callable[[str], None]) -> dict[str, Any]:
        """One rollout and the updates on it."""
        step = len(self.metrics)
        tell("sampling")
        rollout = collect(
            self.policy,
            batch,
            self.settings,
            step=step,
            kl_weight=self.kl.weight,
            end_token=self.end_token,
            random_seed=self.random_seed,
            score=self.score,
            budget=self._budget,
        )
        terms = self._update(rollout, step, tell)
        row = {"step": step, "episodes": batch[-1].number + 1, "kl_weight": self.kl.weight}
        self.metrics.append(row | _means(rollout) | terms)
        self.samples.extend(_samples(rollout, batch, step))
        self.kl.update(self.metrics[-1]["mean_kl"], len(batch))
        return self.metrics[-1]

    def _update(self, rollout: Rollout, step: int, tell: Callable[[str], None]) -> dict[str, float]:
        """Epochs of minibatches of the clipped losses; returns the mean of each of `TERMS`.

        Loss of a minibatch: mean over its tokens of policy_loss + value_coefficient * value_loss.
        """
        settings, parameters = self.settings, list(self.policy.trainable().values())
        sums, count, at_first = torch.zeros(len(TERMS), dtype=torch.float64), 0, None
        for epoch in range(settings.epochs):
            tell(f"epoch {epoch + 1} of {settings.epochs}")
            plan = {"random_seed": self.random_seed, "step": step, "epoch": epoch}
            for index in minibatches(rollout.sequences, settings.minibatch_size, **plan):
                tokens = int(rollout.sequences.responses[index].sum())
                sums += self._budget.run(partial(self._go_back, rollout, index), self.policy.give_way)
                nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
                self.optimizer.step()
                count += tokens
                at_first = sums / count if at_first is None else at_first
        assert at_first is not None
        return _named(sums / count) | {"ratio_error": _named(at_first)["ratio_error"]}

    def _go_back(self, rollout: Rollout, index: torch.Tensor, tokens: int) -> torch.Tensor:
        """Add the gradients of a minibatch, at most so many tokens at once; returns the sums of its `TERMS`."""
        self.optimizer.zero_grad()  # a try that ran out of memory may have left a part
        actions = int(rollout.sequences.responses[index].sum())
        sums = torch.zeros(len(TERMS), dtype=torch.float64, device=self.policy.device)
        for rows in parts_of(rollout.sequences, index, tokens):
            terms = loss_terms(self.policy, rollout.rows(rows), self.settings)
            loss = (terms[0] + self.settings.value_coefficient * terms[1]) / actions
            loss.backward()
            sums += terms.detach().double()
        return sums.cpu()

    def _state(self) -> dict[str, Any]:
        return {
            "parameters": {name: tensor.detach() for name, tensor in self.policy.trainable().items()},
            "optimizer": self.optimizer.state_dict(),
            "kl_weight": self.kl.weight,
            "metrics": self.metrics,
            "samples": self.samples,
        }

    def _restore(self, state: dict[str, Any], folder: Path, steps: int) -> None:
        """Continue from a checkpoint of at most so many `steps`.

        Raises:
            SerError: it is not whole, or has numbers with which no training goes on.
        """
        parameters, usual = self.policy.trainable(), self.optimizer.state_dict()["param_groups"]
        try:
            with torch.no_grad():
                for name, tensor in state["parameters"].items():
                    parameters[name].copy_(tensor)
            self.optimizer.load_state_dict(state["optimizer"])
            self.kl.weight = state["kl_weight"]
            self.metrics, self.samples = state["metrics"], state["samples"]
            done = [row["step"] for row in self.metrics]
            whole = done == list(range(len(done))) and len(done) <= steps and math.isfinite(self.kl.weight)
            whole = whole and self.optimizer.state_dict()["param_groups"] == usual
            whole = whole and all(_are_moments(self.optimizer.state[one], one) for one in parameters.values())
        except Exception as error:
            raise _damaged(scratch_path(folder, CHECKPOINT), shortened(error)) from error
        if not whole:
            raise _damaged(scratch_path(folder, CHECKPOINT), "the state of its training is not what was saved")


def loss_terms(policy: Policy, part: Rollout, settings: Ppo) -> torch.Tensor:
    """The sums of `TERMS` over the response tokens of a part of a rollout: [5]."""
    now = policy.evaluate(part.sequences, part.trunk)
    mask = part.sequences.mask
    ratio = (now.logprobs, part.logprobs, part.advantages, settings.clip)
    tokens = torch.stack(
        [
            policy_loss(*ratio),
            value_loss(now.values, part.values, part.returns, settings.value_clip),
            now.entropy,
            clipped(*ratio),
            ratio_error(now.logprobs, part.logprobs),
        ]
    )
    # Chosen, not multiplied: whatever stands in the padding, even an infinity, must not reach the sum.
    return tokens.masked_fill(~mask, 0.0).sum((1, 2))


def save_checkpoint(state: dict[str, Any], folder: Path) -> None:
    """Replace the checkpoint in `folder`: at any moment the old or the new one is there, whole."""
    temporary = scratch_path(folder, f"{CHECKPOINT}.new")
    torch.save(state, temporary)
    put_in_place(temporary, scratch_path(folder, CHECKPOINT))


def load_checkpoint(folder: Path, parameters: Mapping[str, torch.Tensor]) -> dict[str, Any] | None:
    """The checkpoint in `folder`, if there is one. Tensors and plain values only; code in it is refused.

    Raises:
        SerError: it is damaged, or is not of a policy with these trainable `parameters`.
    """
    path = scratch_path(folder, CHECKPOINT)
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = {name: tensor.shape for name, tensor in state["parameters"].items()}
    except Exception as error:
        raise _damaged(path, shortened(error)) from error
    if found != {name: parameter.shape for name, parameter in parameters.items()}:
        raise SerError(f"the checkpoint {path} is of another policy. Delete it to begin again.")
    bad = non_finite(state["parameters"].items())
    if bad:
        raise SerError(
            f"the checkpoint {path} has weights that are not finite numbers: {some_of(bad)}.\nThe training diverged, "
            "or the file is damaged: delete it to begin again, or set ppo.learning_rate lower."
        )
    return state


def _damaged(path: Path, reason: str) -> SerError:
    return SerError(f"the checkpoint {path} is damaged: {reason}. Delete it to begin again.")


def _are_moments(held: Mapping[str, torch.Tensor], parameter: torch.Tensor) -> bool:
    """Whether an optimizer's state of a parameter is AdamW's: the same size, and finite."""
    shapes = {name: tensor.shape for name, tensor in held.items() if name != "step"}
    return shapes == dict.fromkeys(("exp_avg", "exp_avg_sq"), parameter.shape) and not non_finite(held.items())


def _named(terms: torch.Tensor) -> dict[str, float]:
    return dict(zip(TERMS, terms.tolist(), strict=True))


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
