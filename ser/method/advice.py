"""Whether loops over the pool are likely to pay, told from the seed RM before any loop is run."""

from datetime import date
from typing import Any, Literal

from pydantic import Field, model_validator

from ser.method.promotion import MEANT, POWER, needed_pairs, smallest_shown
from ser.method.stats import Gain
from ser.specs import Gate, Spec

AdviceWords = Literal["expect a gain", "expect none", "label first", "cannot tell"]

NEGLIGIBLE = 0.01
"""A gain of accuracy up to which nobody would run the loops."""


class Regime(Spec):
    """What a study measured: the gain of the last loop over the seed on test pairs, and for which evolutions."""

    study: str = Field(min_length=1)
    recipe: str
    backbone: str
    """As the setting `backbone.model` says it."""
    training: dict[str, str] = Field({})
    """How pairs are cut and reward models trained, by setting: what is unlike the defaults."""
    dataset: str
    annotator: Literal["people", "simulated"]
    """Whose labels they were."""
    seed_labels: tuple[int, int]
    """Fewest and most."""
    pool: tuple[int, int]
    """Pairs of the pool: fewest and most."""
    seed_accuracy: tuple[float, float]
    """Lowest and highest."""
    gain: float
    low: float
    high: float
    recorded_on: date

    @model_validator(mode="after")
    def _ordered(self) -> "Regime":
        for name in ("seed_labels", "pool", "seed_accuracy"):
            least, most = getattr(self, name)
            if least > most:
                raise ValueError(f"{name} ends ({most}) before it begins ({least})")
        if not self.low <= self.gain <= self.high:
            raise ValueError(f"gain ({self.gain}) lies outside of its interval, {self.low} to {self.high}")
        return self

    @property
    def is_gain(self) -> bool:
        """Whether a gain was shown: the interval lies above 0."""
        return self.low > 0


class Evidence(Spec):
    """What is known before the first loop. Gains are paired, on calibration pairs, with 90 % intervals by group."""

    recipe: str | None
    """None of a method that no recipe that comes along has: no study was about it."""
    backbone: str
    training: dict[str, str]
    """As a regime says it."""
    simulated: bool
    """Whether all labels are those of a simulated annotator."""
    gate: Gate
    labels: int
    """Of the seed."""
    half_labels: int | None
    """Of its half; None where whole groups make no half."""
    pool: int
    n_min: int
    curve: Gain | None
    """Of the seed RM over the one of half of the seed."""
    ceiling: Gain | None
    """Of a reward model of all human labels over the seed RM, where one was trained."""
    regimes: tuple[Regime, ...]
    """All that are on record."""

    def like(self) -> list[Regime]:
        """The regimes that these evolutions belong to; of people's labels a simulated annotator says nothing."""
        return [one for one in self.like_but_for_the_annotator() if self.simulated or one.annotator == "people"]

    def like_but_for_the_annotator(self) -> list[Regime]:
        """The regimes that they would belong to if it did not matter whose labels those are."""
        return [
            one
            for one in self.regimes
            if (one.recipe, one.backbone, one.training) == (self.recipe, self.backbone, self.training)
            and one.seed_labels[0] <= self.labels <= one.seed_labels[1]
            and one.pool[0] <= self.pool <= one.pool[1]
            and one.seed_accuracy[0] <= self.gate.accuracy <= one.seed_accuracy[1]
        ]


class Advice(Spec):
    """The words, why in sentences, and the numbers behind them."""

    words: AdviceWords
    reasons: list[str]
    numbers: dict[str, Any]


def advise(evidence: Evidence) -> Advice:
    """The advice, by the first of these rules that holds.

    1. The seed RM is not shown to be better than a coin: label first.
    2. The pool has fewer than n_min pairs, so that loop 1 converges: expect none.
    3. The seed is shown to gain less than 1 point over its half (the upper end of the curve's interval), or all human
       labels are over the seed (that of the ceiling's): expect none.
    4. The pool is smaller than the seed, so that people can label what loops could learn from: label first.
    5. The curve is shown to rise (the lower end of its interval is above 0), a regime like this is on record, and every
       one of those was measured to gain (the lower end of its interval is above 0): expect a gain.
    6. Else: cannot tell.
    """
    words, reasons = _label_or_none(evidence) or _gain_or_cannot_tell(evidence)
    return Advice(words=words, reasons=reasons, numbers=_numbers(evidence))


