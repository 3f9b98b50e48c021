"""Self-training of a linear model: the roles, the fit, what reaches what, and a gain where there must be one."""

from dataclasses import replace

import numpy as np
import pytest

from bench.linear import Choice, _evolve, _fit, _roles
from bench.linear_features import LinearPairs
from ser.method.calibration import sigmoids


@pytest.fixture(scope="module")
def pairs() -> LinearPairs:
    """600 pairs of 300 groups, on two sides of a plane that they keep away from."""
    draw = np.random.default_rng(0)
    labels = (draw.random(600) < 0.5).astype(float)
    x = draw.normal(size=(600, 12)) / 4
    x[:, 0] += (2 * labels - 1) * 0.4
    return LinearPairs(x / np.sqrt((x**2).sum(axis=1).mean()), labels, np.array([f"g{n // 2}" for n in range(600)]))


def test_no_group_has_two_roles_and_each_seed_pair_is_of_its_own(pairs: LinearPairs) -> None:
    roles = _roles(pairs, 20, np.random.default_rng(1))
    parts = [set(pairs.groups[part]) for part in roles]
    assert len(roles.seed) == len(parts[0]) == 20
    assert sum(map(len, parts)) == len(set().union(*parts))
    with pytest.raises(SystemExit, match="300 groups leave no 200"):
        _roles(pairs, 200, np.random.default_rng(1))


def test_the_fit_is_where_the_gradient_vanishes(pairs: LinearPairs) -> None:
    weights = np.linspace(1, 3, 600)
    found = _fit(pairs.x, pairs.labels, weights, penalty=0.5)
    gradient = pairs.x.T @ (weights / weights.mean() * (pairs.labels - sigmoids(pairs.x @ found))) - 0.5 * found
    assert np.abs(gradient).max() < 1e-4


def test_loops_gain_where_pairs_keep_away_from_the_boundary(pairs: LinearPairs) -> None:
    gains = []
    for number in range(8):
        roles = _roles(pairs, 8, np.random.default_rng(number))
        seed = _fit(pairs.x[roles.seed], pairs.labels[roles.seed], np.ones(8), 0.1)
        evolved = _evolve(pairs, roles, seed, Choice("hard", "share", 0.8), 0.1, 2)
        assert len(evolved.gains) == 2 and evolved.kept == [round(0.8 * len(roles.pool))] * 2
        gains.append(evolved.gains[-1])
    assert np.mean(gains) > 0.02


def test_a_promise_that_none_keeps_ends_the_loops_and_gains_nothing(pairs: LinearPairs) -> None:
    roles = _roles(pairs, 8, np.random.default_rng(0))
    seed = _fit(pairs.x[roles.seed], pairs.labels[roles.seed], np.ones(8), 0.1)
    evolved = _evolve(pairs, roles, seed, Choice("soft", "promise", 0.9999), 0.1, 2)
    assert (evolved.gains, evolved.kept, evolved.right) == ([0.0] * 2, [0] * 2, [0] * 2)


def test_labels_of_the_pool_reach_nothing_but_how_often_machine_labels_are_right(pairs: LinearPairs) -> None:
    roles = _roles(pairs, 8, np.random.default_rng(0))
    seed = _fit(pairs.x[roles.seed], pairs.labels[roles.seed], np.ones(8), 0.1)
    labels = pairs.labels.copy()
    labels[roles.pool] = 1 - labels[roles.pool]
    for choice in (Choice("hard", "promise", 0.0), Choice("soft", "share", 0.5)):
        true, flipped = (
            _evolve(replace(pairs, labels=one), roles, seed, choice, 0.1, 2) for one in (pairs.labels, labels)
        )
        assert (true.gains, true.kept) == (flipped.gains, flipped.kept)
        assert [a + b for a, b in zip(true.right, flipped.right, strict=True)] == true.kept
