"""What the plan predicts is within a fifth of what was measured.

Measured in 2026-11 on one H100 with Llama 3 8B (random bfloat16 weights, LoRA r = 16) and pairs of hh_harmless cut at
512 tokens, packed without padding: docs/plan.md has the same rows. The ceiling was that of a large matrix product.
"""

import json

import pytest

from resources.planning.costs import decoding_seconds, seconds_of
from resources.planning.evolution_work import EvolutionWork
from resources.planning.work import Counts, Stage, Work
from resources.preset_files import FOLDER
from resources.settings import Settings
from ser.planning.cards import Cards
from ser.planning.flops import PairLengths
from ser.planning.memory import states_bytes_a_token, weight_bytes
from ser.planning.shape import ModelShape

LLAMA_8B = ModelShape.from_config(json.loads((FOLDER / "llama-3-8b.config.json").read_text()))
H100 = Cards.parse("1xH100-80GB")
SCORED = PairLengths(tokens=208.5, prompt=119, visible=27_396)
"""Of the 128 pairs that were scored."""
TRAINED = PairLengths(tokens=241.1, prompt=137, visible=40_111)
"""Of the 48 pairs that were trained on, 16 a step."""
TRUNK = PairLengths(tokens=211.6, prompt=120, visible=29_064)
"""Of the 192 pairs that passed the lower half of the layers."""


def stages_of(lengths: PairLengths, top: float) -> dict[str, Stage]:
    """The stages of 1,000 pool and 1,000 seed pairs; models are read from the disk in no time."""
    lora = {"r": 16, "top": top}
    settings = Settings.model_validate({"loops": 1, "reward_model": {"lora": lora, "seed_epochs": 1}})
    counts = Counts(pool=1000, seed=1000, calibration=0, test=0)
    return {stage.name: stage for stage in EvolutionWork(settings, LLAMA_8B, 2, counts, lengths).stages()}


def seconds(stage: Stage, at_once: float) -> float:
    return seconds_of(stage, LLAMA_8B, 0.0, 2, H100, at_once=at_once, rows=1, checkpointing=False, sharded=False)


def within_a_fifth(measured: float) -> object:
    return pytest.approx(measured, rel=0.2)


def test_the_ceiling() -> None:
    assert H100.card.flops / 1e12 == within_a_fifth(780)


def test_scoring_190_pairs_a_second() -> None:
    assert 1000 / seconds(stages_of(SCORED, 1.0)["loop_1/self_labels"], 16_384) == within_a_fifth(190)


def test_scoring_118_pairs_a_second_where_768_tokens_pass_at_once() -> None:
    assert 1000 / seconds(stages_of(SCORED, 1.0)["loop_1/self_labels"], 768) == within_a_fifth(118)


def test_training_53_pairs_a_second() -> None:
    assert 1000 / seconds(stages_of(TRAINED, 1.0)["seed_rm"], 16 * 241.1) == within_a_fifth(53)


def test_the_lower_half_of_the_layers_takes_15_microseconds_a_token() -> None:
    passed = stages_of(TRUNK, 0.5)["states of the trunk"]
    arithmetic = Stage(passed.name, passed.kind, Work(passed.work.tokens, passed.work.forward_flops))
    assert seconds(arithmetic, 16_384) / passed.work.tokens * 1e6 == within_a_fifth(14.7)


def test_cached_states_are_read_in_1_microsecond_a_token() -> None:
    read = Stage("read", "scoring", Work(states_read=1000 * states_bytes_a_token(LLAMA_8B, 2)))
    assert seconds(read, 16_384) / 1000 * 1e6 == within_a_fifth(1.3)


def test_reading_the_weights_takes_5_milliseconds_a_step() -> None:
    weights = weight_bytes(LLAMA_8B, 8_030_261_248, 2, head=True)
    assert weights / (H100.card.bandwidth_gb_s * 1e9) * 1e3 == within_a_fifth(5)
    work = Work(decoded=1, decoded_rows=64, decoded_tokens=256)
    step = decoding_seconds(work, LLAMA_8B, weights, 2, H100, sharded=False, rows=64)
    assert 5e-3 < step < 52e-3
