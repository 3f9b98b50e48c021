"""Memory, arithmetic and cards: what must hold whatever the sizes, and what was measured on one H100.

What was measured: Llama 3 8B with random bfloat16 weights, 2026-11 (docs/plan.md).
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.errors import SerError
from ser.planning.cards import CARDS, Cards
from ser.planning.flops import PairLengths, forward_flops, training_flops, visible_tokens
from ser.planning.memory import (
    ENOUGH_TOKENS,
    GIB,
    MOST_TOKENS,
    Microbatch,
    choose_microbatch,
    longest_pair,
    saved_bytes_a_token,
    training_bytes_a_token,
    weight_bytes,
    working_bytes_a_token,
)
from ser.planning.shape import ModelShape
from ser.specs import Lora

PRESETS = Path(__file__).parents[3] / "resources" / "presets"
LLAMA_8B = ModelShape.from_config(json.loads((PRESETS / "llama-3-8b.config.json").read_text()))
PARAMETERS_8B = 8_030_261_248
H100 = CARDS["H100-80GB"]
ALL_LAYERS = Lora(r=16, top=1.0)


def test_a_pair_sees_what_a_matrix_mask_lets_through() -> None:
    prompt, a, b = 5, 3, 2
    parts = [0] * prompt + [1] * a + [2] * b
    seen = sum(
        1 for query in range(len(parts)) for key in range(query + 1) if parts[key] == 0 or parts[key] == parts[query]
    )
    assert visible_tokens(prompt, a, b) == seen


def test_the_arithmetic_of_an_8b_layer_is_two_a_weight_and_token() -> None:
    weights = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert forward_flops(LLAMA_8B, 10, 55, layers=32) == 32 * (2 * weights * 10 + 4 * 4096 * 55)


def test_checkpointing_costs_one_more_forward_pass() -> None:
    plain, again = (training_flops(LLAMA_8B, 210, 30_000, ALL_LAYERS, checkpointing) for checkpointing in (False, True))
    assert again - plain == pytest.approx(forward_flops(LLAMA_8B, 210, 30_000, 32))


def test_a_whole_batch_of_long_pairs_does_not_fit_as_it_did_not() -> None:
    """Training all layers with 16 pairs of up to 2,048 tokens at once, 10,900 tokens: out of memory at 74 GiB."""
    weights = weight_bytes(LLAMA_8B, PARAMETERS_8B, 2, head=False)
    saved = saved_bytes_a_token(LLAMA_8B, ALL_LAYERS, 2, fused_norms=False)
    whole = weights + 10_900 * (LLAMA_8B.layers * saved + working_bytes_a_token(LLAMA_8B, 2))
    assert 74 * GIB < whole < 1.2 * 74 * GIB
    checkpointed = weights + 10_900 * training_bytes_a_token(LLAMA_8B, ALL_LAYERS, 2, checkpointing=True)
    assert checkpointed < H100.usable_bytes


def test_an_8b_model_trains_on_80_gb_without_and_on_24_gb_with_checkpointing() -> None:
    weights = weight_bytes(LLAMA_8B, PARAMETERS_8B, 2, head=False)
    for card, checkpointing in (("H100-80GB", False), ("RTX4090-24GB", True)):
        free = CARDS[card].usable_bytes - weights
        chosen = choose_microbatch(LLAMA_8B, ALL_LAYERS, 2, free, longest_pair(512), step_tokens=8400)
        assert chosen is not None
        assert chosen.checkpointing is checkpointing
        assert ENOUGH_TOKENS <= chosen.tokens <= 8400


def test_four_bits_leave_a_third_of_an_8b_model() -> None:
    whole = weight_bytes(LLAMA_8B, PARAMETERS_8B, 2, head=True)
    assert whole == 2 * PARAMETERS_8B
    assert weight_bytes(LLAMA_8B, PARAMETERS_8B, 2, head=True, four_bit=True) == pytest.approx(5.8e9, rel=0.02)


@given(
    free=st.floats(0, 1e11),
    more=st.floats(0, 1e11),
    longest=st.integers(32, 8000),
    top=st.sampled_from([0.25, 0.5, 1]),
    step=st.floats(0, 50_000),
)
def test_more_memory_never_means_a_worse_microbatch(
    free: float, more: float, longest: int, top: float, step: float
) -> None:
    lora = Lora(top=top)
    less = choose_microbatch(LLAMA_8B, lora, 2, free, longest, step)
    roomier = choose_microbatch(LLAMA_8B, lora, 2, free + more, longest, step)
    if less is None:
        return
    assert roomier is not None and longest <= less.tokens
    assert less.tokens * training_bytes_a_token(LLAMA_8B, lora, 2, less.checkpointing) <= free
    assert less.checkpointing or not roomier.checkpointing
    if less.checkpointing is roomier.checkpointing:
        assert roomier.tokens >= less.tokens


@given(tokens=st.floats(20, 4000), more=st.floats(0, 4000))
def test_longer_pairs_never_cost_less(tokens: float, more: float) -> None:
    short, long = PairLengths.like_hh(tokens), PairLengths.like_hh(tokens + more)
    assert forward_flops(LLAMA_8B, long.tokens, long.visible, 32) >= forward_flops(
        LLAMA_8B, short.tokens, short.visible, 32
    )


def test_nothing_fits_into_nothing() -> None:
    assert choose_microbatch(LLAMA_8B, ALL_LAYERS, 2, -1e9, 100, 1000) is None


def test_no_microbatch_is_larger_than_a_step_or_than_what_was_fastest() -> None:
    for step, tokens in ((50, 100), (1000, 1000), (1e6, MOST_TOKENS)):
        assert choose_microbatch(LLAMA_8B, Lora(top=0.01), 2, 80e9, 100, step) == Microbatch(tokens, False)


def test_cards_are_asked_for_by_number_and_name() -> None:
    assert (str(Cards.parse("8xh100-80gb")), str(Cards.parse("L4-24GB"))) == ("8xH100-80GB", "1xL4-24GB")
    assert Cards.parse("2xL4-24GB", price=0.5).card.price == 0.5
    assert all(card.name == name for name, card in CARDS.items())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("1xH100", "there is no card 'H100'. Did you mean H100-80GB?"),
        ("0xH100-80GB", "is no number of cards"),
        ("", "is no number of cards"),
        ("2xABACUS", "there is no card 'ABACUS'."),
    ],
)
def test_unknown_cards_are_refused_in_two_lines(asked: str, said: str) -> None:
    with pytest.raises(SerError) as error:
        Cards.parse(asked)
    assert said in str(error.value) and len(str(error.value).splitlines()) == 2
