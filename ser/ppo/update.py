"""One rollout's updates: epochs of minibatches of the clipped losses."""

from collections.abc import Callable

import torch
from torch import nn

from ser.models.generation import stream
from ser.ppo.losses import clipped, policy_loss, value_loss
from ser.ppo.policy import Policy
from ser.ppo.rollout import Rollout
from ser.specs import Ppo

MAX_GRADIENT_NORM = 1.0
UPDATE_TOKENS = 1024
"""Padded tokens that pass through the network at once: less padding and memory, and the same gradient."""

TERMS = ("policy_loss", "value_loss", "entropy", "clip_fraction")


def update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    settings: Ppo,
    *,
    random_seed: int,
    step: int,
    tell: Callable[[str], None],
) -> dict[str, float]:
    """Train `policy` on a rollout and return the mean of each of `TERMS` over all tokens and epochs.

    Loss of a minibatch: mean over its tokens of policy_loss + value_coefficient * value_loss.
    """
    parameters = list(policy.trainable().values())
    sums, count = torch.zeros(len(TERMS), dtype=torch.float64), 0
    for epoch in range(settings.epochs):
        tell(f"epoch {epoch + 1} of {settings.epochs}")
        generator = stream(random_seed, "minibatch", step, epoch)
        order = torch.randperm(len(rollout.sequences), generator=generator)
        for index in order.split(settings.minibatch_size):
            minibatch = rollout.rows(index)
            tokens = int(minibatch.sequences.responses.sum())
            for rows in minibatch.sequences.parts(UPDATE_TOKENS):
                terms = _terms(policy, minibatch.rows(rows), settings)
                loss = (terms[0] + settings.value_coefficient * terms[1]) / tokens
                loss.backward()
                sums += terms.detach().double().cpu()
            nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
            optimizer.step()
            optimizer.zero_grad()
            count += tokens
    return dict(zip(TERMS, (sums / count).tolist(), strict=True))


def _terms(policy: Policy, part: Rollout, settings: Ppo) -> torch.Tensor:
    """The sums of `TERMS` over the response tokens of a part: [4]."""
    now = policy.evaluate(part.sequences, part.trunk)
    mask = part.sequences.mask
    ratio = (now.logprobs, part.logprobs, part.advantages, settings.clip)
    tokens = torch.stack(
        [
            policy_loss(*ratio),
            value_loss(now.values, part.values, part.returns, settings.value_clip),
            now.entropy,
            clipped(*ratio),
        ]
    )
    # Chosen, not multiplied: whatever stands in the padding, even an infinity, must not reach the sum.
    return tokens.masked_fill(~mask, 0.0).sum((1, 2))
