"""What the first row of an asset says, of what it may be told."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets import summaries
from resources.artifacts import Artifact
from ser.method.stats import Gain

CUT = {"confidence": 0.8312, "n": 120, "precision": 0.91, "precision_low": 0.86, "promised": 0.85, "reason": ""}
STATUS = {"n_pool": 908, "n_min": 20, "n_status_1": 399, "n_status_2": 12, "select": "status", "status": "1"}
PROMOTION = {
    "promoted_loop": 0, "verdict": "not_shown", "why": "", "candidates": [{"loop": 0, "n": 155}, {"loop": 2, "n": 155}],
    "gain": {"value": 0.018, "low": -0.006, "high": 0.0421},
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(key: str, **summary: Any) -> Artifact:
        (tmp_path / "summary.json").write_text(json.dumps(summary))
        return Artifact(key, "0" * 16, tmp_path)

    return written


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "1 – good against bad: 399 of at least 20"),
        ({"status": "2"}, "2 – finer ranking: 12 of at least 20"),
        ({"status": "converged"}, "converged: 399 good against bad, 12 finer ranking, of at least 20"),
        ({"n_pool": 0, "status": "converged"}, "converged: the pool is empty"),
        (
            {"select": "all", "status": "2"},
            "all 908 are kept; the status decides nothing (2 – finer ranking: 12 of at least 20)",
        ),
        (
            {"select": "calibrated", "precision": CUT},
            "120 above a confidence of 0.831: at least 86.0 % of them right, 85.0 % promised; "
            "the status decides nothing (1 – good against bad: 399 of at least 20)",
        ),
        (
            {"select": "calibrated", "precision": CUT | {"confidence": None}},
            "converged: no cut of confidence leaves 20 of which 85.0 % are right, as promised; "
            "the status decides nothing (1 – good against bad: 399 of at least 20)",
        ),
    ],
)
def test_a_status_report(write: Any, said: dict[str, Any], words: str) -> None:
    assert summaries.of_status(write("loop_1/status_report", **STATUS | said)) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {},
            "the seed stays – loop 2 is not shown to be better: "
            "+1.8 points (−0.6 to +4.2), at 90 %, on 155 calibration pairs",
        ),
        (
            {"promoted_loop": 1, "verdict": "shown"},
            "loop 1 is promoted – loop 2 is shown to be better: "
            "+1.8 points (−0.6 to +4.2), at 90 %, on 155 calibration pairs",
        ),
        (
            {"promoted_loop": 2, "promoted_by": "Ada"},
            "loop 2, promoted by hand by Ada – loop 2 is not shown to be better: "
            "+1.8 points (−0.6 to +4.2), at 90 %, on 155 calibration pairs",
        ),
        ({"gain": None}, "the seed stays – no loop trained another"),
        (
            {"verdict": "gate_not_shown", "why": "no loop was run: 51 % of 20", "gain": None},
            "the seed stays – no loop was run: 51 % of 20",
        ),
    ],
)
def test_a_promotion(write: Any, said: dict[str, Any], words: str) -> None:
    assert summaries.of_promotion(write("evolved_rm", **PROMOTION | said), "accuracy") == words


def test_a_promotion_by_log_loss(write: Any) -> None:
    said = summaries.of_promotion(write("evolved_rm", **PROMOTION), "log_loss")
    assert "+0.018 nat of log loss (−0.006 to +0.042)" in said


@pytest.mark.parametrize(
    ("key", "said", "gain", "words"),
    [
        ("seed_rm", {"n_human": 1, "n_pseudo": 0}, None, "1 human label"),
        (
            "loop_1/retrained_rm",
            {"n_human": 155, "n_pseudo": 1399},
            Gain(0.018, -0.1, 0.1),
            "+1.8 against the seed; 155 human and 1 399 machine labels",
        ),
        (
            "controls/true_label_rm",
            {"n_human": 155, "n_pseudo": 399, "members": 3},
            Gain(-0.0051, -0.1, 0.1),
            "−0.5 against the seed; 155 human and 399 true labels; the mean of 3 models",
        ),
    ],
)
def test_a_reward_model(
    write: Any, key: str, said: dict[str, Any], gain: Gain | None, words: str, tmp_path: Path
) -> None:
    (tmp_path / "heldout").mkdir()
    accuracy = {"value": 0.8173, "ci_low": 0.7746, "ci_high": 0.8521, "n": 249}
    (tmp_path / "heldout" / "summary.json").write_text(json.dumps({"metrics": {"test": {"accuracy": accuracy}}}))
    heldout = Artifact(f"{key}.heldout", "1" * 16, tmp_path / "heldout")
    assert summaries.of_reward_model(write(key, **said), heldout, gain) == f"81.7 % (77.5 to 85.2); {words}"


def test_an_audit_with_and_without_a_vault() -> None:
    rows = {"self_labels": 1307, "reward_models": 3}
    assert summaries.of_audit(rows, 0, 0) == "1 307 machine labels, 3 reward models; no kept label is in the vault"
    assert summaries.of_audit(rows, 47, 399) == (
        "1 307 machine labels, 3 reward models; the vault contradicts 47 of 399 kept labels"
    )
