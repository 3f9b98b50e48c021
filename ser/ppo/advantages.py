"""How much better an action was than expected: generalised advantage estimation, and whitening."""

import torch


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages and returns [B, T] of responses that start at column 0 (arXiv 1506.02438, eq. 11 and 16).

        delta_t = r_t + gamma V_{t+1} - V_t
        A_t     = delta_t + gamma lambda A_{t+1}
        R_t     = A_t + V_t

    `mask` [B, T] is True on response tokens. Nothing comes after a response's last token: its next value is 0.
    Columns outside the mask are 0 in both results, whatever they hold in `rewards` and `values`.
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
    """`values` [B, T] shifted and scaled to mean 0 and variance 1 over the mask; 0 outside it."""
    chosen = values[mask]
    centred = (values - chosen.mean()) * torch.rsqrt(chosen.var(unbiased=False) + 1e-8)
    return centred.masked_fill(~mask, 0.0)
