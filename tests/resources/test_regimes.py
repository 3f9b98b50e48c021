"""The regimes on record: that they are read, and that what is impossible is named."""

from pathlib import Path

import pytest

from resources.regimes import RECORD, read_regimes
from ser.errors import SerError


def test_no_regime_on_record_shows_a_gain_today() -> None:
    # A study that shows one changes this, and the words of docs/audit.md with it.
    assert [one.study for one in read_regimes() if one.is_gain] == []
    assert {one.recipe for one in read_regimes()} == {"paper"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("high = 0.0096", "high = -0.2", r"regime\.0: gain \(0\.0004\) lies outside of its interval"),
        ("[145, 240]", "[240, 145]", r"regime\.0: seed_labels ends \(145\) before it begins \(240\)"),
        ("high = 0.0096", "hihg = 0.0096", r"regime\.0\.high: Field required"),
        ("[[regime]]", "[[regime]", "cannot be read"),
    ],
)
def test_what_is_impossible_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "regimes.toml"
    path.write_text(RECORD.read_text().replace(before, after, 1))
    with pytest.raises(SerError, match=said):
        read_regimes(path)
