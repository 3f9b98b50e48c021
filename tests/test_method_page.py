"""docs/method.md says what the code does: its functions, settings and defaults, and the equations without a test of
their own (the others are compared with numbers worked out by hand in tests/ser)."""

import importlib
import json
import math
import re
import tomllib
from functools import reduce
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from resources.settings import Settings
from ser.data import roles
from ser.method import log_loss, precision, promotion
from ser.method.calibration import fit_two_parameters
from ser.method.labels import label_pair
from ser.method.recipe import PAPER, ROBUST, Recipe
from ser.method.stats import Gain

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "method.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
FUNCTIONS = sorted({text for text in CODE if re.fullmatch(r"\S+\.py: \S+", text)})
DEFAULTS = sorted({text for text in CODE if re.fullmatch(r"[a-z_.]+ = \S+", text)})
KEYS = sorted(
    {text for text in CODE if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text) and not text.endswith((".py", ".sh"))}
)
ROWS = re.findall(r"^\| `([a-z_.]+)` \| (\S+) \| (\S+) \|", PAGE, flags=re.MULTILINE)


CONSTANTS = {
    "500 resamples": precision.RESAMPLES == 500,
    "one-sided 95 % bound": precision.ERROR == 0.05,
    "each fifth of the units": log_loss.FOLDS == 5,
    "at most 40 blocks": log_loss.BLOCKS == 40,
    "a one-sided test at 5 %": promotion.ERROR == 0.05,
    "in about 80 % of cases": promotion.POWER == 0.8,
    "2 points of accuracy": promotion.MEANT == 0.02,
    "at least 16 of these pairs": roles.MIN_PAIRS == 16,
    "at least some 28 pairs": roles.MIN_SEED == 28,
}
"""What the page says that no setting decides."""


def value_of(owner: Any, key: str) -> Any:
    return reduce(getattr, key.split("."), owner)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_that_the_page_names_is_there(function: str) -> None:
    path, name = function.split(": ")
    assert (ROOT / path).is_file()
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    value_of(module, name)


@pytest.mark.parametrize("default", DEFAULTS)
def test_every_default_on_the_page_is_that_of_the_settings(default: str) -> None:
    key, said = default.split(" = ")
    assert json.loads(said) == value_of(Settings(), key)


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_that_the_page_names_is_there(key: str) -> None:
    value_of(Settings(), key)


def test_the_table_of_recipes_has_every_value_of_the_method() -> None:
    rows = {key.removeprefix("method."): (paper, robust) for key, paper, robust in ROWS}
    assert rows.keys() == Recipe.model_fields.keys() - {"thresholds"}
    for key, said in rows.items():
        assert said == tuple(
            "–" if value is None else str(value) for value in (getattr(PAPER, key), getattr(ROBUST, key))
        )


@pytest.mark.parametrize(("words", "holds"), CONSTANTS.items())
def test_the_constants_that_the_page_names(words: str, holds: bool) -> None:
    assert words in " ".join(PAGE.split()) and holds


@pytest.mark.parametrize("preset", ["mistral-7b", "llama-3-8b", "llama-2-13b", "llama-3-70b"])
def test_the_presets_of_the_papers_models(preset: str) -> None:
    said = tomllib.loads((ROOT / "resources" / "presets" / f"{preset}.toml").read_text())
    rm, ppo = said["reward_model"], said["ppo"]
    assert (rm["lora"]["r"], rm["lora"]["top"], rm["seed_epochs"], rm["batch_size"]) == (8, 1.0, 2, 40)
    assert (ppo["target_kl"], ppo["kl_horizon"]) == (6.0, 10_000)


def test_the_page_names_what_it_is_about() -> None:
    assert len(FUNCTIONS) > 40 and len(DEFAULTS) > 25 and len(KEYS) > 10


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_p_and_confidence_by_the_page() -> None:
    row = label_pair({"reward_a": 1.2, "reward_b": -0.3}, offset=0.4, temperature=2.0)
    assert (row["p_a"], row["p_b"]) == pytest.approx((sigma(1.2 - 0.4), sigma(-0.3 - 0.4)))
    assert (row["confidence"], row["preferred"]) == (pytest.approx(sigma(1.5 / 2)), "a")
    assert label_pair({"reward_a": 1.0, "reward_b": 1.0}, 0.0, 1.0)["preferred"] == "a"


