"""What was checked of an evolution, by its numbers: the checks of the Dagster page that are about results."""

from collections.abc import Iterator
from dataclasses import dataclass

from resources.reporting.numbers import number, percent
from resources.reporting.report_data import ReportData
from resources.reporting.words import name_of_loop, suspicion_words
from ser.method.promotion import WORSE
from ser.method.stats import is_above_chance
from ser.method.watch import SIGNS, signs_of

_LIKE_THE_POOL = "The human-labelled pairs are like the pool."


@dataclass(frozen=True)
class Check:
    """Something that should hold: `seen` is what speaks against it; `measured`, whether there was anything to see."""

    about: str
    seen: list[str]
    measured: bool = True


def checks_of(data: ReportData) -> list[Check]:
    """Everything that was checked and could be measured."""
    return [check for check in _all(data) if check.measured]


def _all(data: ReportData) -> Iterator[Check]:
    yield _seed(data)
    worse = ["the last loop is shown to be worse than the seed"] if data.evolution["verdict"] == WORSE else []
    yield Check("The last loop is not shown to be worse than the seed.", worse, bool(data.trained_loops))
    tested = any(row["test_accuracy"] is not None for row in data.loops)
    good = "No reward model is suspiciously good, or no better than a rule of length."
    yield Check(good, suspicion_words(data), tested)
    yield _labels(data)
    seen = signs_of(data.watch.loops)
    for sign in SIGNS:
        yield Check(sign.about, seen[sign.name], bool(sign.measured_in(data.watch.loops)))
    unlike = [data.unlike_pool] if data.unlike_pool else []
    shift = data.watch.shift
    told = shift is not None and (shift["auc"] is not None or shift["margins_apart"] is not None)
    yield Check(_LIKE_THE_POOL, unlike, told)


def _seed(data: ReportData) -> Check:
    """By the numbers, and not by the gate, which `anyway` opens."""
    low = data.seed["calibration_ci_low"] if data.seed else None
    seen = (
        []
        if low is None or is_above_chance(low)
        else ["the seed is not shown to rank calibration pairs better than a coin"]
    )
    return Check("The seed ranks calibration pairs better than a coin.", seen, low is not None)


def _labels(data: ReportData) -> Check:
    known = [row for row in data.loops if row["label_ci_low"] is not None]
    seen = [
        f"{name_of_loop(row['loop'])}: {percent(row['label_precision'])} of {number(row['n_kept'])} kept are right"
        for row in known
        if not is_above_chance(row["label_ci_low"])
    ]
    return Check("Kept labels are right more often than a coin.", seen, bool(known))
