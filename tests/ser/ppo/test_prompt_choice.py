"""The prompts of a run: those that a schedule over all of them begins with, whatever their number."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ser.data import tables
from ser.ppo.prompts import draw_prompts, read_prompts, schedule
from ser.specs import Lora, Ppo

PARTS = st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=3)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, episodes=st.integers(1, 50), seed=st.integers(0, 9))
def test_the_schedule_is_that_of_all_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[list[int]], episodes: int, seed: int
) -> None:
    """A prompt may have several pairs, also in several tables."""
    monkeypatch.setattr(tables, "ROWS", 7)
    paths = [tmp_path / f"{number}.parquet" for number in range(len(parts))]
    for number, (path, prompts) in enumerate(zip(paths, parts, strict=True)):
        rows = [{"pair_id": f"{(17 * k) % 41:02}{number}", "prompt": f"say {text}"} for k, text in enumerate(prompts)]
        tables.write(path, tables.PAIRS, sorted(rows, key=lambda row: row["pair_id"]))
    whole = read_prompts(paths)
    drawn, total = draw_prompts(paths, episodes, seed)
    assert total == len(whole) and len(drawn) == min(total, episodes)
    if whole:
        assert schedule(drawn, episodes, seed) == schedule(whole, episodes, seed)


def test_a_policy_with_dropout_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"ppo.lora.dropout must be 0, not 0.1"):
        Ppo(lora=Lora(dropout=0.1))
