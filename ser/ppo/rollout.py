"""A rollout: responses that the policy sampled, what they earned, and what each token contributed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ser.models.generation import stream
from ser.ppo.advantages import gae, whiten
from ser.ppo.losses import token_kl
from ser.ppo.policy import Policy
from ser.ppo.sequences import Sequences
from ser.specs import Ppo

Score = Callable[[Sequences, torch.Tensor], torch.Tensor]
"""Turns responses and their raw rewards [B] into the scores [B] that the policy is to raise."""


def sigmoid_score(reward_offset: float) -> Score:
    """score = sigmoid(reward - reward_offset), the probability p of the reward model."""
    return lambda sequences, rewards: torch.sigmoid(rewards - reward_offset)


@dataclass
class Rollout:
    """`B` responses and all that an update needs of them; the tensors are [B, T] unless said otherwise.

    Attributes:
        logprobs, values: of the policy when it sampled, from generation itself.
        advantages: whitened over the rollout. returns: what the values should have been.
        trunk: [B, L, H] states below the policy's adapter, or None.
        kl: [B] KL estimate of each response in nats. rewards, scores: [B].
        finished: for each response whether it ended by itself.
    """

    sequences: Sequences
    logprobs: torch.Tensor
    values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor
    trunk: torch.Tensor | None
    kl: torch.Tensor
    rewards: torch.Tensor
    scores: torch.Tensor
    finished: list[bool]

    def rows(self, index: torch.Tensor) -> "Rollout":
        """Some of the responses, without the padding that only the others needed."""
        part = self.sequences.rows(index)
        length, steps = part.input_ids.shape[1], int(part.responses.max())
        return replace(
            self,
            sequences=part,
            logprobs=self.logprobs[index, :steps],
            values=self.values[index, :steps],
            advantages=self.advantages[index, :steps],
            returns=self.returns[index, :steps],
            trunk=None if self.trunk is None else self.trunk[index, :length],
            kl=self.kl[index],
            rewards=self.rewards[index],
            scores=self.scores[index],
            finished=[self.finished[row] for row in index.tolist()],
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


def collect(
    policy: Policy,
    episodes: Sequence[Episode],
    settings: Ppo,
    *,
    kl_weight: float,
    end_token: int,
    random_seed: int,
    score: Score,
) -> Rollout:
    """Sample a response for each episode, score it, and estimate advantages.

        r_t = -kl_weight kl_t, plus the score at the last token

    An unfinished response is scored as if an end token followed (see `Sequences`).
    """
    draws = torch.stack([episode.draws(random_seed, settings.response_tokens) for episode in episodes])
    prompts = [episode.prompt for episode in episodes]
    generated, values = policy.generate(prompts, settings.response_tokens, end_token, draws)
    sequences = Sequences.join(prompts, generated.responses, end_token, generated.logprobs.device)
    survey = policy.survey(sequences)
    mask = sequences.mask
    steps = mask.shape[1]
    logprobs, values = generated.logprobs[:, :steps], values[:, :steps].masked_fill(~mask, 0.0)
    kl = token_kl(logprobs, survey.reference).masked_fill(~mask, 0.0)
    scores = score(sequences, survey.rewards)
    rewards = -kl_weight * kl
    rewards[torch.arange(len(episodes)), sequences.responses - 1] += scores
    advantages, returns = gae(rewards, values, mask, settings.gamma, settings.lam)
    return Rollout(
        sequences=sequences,
        logprobs=logprobs,
        values=values,
        advantages=whiten(advantages, mask),
        returns=returns,
        trunk=survey.trunk,
        kl=kl.sum(1),
        rewards=survey.rewards,
        scores=scores,
        finished=generated.finished,
    )
