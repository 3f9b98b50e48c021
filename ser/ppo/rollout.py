"""A rollout: responses that the policy sampled, what they earned, and what each token contributed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch

from ser.models.generation import stream
from ser.models.token_budget import TokenBudget
from ser.ppo.objective import gae, token_kl, whiten
from ser.ppo.policy import Policy, Survey
from ser.ppo.sequences import Sequences
from ser.specs import Ppo

UPDATE_TOKENS = 1024
"""Padded tokens that pass through a processor at once: less padding and memory, and the same gradient."""

Score = Callable[[Sequences, torch.Tensor], torch.Tensor]
"""Turns responses and their raw rewards [B] into the scores [B] that the policy is to raise."""


def sigmoid_score(reward_offset: float) -> Score:
    """score = sigmoid(reward - reward_offset), the probability p of the reward model."""
    return lambda sequences, rewards: torch.sigmoid(rewards - reward_offset)


@dataclass
class Rollout:
    """`B` responses and all that an update needs of them; the tensors are [B, T] unless said otherwise.

    Attributes:
        logprobs, values: of the policy when it sampled, computed as the update computes them.
        advantages: whitened over the rollout. returns: what the values should have been.
        trunk: the states of each response below the policy's adapter, or None.
        kl: [B] KL estimate of each response in nats. rewards, scores: [B].
        finished: for each response whether it ended by itself.
    """

    sequences: Sequences
    logprobs: torch.Tensor
    values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor
    trunk: list[torch.Tensor] | None
    kl: torch.Tensor
    rewards: torch.Tensor
    scores: torch.Tensor
    finished: list[bool]

    def rows(self, index: torch.Tensor) -> "Rollout":
        """Some of the responses, without the padding that only the others needed."""
        part = self.sequences.rows(index)
        steps, numbers = int(part.responses.max()), index.tolist()
        return replace(
            self,
            sequences=part,
            logprobs=self.logprobs[index, :steps],
            values=self.values[index, :steps],
            advantages=self.advantages[index, :steps],
            returns=self.returns[index, :steps],
            trunk=None if self.trunk is None else [self.trunk[row] for row in numbers],
            kl=self.kl[index],
            rewards=self.rewards[index],
            scores=self.scores[index],
            finished=[self.finished[row] for row in numbers],
        )


@dataclass(frozen=True)
class Episode:
    """A prompt to be answered, and the identity from which its random draws come."""

    number: int
    pair_id: str
    prompt: list[int]

    def draws(self, random_seed: int, response_tokens: int) -> torch.Tensor:
        """[response_tokens] numbers in [0, 1)."""
        generator = stream(random_seed, "sample", self.number, self.pair_id)
        return torch.rand(response_tokens, generator=generator, dtype=torch.float64)


def minibatches(sequences: Sequences, size: int, *, random_seed: int, step: int, epoch: int) -> Sequence[torch.Tensor]:
    """The rows of the minibatches of an epoch of rollout `step`."""
    generator = stream(random_seed, "minibatch", step, epoch)
    order = torch.randperm(len(sequences), generator=generator).to(sequences.input_ids.device)
    return order.split(size)


def parts_of(sequences: Sequences, index: torch.Tensor, tokens: int) -> list[torch.Tensor]:
    """Some rows in the parts that pass through the network at once."""
    return [index[rows] for rows in sequences.rows(index).parts(tokens)]


def collect(
    policy: Policy,
    episodes: Sequence[Episode],
    settings: Ppo,
    *,
    step: int,
    kl_weight: float,
    end_token: int,
    random_seed: int,
    score: Score,
    budget: TokenBudget,
) -> Rollout:
    """Sample a response for each episode, score it, and estimate advantages.

        r_t = -kl_weight kl_t, plus the score at the last token (arXiv 1909.08593, eq. 2)

    An unfinished response is scored as if an end token followed (see `Sequences`). Policy and reference pass over the
    responses in the parts of the first epoch: other kernels, or other companions, would differ in the last bits, which
    in bfloat16 are percents of a probability.
    """
    draws = torch.stack([episode.draws(random_seed, settings.response_tokens) for episode in episodes])
    prompts = [episode.prompt for episode in episodes]
    generated = policy.generate(prompts, settings.response_tokens, end_token, draws)
    sequences = Sequences.join(prompts, generated.responses, end_token, policy.device)
    first_epoch = minibatches(sequences, settings.minibatch_size, random_seed=random_seed, step=step, epoch=0)

    def survey_all(tokens: int) -> Survey:
        return policy.survey(sequences, chain.from_iterable(parts_of(sequences, one, tokens) for one in first_epoch))

    survey = budget.run(survey_all, policy.give_way)
    mask = sequences.mask
    kl = token_kl(survey.logprobs, survey.reference)
    scores = score(sequences, survey.rewards)
    rewards = -kl_weight * kl
    rewards[torch.arange(len(episodes), device=policy.device), sequences.responses - 1] += scores
    advantages, returns = gae(rewards, survey.values, mask, settings.gamma, settings.lam)
    return Rollout(
        sequences=sequences,
        logprobs=survey.logprobs,
        values=survey.values,
        advantages=whiten(advantages, mask),
        returns=returns,
        trunk=survey.trunk,
        kl=kl.sum(1),
        rewards=survey.rewards,
        scores=scores,
        finished=generated.finished,
    )
