"""Signs that self-training drifts: what is looked for in the numbers of a loop, its limit, and what to look at then.

A sign is a warning and no proof: some of them are what a loop that learns something shows too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any

Numbers = Mapping[str, Any]
"""A row of the audit's view `loop_watch`."""

MISCALIBRATED = 0.05
"""ECE beyond what chance alone gives: with 150 pairs about two standard deviations, and half a tenth of confidence."""
OVERCONFIDENT = 0.05
"""Confidence beyond the share of right labels: less is what an ECE within its limit looks like."""
FLIPS = 0.25
"""Share of labels that turn round from one loop to the next: a coin on half of the pool."""
AGREEMENT = 0.75
"""Agreement with the seed RM on the pool: under it a quarter of all labels is another than the people's model gave."""
LONGER = 0.1
"""By how much more or less often the longer response is preferred among kept pairs than among human seed labels."""
KEPT_RATIO = 2.0
"""How many times more often one source or length is kept than another: less is common, as some are easier."""
DIFFERS = 2.326
"""Standard score of the test that kept rates differ, one-sided at 1 %: several are made in every loop."""
SPREAD = 3.0
"""How many times wider or narrower margins are than the seed's: p then saturates, or no threshold is reached."""
SHIFT = 3.0
"""How far the mean reward moves, in standard deviations of the seed's margins."""
NARROWER = 0.5
"""Effective vocabulary of the policy's answers over that of its base model's."""
LEAST_WORDS = 200
"""Compared words below which nothing is said about a vocabulary."""
LEAST_PAIRS = 20
"""Pairs below which nothing is said about a share: an interval reaches 20 points to either side."""
UNLIKE = 0.6
"""AUC of telling human-labelled pairs from the pool whose interval must reach down to it, or else they differ."""
MARGINS_APART = 0.36
"""How many standard deviations the mean seed margins of the two may be apart: an AUC of 0.6, were they normal."""


@dataclass(frozen=True)
class Sign:
    """Something that is looked for in every loop.

    Args:
        name: of the check.
        about: what holds where there is no such sign.
        limit: beyond what it is told, in words.
        look_at: what to look at where there is one.
        tell: the sign in words with its numbers, or None.
        reads: the numbers without any of which nothing can be told.
    """

    name: str
    about: str
    limit: str
    look_at: str
    tell: Callable[[Numbers], str | None]
    reads: tuple[str, ...]

    def measured_in(self, rows: Iterable[Numbers]) -> list[str]:
        """The loops of which there are numbers that it reads."""
        return [_where(row) for row in rows if any(row[name] is not None for name in self.reads)]


def signs_of(rows: Iterable[Numbers]) -> dict[str, list[str]]:
    """The name of every sign -> where it is seen, a sentence each."""
    found: dict[str, list[str]] = {sign.name: [] for sign in SIGNS}
    for row in rows:
        for sign in SIGNS:
            if (told := sign.tell(row)) is not None:
                found[sign.name].append(f"{_where(row)}: {told}")
    return found


def _where(row: Numbers) -> str:
    return "seed" if row["loop"] == 0 else f"loop {row['loop']}"


def unlike_words(shift: Numbers | None) -> str:
    """In what human-labelled pairs and the pool are shown to differ, and what that means for the promises; else empty.

    Args:
        shift: a row of the audit's view `pool_shift`.
    """
    found = []
    if shift is not None and shift["ci_low"] is not None and shift["ci_low"] > UNLIKE:
        found.append(
            f"a classifier of their texts and sources tells them apart (AUC {shift['auc']:.2f}, 0.5 is a coin)"
        )
    if shift is not None and shift["margins_low"] is not None:
        low, high = shift["margins_low"], shift["margins_high"]
        if low > MARGINS_APART or high < -MARGINS_APART:
            found.append(
                f"the seed RM's margins of the pool are {abs(shift['margins_apart']):.2f} standard deviations "
                f"{'wider' if low > 0 else 'narrower'} than of calibration and test pairs"
            )
    if not found:
        return ""
    return (
        f"The human-labelled pairs are unlike the pool: {', and '.join(found)}. Calibrated precision, the gate and "
        "gains were measured on pairs like the human-labelled ones, and promise less for pairs like the pool's."
    )


def _miscalibrated(row: Numbers) -> str | None:
    found = []
    for split in ("calibration", "test"):
        ece, chance = row[f"ece_{split}"], row[f"ece_{split}_by_chance"]
        if ece is not None and row[f"ece_{split}_n"] >= LEAST_PAIRS and ece - chance > MISCALIBRATED:
            how = ", temperature cross-fitted" if split == "calibration" else ""
            found.append(f"ECE {ece:.3f} on {split} pairs (by chance {chance:.3f}{how})")
    return "; ".join(found) or None


def _unstable(row: Numbers) -> str | None:
    found = []
    if _enough(row, "flip_rate") and row["flip_rate_low"] > FLIPS:
        found.append(f"{_percent(row['flip_rate'])} of the labels turned round since the loop before")
    if _enough(row, "seed_agreement") and row["seed_agreement_high"] < AGREEMENT:
        found.append(f"the labels agree with the seed RM on {_percent(row['seed_agreement'])} of the pairs")
    return "; ".join(found) or None


