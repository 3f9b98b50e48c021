"""What PPO optimises: each equation of it, with its source.

Tensors are [B, T]: `B` responses that start at column 0, of at most `T` tokens; `mask` is True on their tokens. The
trainer averages the losses over tokens.
"""

from dataclasses import dataclass

import torch


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages and returns: generalised advantage estimation (arXiv 1506.02438, eq. 11 and 16).

        delta_t = r_t + gamma V_{t+1} - V_t
        A_t     = delta_t + gamma lambda A_{t+1}
        R_t     = A_t + V_t

    Nothing comes after a response's last token: its next value is 0. Columns outside the mask are 0 in both results,
    whatever they hold in `rewards` and `values`.
    """
    inside = mask.to(rewards.dtype)
    rewards, values = rewards.masked_fill(~mask, 0.0), values.masked_fill(~mask, 0.0)
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        next_advantage = (delta + gamma * lam * next_advantage) * inside[:, t]
        next_value = values[:, t]
        advantages[:, t] = next_advantage
    return advantages, advantages + values


def whiten(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`values` shifted and scaled to mean 0 and variance 1 over the mask; 0 outside it."""
    chosen = values[mask]
    centred = (values - chosen.mean()) * torch.rsqrt(chosen.var(unbiased=False) + 1e-8)
    return centred.masked_fill(~mask, 0.0)


def policy_loss(
    logprobs: torch.Tensor, old_logprobs: torch.Tensor, advantages: torch.Tensor, clip: float
) -> torch.Tensor:
    """The clipped surrogate (arXiv 1707.06347, eq. 7), negated because it is minimised.

        ratio_t = pi(a_t | s_t) / pi_old(a_t | s_t)
        L_t     = -min(ratio_t A_t, clip(ratio_t, 1 - clip, 1 + clip) A_t)

    A ratio that has already moved beyond the range in the direction of its advantage has no gradient.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped(logprobs: torch.Tensor, old_logprobs: torch.Tensor, advantages: torch.Tensor, clip: float) -> torch.Tensor:
    """1 where the clipped term of `policy_loss` is the smaller one, so the token has no gradient; else 0."""
    ratio = torch.exp(logprobs - old_logprobs)
    beyond = torch.where(advantages > 0, ratio > 1 + clip, ratio < 1 - clip)
    return (beyond & (advantages != 0)).to(logprobs.dtype)


def ratio_error(logprobs: torch.Tensor, old_logprobs: torch.Tensor) -> torch.Tensor:
    """|ratio_t - 1|: before the first step it should be 0, and what it is instead comes from arithmetic alone."""
    return torch.expm1(logprobs - old_logprobs).abs()


def value_loss(values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, clip: float) -> torch.Tensor:
    """Squared error of the value, with the new value kept near the old one (the code of arXiv 1707.06347).

    L_t = 1/2 max((V_t - R_t)^2, (clip(V_t, V_old - clip, V_old + clip) - R_t)^2)
    """
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2)


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """H_t = -sum_a pi(a | s_t) log pi(a | s_t) in nats, over the last dimension of `logits`."""
    logprobs = torch.log_softmax(logits, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)


def token_kl(logprobs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """kl_t = log pi(a_t | s_t) - log pi_ref(a_t | s_t) for tokens drawn from pi (arXiv 1909.08593, eq. 2).

    Its sum over a response is an unbiased estimate of KL(pi || pi_ref); a single token's may be negative.
    """
    return logprobs - reference


@dataclass
class AdaptiveKl:
    """The weight beta of the KL penalty, adapted so that the policy stays about `target` nats from the reference.

        e    = clip(KL / target - 1, -0.2, 0.2)
        beta = beta (1 + e)^(episodes / horizon)

    The proportional controller of Ziegler et al. (arXiv 1909.08593, section 2.2), whose beta (1 + K e) is its first
    order for K = episodes / horizon. As a power, its speed does not depend on the size of a rollout, and no horizon
    turns the weight negative.
    """

    weight: float
    target: float
    horizon: int

    def update(self, kl: float, episodes: int) -> None:
        """Take in the mean KL per response (nats) of a rollout of `episodes` responses."""
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.weight *= (1 + error) ** (episodes / self.horizon)
