"""Measuring a reward model: pairs of one prompt or group are not so many independent answers."""

from pathlib import Path

from ser.data import tables
from ser.method.heldout import measure
from ser.method.scored import Scored


def test_tied_pairs_widen_the_intervals_of_every_accuracy() -> None:
    """Five groups of twenty pairs, in four of which the model is right about all."""
    scored, labels = {}, {}
    for split in ("calibration", "test"):
        scored[split] = [Scored(f"{split}-{k:03}", 1.0 if k < 80 else -1.0, 0.0) for k in range(100)]
        labels |= {one.pair_id: "a" for one in scored[split]}
    groups = {one.pair_id: str(k // 20) for ones in scored.values() for k, one in enumerate(ones)}
    longer = {one.pair_id: float(k < 80) for ones in scored.values() for k, one in enumerate(ones)}
    alone = measure(scored, labels, labels, {pair_id: pair_id for pair_id in labels}, longer)[1]["metrics"]
    tied = measure(scored, labels, labels, groups, longer)[1]["metrics"]
    for split in scored:
        for name in ("accuracy", "judge_label_accuracy", "longer_wins"):
            before, after = alone[split][name], tied[split][name]
            assert (after["value"], after["n"]) == (before["value"], before["n"]) == (0.8, 100)
            assert before["ci_low"] > 0.7 and after["ci_low"] < 0.5
    # The temperature was fitted on the calibration pairs: what it flatters there is named so.
    assert {"ece", "log_loss"} <= tied["test"].keys() and not {"ece", "log_loss"} & tied["calibration"].keys()
    assert {"ece_in_sample", "log_loss_in_sample"} <= tied["calibration"].keys()


def test_the_longer_response_is_the_preferred_one_or_not_or_neither_is_longer(tmp_path: Path) -> None:
    rows = [
        {"pair_id": name, "prompt": "p", "response_a": a, "response_b": b, "preferred": preferred, "unit": "p"}
        for name, a, b, preferred in [
            ("longer", "xxx", "yy", "a"),
            ("shorter", "xxx", "yy", "b"),
            ("characters", "ééé", "yyyy", "b"),
            ("equal", "éé", "yy", "b"),
        ]
    ]
    tables.write(tmp_path / "part.parquet", tables.LABELLED, rows)
    found = tables.longer_is_preferred(tmp_path / "part.parquet")
    assert found == {"longer": 1.0, "shorter": 0.0, "characters": 1.0, "equal": 0.5}
