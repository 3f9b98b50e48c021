"""Two piles of pairs: told apart where they differ, and not by what only their groups have in common."""

import random

import numpy as np
import pytest

from ser.method.shift import Auc, PairTexts, clustered_auc, hashed_words, tell_apart, text_lengths
from ser.method.stats import z_value
from ser.method.watch import UNLIKE

WORDS = [f"word{k}" for k in range(400)]


def pile(n: int, seed: int, more: str = "", words: int = 30, source: str | None = None) -> list[PairTexts]:
    """Pairs of random words; every second one has `more` in its first response."""
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=words))

    return [PairTexts(text(), f"{text()} {more if k % 2 else ''}", text(), source) for k in range(n)]


def alone(n: int) -> list[str]:
    return [f"g{k}" for k in range(n)]


def auc_of(human: list[PairTexts], pool: list[PairTexts], groups: list[str] | None = None) -> Auc:
    found = tell_apart(human, pool, groups or alone(len(human) + len(pool)))
    assert found is not None and found.low <= found.value <= found.high
    return found


def test_piles_of_one_kind_are_not_told_apart() -> None:
    found = auc_of(pile(150, 1), pile(300, 2))
    assert found.low < 0.5 < found.high <= 0.65


def test_another_word_or_another_length_tells_them_apart() -> None:
    assert auc_of(pile(150, 1, "certainly"), pile(300, 2)).low > UNLIKE
    assert auc_of(pile(100, 1, words=15), pile(100, 2)).value > 0.95


def test_another_source_tells_them_apart_whatever_the_texts_are() -> None:
    assert auc_of(pile(150, 1, source="forum"), pile(300, 2, source="chat")).low > 0.9
    assert auc_of(pile(150, 1, source="chat"), pile(300, 2, source="chat")).low < 0.5


def test_remembering_a_group_is_not_telling_piles_apart() -> None:
    """Ten pairs of each prompt: a classifier that sees some of them knows the others, and says nothing of the piles."""
    human, pool = ([PairTexts(one.prompt, *one[1:]) for one in pile(10, seed) for _ in range(10)] for seed in (1, 2))
    groups = [f"g{k // 10}" for k in range(200)]
    assert auc_of(human, pool, groups).low < UNLIKE
    assert auc_of(human, pool).value > 0.99


def test_too_few_pairs_say_nothing() -> None:
    assert tell_apart(pile(39, 1), pile(300, 2), alone(339)) is None


def test_the_auc_is_counted_within_folds_and_its_interval_is_delongs() -> None:
    scores, positive = np.array([3.0, 1.0, 2.0, 0.0, 2.0, 9.0, 8.0]), np.array([1, 1, 0, 0, 0, 1, 0], dtype=bool)
    folds = np.array([0, 0, 0, 0, 0, 1, 1])
    one = clustered_auc(scores[:5], positive[:5], np.array(alone(5)), folds[:5])
    # 3 beats all; 1 beats one of three, so 4 of 6.
    assert one is not None and one.value == pytest.approx(4 / 6)
    above, below = np.array([1, 1 / 3]), np.array([1 / 2, 1, 1 / 2])  # shares of the other side, a case each
    deviations = np.concatenate([(above - 4 / 6) / 2, (below - 4 / 6) / 3])
    half = z_value() * np.sqrt((deviations**2).sum() * 5 / 4)
    assert one[1:] == pytest.approx((max(0, 4 / 6 - half), 1.0))
    both = clustered_auc(scores, positive, np.array(alone(7)), folds)
    assert both is not None and both.value == pytest.approx((4 + 1) / 7)


def test_cases_of_one_group_count_less() -> None:
    draw = np.random.default_rng(0)
    scores, positive = np.repeat(draw.normal(size=60), 4), np.repeat(draw.random(60) < 0.5, 4)
    tied, folds = np.array([f"g{k // 4}" for k in range(240)]), np.zeros(240, dtype=int)
    wide = clustered_auc(scores, positive, tied, folds)
    narrow = clustered_auc(scores, positive, np.array(alone(240)), folds)
    assert wide is not None and narrow is not None and wide.value == narrow.value
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, rel=0.1)


def test_words_of_prompts_and_of_responses_are_told_apart() -> None:
    rows = hashed_words(
        [PairTexts("one two", "", "", None), PairTexts("", "one", "two", None), PairTexts("", "", "", None)]
    )
    assert [row.nnz for row in rows] == [2, 2, 0]
    assert (rows[0] @ rows[1].T).toarray()[0, 0] == 0
    assert np.sqrt(rows[0].multiply(rows[0]).sum()) == pytest.approx(1)
    assert text_lengths([PairTexts("abc", "ab", "a", None)]).tolist() == [pytest.approx(np.log([4, 2, 3]).tolist())]
