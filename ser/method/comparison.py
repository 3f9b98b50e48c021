"""Two policies answer the same prompts, and a judge compares the answers."""

from collections.abc import Sequence
from typing import Literal

from ser.data.pairs import keyed_hash, unit_interval
from ser.ppo.prompts import Prompt

Outcome = Literal["win", "tie", "loss"]


def choose(prompts: Sequence[Prompt], most: int, random_seed: int) -> list[Prompt]:
    """At most `most` prompts by the order of a keyed hash: further prompts displace few of those chosen."""
    return sorted(prompts, key=lambda one: keyed_hash("judged-prompt", str(random_seed), one.text))[:most]


def judge_fold(unit: str) -> Literal[0, 1]:
    """The fold of a unit, and so of all its prompts: the judge of that fold was trained on none of its pairs."""
    return 0 if unit_interval("judge-fold", unit) < 0.5 else 1


def outcome(base: str, policy: str, judge_base: float, judge_policy: float, tie_band: float) -> Outcome:
    """What the judge's scores of two responses mean for the policy.

    Equal texts are a tie, and so is a difference of at most `tie_band`.
    """
    if base == policy or abs(judge_policy - judge_base) <= tie_band:
        return "tie"
    return "win" if judge_policy > judge_base else "loss"