def _label_or_none(evidence: Evidence) -> tuple[AdviceWords, list[str]] | None:
    """The advice by the first four rules."""
    curve, ceiling = evidence.curve, evidence.ceiling
    if not evidence.gate.shown:
        return "label first", [f"The seed RM is {evidence.gate.words}."]
    if evidence.pool < evidence.n_min:
        return "expect none", [f"The pool has {evidence.pool:,} pairs, and a loop needs n_min = {evidence.n_min:,}."]
    if curve is not None and curve.high < NEGLIGIBLE:
        return "expect none", [f"{_labels(evidence)} are shown to gain less than 1 point ({_points(curve)})."]
    if ceiling is not None and ceiling.high < NEGLIGIBLE:
        return "expect none", [f"All human labels are shown to gain less than 1 point ({_points(ceiling)})."]
    if evidence.pool < evidence.labels:
        return "label first", [
            f"The pool has {evidence.pool:,} pairs, fewer than the {evidence.labels:,} labels of the seed: with all of "
            "them labelled, and right, there would not be twice as many."
        ]
    return None


def _gain_or_cannot_tell(evidence: Evidence) -> tuple[AdviceWords, list[str]]:
    """The advice by the last two rules."""
    missing = [*_missing_of_curve(evidence), *_missing_of_regimes(evidence)]
    return ("cannot tell", missing) if missing else ("expect a gain", _why_gain(evidence))


def _missing_of_curve(evidence: Evidence) -> list[str]:
    if evidence.curve is None:
        return ["Whole groups make no half of the seed, so that nothing is known of its learning curve."]
    if evidence.curve.low > 0:
        return []
    return [
        f"It is not shown that more labels help: {evidence.gate.n:,} calibration pairs show a gain of "
        f"{100 * smallest_shown(evidence.curve):.1f} points with {POWER:.0%} power; about "
        f"{needed_pairs(evidence.curve, evidence.gate.n):,} would show {100 * MEANT:.0f} points.".replace("80%", "80 %")
    ]


def _missing_of_regimes(evidence: Evidence) -> list[str]:
    like = evidence.like()
    if not like:
        others = [f"{_described(one)}; its annotator is simulated." for one in evidence.like_but_for_the_annotator()]
        whose = " whose labels are people's" if others else ""
        missing = f"No study of a seed like this one{whose}, under this recipe, model and training, is on record."
        return [missing, *others]
    unshown = [one for one in like if not one.is_gain]
    return [f"{_described(one)}: no gain is shown there." for one in unshown]


def _why_gain(evidence: Evidence) -> list[str]:
    assert evidence.curve is not None
    rises = f"More labels are shown to help: {_labels(evidence)} gain {_points(evidence.curve)}."
    return [rises, *(f"{_described(one)}." for one in evidence.like())]


def _labels(evidence: Evidence) -> str:
    return f"{evidence.labels:,} labels instead of {evidence.half_labels:,}"


def _described(regime: Regime) -> str:
    ends = f"{100 * regime.gain:+.1f} points ({100 * regime.low:+.1f} to {100 * regime.high:+.1f})"
    return f"In a like case ({regime.study}, {regime.dataset}, {regime.recorded_on}) the last loop gained {ends}"


def _points(found: Gain) -> str:
    ends = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
    return f"{100 * found.value:+.1f} points, 90 % interval {ends}"


def _numbers(evidence: Evidence) -> dict[str, Any]:
    curve, ceiling = evidence.curve, evidence.ceiling
    return {
        "seed_accuracy": {"value": evidence.gate.accuracy, "low": evidence.gate.ci_low, "high": evidence.gate.ci_high},
        "calibration_pairs": evidence.gate.n,
        "labels": evidence.labels,
        "half_labels": evidence.half_labels,
        "pool": evidence.pool,
        "n_min": evidence.n_min,
        "curve": None if curve is None else curve._asdict(),
        "detectable": None if curve is None else smallest_shown(curve),
        "needed": None if curve is None else needed_pairs(curve, evidence.gate.n),
        "ceiling": None if ceiling is None else ceiling._asdict(),
        "regimes": [one.model_dump(mode="json") for one in evidence.like()],
    }
