from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.ppo.objective import (
    AdaptiveKl,
    clipped,
    entropy,
    gae,
    policy_loss,
    ratio_error,
    token_kl,
    value_loss,
    whiten,
)


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


def test_the_ratio_error_is_the_distance_from_one() -> None:
    old = torch.tensor([-2.0, -2.0, -2.0])
    assert ratio_error(old + torch.tensor([0.0, log(1.5), log(0.5)]), old).tolist() == pytest.approx([0, 0.5, 0.5])


def test_the_kl_weight_follows_the_target() -> None:
    kl = AdaptiveKl(weight=0.2, target=6.0, horizon=100)
    kl.update(6.0, episodes=10)
    assert kl.weight == 0.2
    kl.update(6.6, episodes=100)  # error 0.1, for a whole horizon
    assert kl.weight == pytest.approx(0.2 * 1.1)
    kl.update(600.0, episodes=100)  # error limited to 0.2
    assert kl.weight == pytest.approx(0.2 * 1.1 * 1.2)
    kl.update(-600.0, episodes=50)
    assert kl.weight == pytest.approx(0.2 * 1.1 * 1.2 * 0.8**0.5)


@given(st.floats(-1e6, 1e6), st.lists(st.integers(1, 512), min_size=1, max_size=8), st.integers(64, 10_000))
def test_the_size_of_a_rollout_does_not_change_the_speed_of_the_kl_weight(
    kl: float, sizes: list[int], horizon: int
) -> None:
    whole, parts = AdaptiveKl(0.2, 0.5, horizon), AdaptiveKl(0.2, 0.5, horizon)
    whole.update(kl, sum(sizes))
    for size in sizes:
        parts.update(kl, size)
    assert parts.weight == pytest.approx(whole.weight, rel=1e-9) and whole.weight > 0


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_gae_matches_a_computation_by_hand() -> None:
    # delta = [1 + .5*2 - 1, 0 + .5*4 - 2, 2 - 4] = [1, 0, -2]; gamma*lam = .25
    advantages, returns = gae(rows([1, 0, 2]), rows([1, 2, 4]), torch.ones(1, 3, dtype=torch.bool), 0.5, 0.5)
    assert advantages.tolist() == [[1 + 0.25 * -0.5, -0.5, -2.0]]
    assert returns.tolist() == [[1.875, 1.5, 2.0]]


def test_what_stands_outside_the_mask_changes_nothing() -> None:
    mask = torch.tensor([[True, True, False], [True, True, True]])
    clean = gae(rows([1, 2, 0], [1, 2, 3]), rows([1, 1, 0], [1, 1, 1]), mask, 0.9, 0.8)
    dirty = gae(rows([1, 2, 99], [1, 2, 3]), rows([1, 1, float("nan")], [1, 1, 1]), mask, 0.9, 0.8)
    short = gae(rows([1, 2]), rows([1, 1]), mask[:1, :2], 0.9, 0.8)
    assert torch.equal(clean[0], dirty[0]) and torch.equal(clean[1], dirty[1])
    assert torch.equal(clean[0][:1, :2], short[0]) and clean[0][0, 2] == 0 and clean[1][0, 2] == 0


numbers = st.floats(-10, 10)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_without_discounts_an_advantage_is_reward_to_go_minus_value(steps: list[tuple[float, float]]) -> None:
    rewards, values = rows([r for r, _ in steps]), rows([v for _, v in steps])
    advantages, returns = gae(rewards, values, torch.ones(1, len(steps), dtype=torch.bool), 1.0, 1.0)
    to_go = rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(advantages, to_go - values)
    torch.testing.assert_close(returns, to_go)


def test_lambda_zero_is_the_one_step_error() -> None:
    advantages, _ = gae(rows([1, 2]), rows([3, 5]), torch.ones(1, 2, dtype=torch.bool), 1.0, 0.0)
    assert advantages.tolist() == [[1 + 5 - 3, 2 - 5]]


def test_whitening_is_over_the_mask_only() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    white = whiten(rows([1, 3, 5], [7, 100, float("inf")]), mask)
    scale = 5**0.5  # mean 4, variance 5
    assert white[0].tolist() == pytest.approx([-3 / scale, -1 / scale, 1 / scale])
    assert white[1].tolist() == pytest.approx([3 / scale, 0, 0])


def test_equal_advantages_whiten_to_zero() -> None:
    assert whiten(rows([2, 2]), torch.ones(1, 2, dtype=torch.bool)).tolist() == [[0, 0]]
