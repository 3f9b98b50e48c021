"""The regimes on record: that they are read, say what their studies say, and that what is impossible is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.regimes import RECORD, read_regimes
from resources.seed_evidence import training_unlike_defaults
from resources.settings_file import ROOT
from resources.studies.comparison import Row, gains, rows
from resources.studies.ledger import Ledger
from resources.studies.outcome import SEED
from resources.studies.plan import read_plan
from ser.errors import SerError
from ser.method.advice import Regime

RESULTS = ROOT / "docs" / "results"


def recorded() -> Iterator[tuple[Regime, Row, Ledger]]:
    """The regimes whose study has its lines here, each with the evolutions that it is about."""
    for regime in read_regimes():
        if (lines := RESULTS / f"{regime.study}.jsonl").exists():
            ledger, (_, plan) = Ledger(lines), read_plan(regime.study)
            (row,) = [one for one in rows(plan, ledger.outcomes) if one.options["recipe"] == regime.recipe]
            yield regime, row, ledger


def test_a_regime_says_what_the_lines_of_its_study_say() -> None:
    found = list(recorded())
    assert [(one.study, one.recipe, one.is_gain) for one, _, _ in found] == [("confirmation", "robust", True)]
    for regime, row, ledger in found:
        gain = next(one.gain for one in gains(row, ledger.tests) if one.over == SEED)
        measured = (gain.value, gain.low, gain.high)
        assert (regime.gain, regime.low, regime.high) == pytest.approx(measured, abs=0.00006)
        assert row.dataset in regime.dataset and regime.annotator == "simulated"
        assert all(training_unlike_defaults(one.settings) == regime.training for one in row.outcomes)
        for role, span in (("seed", regime.seed_labels), ("pool", regime.pool)):
            counts = [one.pairs[role] for one in row.outcomes]
            assert span == (min(counts), max(counts))
        # What `relative` promises is the seed's accuracy on calibration pairs.
        accuracies = [one.loops[0].promised or 0.0 for one in row.outcomes]
        assert regime.seed_accuracy == pytest.approx((min(accuracies), max(accuracies)), abs=0.00006)


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
