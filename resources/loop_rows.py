"""What became of the seed and of every loop of an evolution, a row each, from its artifacts."""

from typing import Any

from resources import asset_keys as keys
from resources.evolution import Evolution
from ser.method.promotion import GATE_NOT_SHOWN


def loop_rows(evolution: Evolution) -> list[dict[str, Any]]:
    """A row for the seed and every loop, up to the one that converged or was not run, which has no model."""
    trained = evolution.trained_loops()
    rows = [_model_row(evolution, loop) for loop in trained]
    nothing = dict.fromkeys(rows[0])
    if evolution.gate_is_closed():
        why = f"no loop was run: the seed RM is {evolution.gate().words}"
        rows.append(nothing | {"loop": 1, "status": GATE_NOT_SHOWN, "ends": True, "n_kept": 0, "why": why})
    elif evolution.converged_in() is not None:
        rows.append(nothing | _status(evolution, len(trained)))
    return rows


def _model_row(evolution: Evolution, loop: int) -> dict[str, Any]:
    key = keys.model_of(loop)
    measured = evolution.heads.get(keys.heldout_of(key)).summary["metrics"]["test"]
    accuracy, baseline = measured["accuracy"], measured["longer_wins"]
    row: dict[str, Any] = {
        "loop": loop,
        "status": None,
        "ends": None,
        "why": None,
        "n_pool": None,
        "n_kept": None,
        "test_accuracy": accuracy["value"],
        "test_accuracy_low": accuracy["ci_low"],
        "test_accuracy_high": accuracy["ci_high"],
        "test_longer_wins": baseline["value"],
        "test_longer_wins_low": baseline["ci_low"],
        "test_longer_wins_high": baseline["ci_high"],
        "rm_version": evolution.heads.get(key).version,
    }
    return row | _status(evolution, loop) if loop else row


def _status(evolution: Evolution, loop: int) -> dict[str, Any]:
    report = evolution.heads.get(keys.status_report(loop)).summary
    kept = 0 if report["ends"] else evolution.heads.get(keys.filtered_pairs(loop)).summary["n_kept"]
    said = {name: report[name] for name in ("status", "ends", "n_pool", "why")}
    return {"loop": loop, **said, "n_kept": kept}
