"""What work takes on cards: seconds, from arithmetic and measured shares of what a card reaches (docs/plan.md)."""

import math

from resources.planning.work import Stage, Work
from ser.planning.cards import Cards
from ser.planning.memory import kv_bytes_a_token
from ser.planning.shape import ModelShape

SCORING, TRAINING = 0.71, 0.46
"""Shares of a card's `flops` that passes without and with gradients reach. Measured on one H100 with Llama 3 8B and
pairs of hh_harmless, packed without padding: 190 pairs/s scored, 53 trained on."""
PASS_A_LAYER, TRAINED_A_LAYER = 31e-3 / 32, 3 * 31e-3 / 32
"""Seconds that the processor needs to launch a layer's kernels for tokens that pass at once, without and with
gradients, whatever the card: no small batch or small model is faster. Measured (31 ms for 768 tokens through 32 layers,
where the arithmetic takes 19); that a training pass launches three times as many is not."""
STATES_READ = 6.3e9
"""Bytes of cached states a second from the page cache through pinned memory onto the card; measured (1.3 µs a token of
8,192 bytes)."""
STATES_WRITTEN, WEIGHTS_READ = 1e9, 2e9
"""Bytes a second onto and from a local disk. Not measured: a usual NVMe disk."""
DECODING = 0.6
"""Share of the memory's bandwidth at which a step of generation reads. Not measured since a step is one launch; before,
a step of Llama 3 8B took 52 ms on an H100, where reading the weights takes 5."""
SHARED, SHARDED = 0.9, 0.8
"""What is left of a card's speed where several share out the pairs, and where they share out the weights too. Not
measured."""


def seconds_of(
    stage: Stage,
    shape: ModelShape,
    weights: float,
    itemsize: int,
    cards: Cards,
    *,
    at_once: float,
    rows: int,
    checkpointing: bool,
    sharded: bool,
) -> float:
    """How long a stage takes.

    Args:
        weights: bytes of the frozen backbone.
        at_once: tokens that pass a card at once.
        rows: responses that are generated at once, at most.
        checkpointing: whether layers are computed again on the way back.
        sharded: whether the weights are spread over the cards.
    """
    work, speed = stage.work, cards.card.flops * _speed_up(stage, cards, sharded)
    trained = work.training_flops + (work.again_flops if checkpointing else 0.0)
    launched = at_once * (1 if stage.kind == "policy" else cards.count)
    arithmetic = max(work.forward_flops / SCORING / speed, work.forward_layers / launched * PASS_A_LAYER)
    arithmetic += max(trained / TRAINING / speed, work.trained_layers / launched * TRAINED_A_LAYER)
    moved = work.states_read / STATES_READ + work.states_written / STATES_WRITTEN
    loaded = work.loads * weights / WEIGHTS_READ
    return arithmetic + moved + loaded + decoding_seconds(work, shape, weights, itemsize, cards, sharded, rows)


def decoding_seconds(
    work: Work, shape: ModelShape, weights: float, itemsize: int, cards: Cards, sharded: bool, rows: int
) -> float:
    """Of the steps of generation: in each the weights and the keys and values so far are read once.

    Sharded weights come from the other cards.
    """
    if not work.decoded:
        return 0.0
    rounds = math.ceil(work.decoded_rows / rows)
    rate = (cards.card.link_gb_s if sharded else cards.card.bandwidth_gb_s) * 1e9
    cache = work.decoded_rows / rounds * work.decoded_tokens * kv_bytes_a_token(shape, itemsize)
    return rounds * work.decoded * (weights / rate + cache / (cards.card.bandwidth_gb_s * 1e9)) / DECODING


def _speed_up(stage: Stage, cards: Cards, sharded: bool) -> float:
    """How many times one card the cards are for a stage."""
    if cards.count == 1:
        return 1.0
    if sharded:
        return cards.count * SHARDED
    return 1.0 if stage.kind == "policy" else cards.count * SHARED
