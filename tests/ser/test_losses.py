"""The losses against their equations, worked out by hand."""

import pytest
import torch
from torch.nn.functional import logsigmoid

from ser.losses import pairwise_loss

REWARDS = torch.tensor([[1.5, -0.25], [0.1, 0.7], [30.0, -200.0]])
A, B, C = REWARDS.unbind(0)


def test_a_hard_label_has_exactly_the_log_loss_of_its_chosen_response() -> None:
    for target in (0.0, 1.0):
        for pair in (A, B, C):
            chosen, rejected = pair if target else pair.flip(0)
            expected = -logsigmoid(chosen - rejected) + 0.01 * (chosen + rejected) ** 2
            found = pairwise_loss(pair[None], torch.tensor([target]), torch.ones(1), 1.0, 0.01)
            assert found.item() == expected.item()


def test_weights_and_soft_targets_by_hand() -> None:
    target, weight = torch.tensor([0.8, 0.0, 1.0]), torch.tensor([1.0, 0.5, 0.0])
    loss = pairwise_loss(REWARDS, target, weight, 1.5, 0.01)
    first = -0.8 * logsigmoid(A[0] - A[1]) - 0.2 * logsigmoid(A[1] - A[0]) + 0.01 * (A[0] + A[1]) ** 2
    second = -logsigmoid(B[1] - B[0]) + 0.01 * (B[0] + B[1]) ** 2
    assert loss.item() == pytest.approx(((first + 0.5 * second) / 1.5).item(), rel=1e-6)


def test_a_soft_label_pulls_the_margin_to_its_own_log_odds_and_no_further() -> None:
    rewards = torch.tensor([[1.0, 1.0 - torch.logit(torch.tensor(0.8)).item()]], requires_grad=True)
    pairwise_loss(rewards, torch.tensor([0.8]), torch.ones(1), 1.0).backward()
    assert rewards.grad is not None and rewards.grad.abs().max() < 1e-6
