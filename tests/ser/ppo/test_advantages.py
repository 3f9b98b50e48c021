import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.ppo.advantages import gae, whiten


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
