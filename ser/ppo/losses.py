"""The losses of PPO, per token: [B, T] in, [B, T] out. The trainer averages them over response tokens."""

import torch


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
    """kl_t = log pi(a_t | s_t) - log pi_ref(a_t | s_t) for tokens drawn from pi.

    Its sum over a response is an unbiased estimate of KL(pi || pi_ref); a single token's may be negative.
    """
    return logprobs - reference