def _longer(row: Numbers) -> str | None:
    if not (_enough(row, "kept_longer") and _enough(row, "seed_longer")):
        return None
    more = row["kept_longer"] - row["seed_longer"]
    # Newcombe's interval of a difference of two independent shares, from their Wilson intervals.
    ends = ("kept_longer_low", "seed_longer_high") if more > 0 else ("kept_longer_high", "seed_longer_low")
    reach = hypot(row["kept_longer"] - row[ends[0]], row["seed_longer"] - row[ends[1]])
    if abs(more) <= max(LONGER, reach):
        return None
    return (
        f"of the kept pairs the longer response is preferred in {_percent(row['kept_longer'])}, of the human seed "
        f"labels in {_percent(row['seed_longer'])}"
    )


def _uneven(row: Numbers) -> str | None:
    found = []
    for dimension in ("source", "length"):
        score, low, high = (row[f"{dimension}_{name}"] for name in ("differs", "kept_least", "kept_most"))
        if score is not None and score > DIFFERS and high > KEPT_RATIO * low:
            found.append(f"by {dimension} between {_percent(low)} and {_percent(high)} are kept")
    return "; ".join(found) or None


def _drifted(row: Numbers) -> str | None:
    found, spread = [], row["margin_spread"]
    if spread is not None and not 1 / SPREAD <= spread <= SPREAD:
        found.append(f"margins spread {spread:.2g} times as wide as the seed's")
    for shift, of in ((row["reward_shift"], "calibration pairs"), (row["offset_shift"], "the pool")):
        if shift is not None and abs(shift) > SHIFT:
            found.append(f"the mean reward of {of} moved by {shift:+.1f} standard deviations of the seed's margins")
    return "; ".join(found) or None


def _overconfident(row: Numbers) -> str | None:
    sure, high = row["trained_confidence"], row["trained_precision_high"]
    if not _enough(row, "trained_precision") or sure <= max(high, row["trained_precision"] + OVERCONFIDENT):
        return None
    beside = ""
    if _enough(row, "untrained_precision"):
        beside = f", of the others {_percent(row['untrained_precision'])} ({_percent(row['untrained_confidence'])})"
    return (
        f"of the pairs whose label was trained on before {_percent(row['trained_precision'])} are right "
        f"(confidence says {_percent(sure)}){beside}"
    )


def _narrow(row: Numbers) -> str | None:
    base, policy = row["base_vocabulary"], row["policy_vocabulary"]
    if base is None or policy is None or row["compared_words"] < LEAST_WORDS or policy >= NARROWER * base:
        return None
    return f"the policy's answers use {policy:.0f} words effectively, its base model's {base:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _enough(row: Numbers, name: str) -> bool:
    return row[name] is not None and row[f"{name}_n"] >= LEAST_PAIRS


SIGNS = (
    Sign(
        "confidence_is_calibrated",
        "Held-out pairs are ranked right as often as the loop's model is sure, out of sample.",
        f"an ECE {MISCALIBRATED:g} above what chance gives",
        "ser audit reliability: labels and cuts of confidence mean less than they say",
        _miscalibrated,
        ("ece_calibration", "ece_test"),
    ),
    Sign(
        "labels_are_stable",
        "Labels do not turn round from loop to loop, nor away from those of the seed RM.",
        f"{FLIPS:.0%} of the labels turned round, or less than {AGREEMENT:.0%} as the seed RM's".replace("%", " %"),
        "ser audit flips: whether turned labels are mended or broken, and whether test accuracy rose with them",
        _unstable,
        ("flip_rate", "seed_agreement"),
    ),
    Sign(
        "length_is_not_amplified",
        "The longer response is preferred as often among kept pairs as among the human seed labels.",
        f"{100 * LONGER:g} points more or less often, and by more than chance",
        "ser audit bias, accuracy beside longer_wins: length may be learned for quality",
        _longer,
        ("kept_longer",),
    ),
    Sign(
        "selection_is_even",
        "Pairs of each source and of each length difference are kept about equally often.",
        f"one is kept {KEPT_RATIO:g} times as often as another, and by more than chance",
        "ser audit bias: what is hardly ever kept is not learned from, and n_min or the thresholds may be why",
        _uneven,
        ("source_differs", "length_differs"),
    ),
    Sign(
        "rewards_do_not_drift",
        "The mean and the spread of rewards stay near the seed's: of calibration pairs, and the mean of the pool's.",
        f"margins {SPREAD:g} times as wide or as narrow, or a mean {SHIFT:g} standard deviations away",
        "reward_offset and the histogram of margins: fixed thresholds (tau) mean something else in every loop",
        _drifted,
        ("margin_spread", "reward_shift", "offset_shift"),
    ),
    Sign(
        "own_labels_are_honest",
        "Labels that models were trained on are right as often as confidence says (with a vault, pool = whole).",
        f"right {100 * OVERCONFIDENT:g} points less often than confidence says, and by more than chance",
        "ser audit confident-mistakes: models confirm their own mistakes; label_with = unseen, or fewer loops, help",
        _overconfident,
        ("trained_precision",),
    ),
    Sign(
        "answers_stay_diverse",
        "The effective vocabulary of the policy's answers is at least half of its base model's (needs a policy).",
        f"{NARROWER:g} times its base model's",
        "the policy's answers in the report: one phrase everywhere is a hacked reward; a larger KL weight helps",
        _narrow,
        ("policy_vocabulary",),
    ),
)
"""What is looked for in every loop, in the order of the tables."""
