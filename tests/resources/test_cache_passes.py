"""How often states will be read, which decides whether the disk is worth it."""

import pytest

from resources.caches import count_passes
from resources.settings import Controls, Settings

MANY = {"loops": 2, "method": {"teachers": 3, "student_epochs": 3}}


@pytest.mark.parametrize(
    ("settings", "seed", "pool", "test"),
    [
        ({"loops": 3}, 3 + 3, 3 * 1.5, 1 + 3),
        (MANY, 3 * (3 + 2 * 3), 3 * 2 * (1 + 1.5), 3 * (1 + 2)),
        (MANY | {"controls": Controls(full_label=True)}, 3 * (6 + 6), 3 * (2 * 2.5 + 3), 3 * (1 + 2 + 1)),
        (MANY | {"controls": Controls(more_steps=True)}, 3 * (6 + 6), 3 * (2 * 2.5), 3 * (1 + 2 + 1)),
        (
            MANY | {"controls": Controls(naive_self_training=True, true_label=True)},
            3 * (9 + 6), 3 * (2 * 2.5 + 3 + 1.5), 3 * (1 + 2 + 2),
        ),
    ],
)  # fmt: skip
def test_loops_and_controls_read_states(settings: dict, seed: float, pool: float, test: float) -> None:
    chosen = Settings(**settings)
    assert [count_passes(chosen, role, 200) for role in ("seed", "pool", "test")] == [seed, pool, test]


def test_few_labels_are_read_as_often_as_their_steps_ask() -> None:
    assert count_passes(Settings(loops=1), "seed", 40) == 10 + 1
