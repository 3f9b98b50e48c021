"""Measuring a reward model on labelled pairs that it never trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

from ser.method.calibration import confidence, expected_calibration_error, fit_temperature, log_loss
from ser.method.scored import Scored
from ser.method.stats import share
from ser.specs import Scale


def correct_margin(scored: Scored, preferred: str) -> float:
    """Reward of the human-preferred response minus that of the other."""
    return scored.margin if preferred == "a" else -scored.margin


def accuracy(margins: Sequence[float], groups: Sequence[str]) -> dict[str, float | int | None]:
    """Share of pairs ranked as people do (a tie counts as wrong), with its 95 % interval.

    Pairs of one of the `groups` (`tables.groups`) are not independent, and the interval is as wide as that asks.
    """
    return share([float(margin > 0) for margin in margins], groups)


def scale_of(scored: Sequence[Scored], labels: Mapping[str, str]) -> Scale:
    """The mean reward and the temperature of an ensemble's member, from calibration pairs."""
    rewards = [reward for one in scored for reward in (one.reward_a, one.reward_b)]
    temperature = fit_temperature([correct_margin(one, labels[one.pair_id]) for one in scored])
    return Scale(offset=sum(rewards) / len(rewards), temperature=temperature)


def measure(
    scored: Mapping[str, Sequence[Scored]],
    labels: Mapping[str, str],
    judge_labels: Mapping[str, str],
    groups: Mapping[str, str],
    longer: Mapping[str, float],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`(rows of heldout.parquet, summary)` from the scores of each split.

    The temperature is fitted, and the mean reward (`reward_offset`) taken, on the split `calibration`. Judge
    labels, where there are any, give one more metric, `judge_label_accuracy`, and decide nothing. `groups` says of each
    pair what ties it to others (`tables.groups`), `longer` how far the rule "the longer response wins" is right
    about it (`tables.longer_is_preferred`): the baseline `longer_wins`, on the same pairs.
    """
    margins = {split: [correct_margin(one, labels[one.pair_id]) for one in ones] for split, ones in scored.items()}
    temperature = fit_temperature(margins["calibration"])
    rows = [
        {
            "pair_id": one.pair_id,
            "split": split,
            "preferred": labels[one.pair_id],
            "reward_a": one.reward_a,
            "reward_b": one.reward_b,
            "confidence": confidence(one.margin, temperature),
        }
        for split, ones in scored.items()
        for one in sorted(ones, key=lambda one: one.pair_id)
    ]
    rewards = [r for one in scored["calibration"] for r in (one.reward_a, one.reward_b)]
    metrics = {}
    for split, values in margins.items():
        if values:
            tied = [groups[one.pair_id] for one in scored[split]]
            metrics[split] = _metrics(values, temperature, tied, fitted_here=split == "calibration")
            metrics[split]["longer_wins"] = share([longer[one.pair_id] for one in scored[split]], tied)
    for split, ones in scored.items():
        judged = [one for one in ones if one.pair_id in judge_labels]
        if judged:
            metrics[split]["judge_label_accuracy"] = accuracy(
                [correct_margin(one, judge_labels[one.pair_id]) for one in judged],
                [groups[one.pair_id] for one in judged],
            )
    return rows, {"temperature": temperature, "reward_offset": sum(rewards) / len(rewards), "metrics": metrics}


def _metrics(
    margins: Sequence[float], temperature: float, groups: Sequence[str], *, fitted_here: bool
) -> dict[str, Any]:
    """Metrics of a split; where the temperature was fitted on it, those that it flatters are named so."""
    n, about = len(margins), "_in_sample" if fitted_here else ""
    return {
        "accuracy": accuracy(margins, groups),
        f"ece{about}": {"value": expected_calibration_error(margins, temperature), "n": n},
        f"log_loss{about}": {"value": log_loss(margins, temperature), "n": n},
    }
