"""What makes an accuracy suspicious: signs that a reward model learnt a shortcut instead of what people prefer."""

from collections.abc import Mapping
from typing import Any

from ser.method.gate import FEW_LABELS
from ser.method.stats import is_above_chance

NEARLY_ALL = 0.97
CLEARLY = 0.8
"""The lower end of its interval has to be above this: three right of three are no sign of anything."""


def suspicions(accuracy: Mapping[str, Any], longer_wins: Mapping[str, Any], n_human: int) -> list[str]:
    """What to look at, if anything: of `accuracy` and of the baseline on the same pairs (`ser.method.stats.share`).

    People do not agree with each other on nearly all pairs, so a model that `n_human` labels taught to agree with them
    has likely found a marker. The baseline may also be turned round: where the shorter response wins.
    """
    found = []
    if accuracy["value"] >= NEARLY_ALL and accuracy["ci_low"] > CLEARLY and n_human < FEW_LABELS:
        found.append(f"{accuracy['value']:.0%} from {n_human:,} labels: look for a shortcut, e.g. a length or a marker")
    longer = longer_wins["value"]
    rule, right = ("longer", longer) if longer >= 0.5 else ("shorter", 1 - longer)
    beyond_chance = is_above_chance(longer_wins["ci_low"]) or is_above_chance(1 - longer_wins["ci_high"])
    if beyond_chance and accuracy["value"] <= right:
        found.append(
            f'{accuracy["value"]:.1%} is no better than "the {rule} response wins" ({right:.1%}), '
            "a rule that needs no model: look at what it has learnt"
        )
    return [words.replace("%", " %") for words in found]
