from math import log

import pytest
import torch

from ser.ppo.kl import AdaptiveKl
from ser.ppo.losses import clipped, entropy, policy_loss, token_kl, value_loss


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.1, 2.0, -2.2, True),
        (1.5, 2.0, -2.4, False),  # good, and already likelier than 1 + clip
        (0.5, 2.0, -1.0, True),  # good, but less likely: pull back without limit
        (0.9, -2.0, 1.8, True),
        (0.5, -2.0, 1.6, False),  # bad, and already less likely than 1 - clip
        (1.5, -2.0, 3.0, True),  # bad, but likelier: push down without limit
    ],
)
def test_the_ratio_is_clipped_only_where_it_has_gone_far_enough(
    ratio: float, advantage: float, loss: float, moves: bool
) -> None:
    logprobs = torch.tensor([[log(ratio) - 1.0]], dtype=torch.float64, requires_grad=True)
    old, advantages = torch.tensor([[-1.0]], dtype=torch.float64), torch.tensor([[advantage]])
    result = policy_loss(logprobs, old, advantages, 0.2)
    result.sum().backward()
    assert result.item() == pytest.approx(loss)
    assert logprobs.grad is not None and (logprobs.grad.item() != 0) == moves
    assert bool(clipped(logprobs, old, advantages, 0.2)) == (not moves)


@pytest.mark.parametrize(
    ("value", "target", "loss", "moves"),
    [
        (1.1, 2.0, 0.405, True),  # inside the range: plain squared error
        (1.5, 2.0, 0.32, False),  # beyond it towards the target: judged at 1.2, no gradient
        (0.5, 2.0, 1.125, True),  # beyond it away from the target: the larger error counts
    ],
)
def test_the_value_is_clipped_around_the_old_one(value: float, target: float, loss: float, moves: bool) -> None:
    values = torch.tensor([[value]], requires_grad=True)
    result = value_loss(values, torch.tensor([[1.0]]), torch.tensor([[target]]), 0.2)
    result.sum().backward()
    assert result.item() == pytest.approx(loss)
    assert values.grad is not None and (values.grad.item() != 0) == moves


def test_entropy_and_kl() -> None:
    assert entropy(torch.tensor([[0.0, 0.0, 0.0, 0.0]])).tolist() == pytest.approx([log(4)])
    assert entropy(torch.tensor([[0.0, 1000.0]])).item() == 0
    assert token_kl(torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -1.0])).tolist() == [1.0, -2.0]


def test_the_kl_weight_follows_the_target() -> None:
    kl = AdaptiveKl(weight=0.2, target=6.0, horizon=100)
    kl.update(6.0, episodes=10)
    assert kl.weight == 0.2
    kl.update(6.6, episodes=10)  # error 0.1
    assert kl.weight == pytest.approx(0.2 * 1.01)
    kl.update(600.0, episodes=10)  # error limited to 0.2
    assert kl.weight == pytest.approx(0.2 * 1.01 * 1.02)
    kl.update(-600.0, episodes=50)
    assert kl.weight == pytest.approx(0.2 * 1.01 * 1.02 * 0.9)