def test_what_could_have_been_shown_by_the_page() -> None:
    z, error = NormalDist().inv_cdf, 0.03
    found = Gain(0.01, 0.01 - z(0.95) * error, 0.01 + z(0.95) * error)
    detectable = (z(0.95) + z(0.8)) * error
    assert promotion.smallest_shown(found) == pytest.approx(detectable)
    assert promotion.needed_pairs(found, 150) == math.ceil(150 * (detectable / 0.02) ** 2)


CALIBRATION, UNITS, POOL = 90, 60, 40
"""Pairs and units of calibration, and pairs of the pool, none of which are equally sure."""


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """|m| / T of the calibration pairs, whether they are right, their units, and |m| / T of the pool, falling."""
    draw = np.random.default_rng(1)
    x, pool = np.abs(draw.normal(0, 2, CALIBRATION)), -np.sort(-np.abs(draw.normal(0, 2, POOL)))
    return x, draw.random(CALIBRATION) < 1 / (1 + np.exp(-x)), np.arange(CALIBRATION) % UNITS, pool


def resamples(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same draws as the code's: how often each calibration pair counts [500, C], and z_b [500]."""
    draw = np.random.default_rng(20411)
    counts = draw.multinomial(UNITS, [1 / UNITS] * UNITS, size=500)
    return counts[:, units], draw.standard_normal(500)


def test_the_two_parameters_have_the_slope_zero_of_the_pages_loss(scored: tuple[np.ndarray, ...]) -> None:
    x, right, units, _ = scored
    weights, _ = resamples(units)
    slopes, offsets = fit_two_parameters(x, right, weights.astype(float))
    for alpha, beta, weight in zip(slopes[:40], offsets[:40], weights[:40], strict=True):
        n_1, n_0 = int(weight[right].sum()), int(weight[~right].sum())
        target = [(n_1 + 1) / (n_1 + 2) if ok else 1 / (n_0 + 2) for ok in right]
        pulls = [int(w) * (sigma(alpha * one + beta) - t) for w, one, t in zip(weight, x.tolist(), target, strict=True)]
        assert sum(pulls) == pytest.approx(0, abs=1e-4)
        assert sum(pull * one for pull, one in zip(pulls, x.tolist(), strict=True)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("promised", "holds"), [(0.6, True), (0.7, True), (0.74, True), (0.8, False)])
def test_the_one_sided_bound_and_the_cut_by_the_page(
    scored: tuple[np.ndarray, ...], promised: float, holds: bool
) -> None:
    x, right, units, pool = scored
    n_min = 10
    lows = bounds_by_the_page(x, right, units, pool.tolist())
    kept = [n for n in range(n_min, POOL + 1) if lows[n - 1][1] >= promised]
    cut = precision.calibrated_cut(
        1 / (1 + np.exp(-x)), right, [f"{unit:02}" for unit in units], 1 / (1 + np.exp(-pool)), promised, n_min
    )
    assert (cut.confidence is not None) is bool(kept) is holds
    shown = max(kept) if kept else max(range(n_min, POOL + 1), key=lambda n: lows[n - 1][1])
    assert cut.n == shown
    assert (cut.precision, cut.precision_low) == pytest.approx(lows[shown - 1], abs=1e-6)
    if cut.confidence is not None:
        assert (1 / (1 + np.exp(-pool)) > cut.confidence).sum() == shown


def bounds_by_the_page(
    x: np.ndarray, right: np.ndarray, units: np.ndarray, pool: list[float]
) -> list[tuple[float, float]]:
    """The estimate and the bound of the n most confident pairs, for n from 1."""
    weights, z = resamples(units)
    slopes, offsets = fit_two_parameters(x, right, np.concatenate([np.ones((1, len(x))), weights]))
    normal, found = NormalDist(), []
    p = [[sigma(alpha * one + beta) for one in pool] for alpha, beta in zip(slopes, offsets, strict=True)]
    for n in range(1, len(pool) + 1):
        estimate = sum(p[0][:n]) / n
        drawn = [
            (sum(row[:n]) + z_b * math.sqrt(sum(one * (1 - one) for one in row[:n]))) / n
            for row, z_b in zip(p[1:], z.tolist(), strict=True)
        ]
        u = (sum(one < estimate for one in drawn) + 0.5) / 501
        k = math.floor(499 * normal.cdf(2 * normal.inv_cdf(u) + normal.inv_cdf(0.05)))
        found.append((estimate, sorted(drawn)[k]))
    return found
