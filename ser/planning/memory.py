"""How many bytes weights, adapters, activations and caches take, and how many tokens fit into what is left.

H is the hidden size, I the intermediate size, Q and K the widths of queries and keys, s the bytes of a number of the
backbone's type, r the rank of the adapter. `docs/plan.md` derives the formulas; a test counts what autograd saves.
"""

import math
from dataclasses import dataclass

from ser.planning.shape import ModelShape
from ser.specs import MIN_PROMPT_TOKENS, Lora

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2}
"""Of a number of each type of arithmetic."""

NF4 = 0.516
"""Bytes of a weight in 4 bits: half a byte, and the scales of blocks of 64, themselves in 8 bits (arXiv 2305.14314)."""
TRAINED = 16
"""Bytes of a trained parameter: itself, its gradient and two moments of AdamW, all float32."""
ENOUGH_TOKENS = 2048
"""Tokens of a microbatch that keep a GPU busy: nine times as many as a matrix product needs to be bound by arithmetic
(780 TFLOP/s over 3.35 TB/s, in bfloat16, is 233). With fewer, layers are rather computed again."""
MOST_TOKENS = 16384
"""Tokens of a microbatch beyond which nothing was faster: 16,384 is the largest that was measured."""


@dataclass(frozen=True)
class Microbatch:
    """How training goes back through a batch: tokens at once, and whether layers are computed again on the way back."""

    tokens: int
    checkpointing: bool


def choose_microbatch(
    shape: ModelShape, lora: Lora, itemsize: int, free_bytes: float, longest: int, step_tokens: float = math.inf
) -> Microbatch | None:
    """The microbatch for so many free bytes, beside weights and optimiser; None if the longest pair does not fit.

    Layers are computed again only where otherwise neither a whole step nor `ENOUGH_TOKENS`, or not even the longest
    pair, would fit: it costs half as much time again.

    Args:
        itemsize: bytes of a number of the backbone's type.
        longest: tokens of the longest packed pair.
        step_tokens: of a training step on this device, roughly; more at once would be of no use.
    """
    fitting, most = 0, max(longest, round(min(MOST_TOKENS, step_tokens)))
    for checkpointing in (False, True):
        fitting = int(max(0.0, free_bytes) // training_bytes_a_token(shape, lora, itemsize, checkpointing))
        if fitting >= min(most, max(longest, ENOUGH_TOKENS)):
            return Microbatch(min(fitting, most), checkpointing)
    return Microbatch(fitting, True) if fitting >= longest else None


def longest_pair(max_length: int) -> int:
    """The most tokens that a packed pair can have: the prompt once, and two responses that each fit beside it."""
    return 2 * max_length - MIN_PROMPT_TOKENS


def training_bytes_a_token(shape: ModelShape, lora: Lora, itemsize: int, checkpointing: bool) -> float:
    """Of a token of a microbatch, in all layers above the trunk; what is saved below it is nothing.

    With checkpointing each layer keeps its input, and one layer at a time keeps all.
    """
    adapted, of_a_layer = shape.layers - lora.frozen_layers(shape.layers), saved_bytes_a_token(shape, lora, itemsize)
    saved = adapted * itemsize * shape.hidden + of_a_layer if checkpointing else adapted * of_a_layer
    return saved + working_bytes_a_token(shape, itemsize)


def saved_bytes_a_token(shape: ModelShape, lora: Lora, itemsize: int, *, fused_norms: bool = True) -> float:
    """What autograd saves of a token in one adapted layer.

        norms            2 s H + 8                 what goes into both, and its scale; 8 H + 8 where they are not fused
        attention        s (2 Q + 2 K) + 4 heads   queries, keys, values, result; the logarithm of the sum
        feed-forward     3 s I                     gate, its activation, up
        adapter          s (2 H + I) + 7 s r       what goes into q, k and v, into gate and up, and into down; x Aᵀ
        dropout          5 H + Q + I               of each linear layer's input, a byte for what is kept

    What goes into o is the result of attention.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    norms = (2 * itemsize if fused_norms else 8) * shape.hidden + 8
    attention = itemsize * (2 * queries + 2 * keys) + 4 * shape.heads
    feed_forward = 3 * itemsize * shape.intermediate
    adapter = itemsize * (2 * shape.hidden + shape.intermediate + len(shape.linear_sizes) * lora.r)
    dropout = sum(inputs for inputs, _ in shape.linear_sizes) if lora.dropout else 0
    return norms + attention + feed_forward + adapter + dropout


def working_bytes_a_token(shape: ModelShape, itemsize: int) -> float:
    """What lives of a token while a layer works: three wide states, four narrow ones, and a norm in float32 twice."""
    return itemsize * (3 * shape.intermediate + 4 * shape.hidden) + 8 * shape.hidden


def weight_bytes(shape: ModelShape, parameters: int, itemsize: int, *, head: bool, four_bit: bool = False) -> float:
    """Of the frozen backbone; without its language-model head for a reward model.

    In 4 bits are the linear layers only, of which one at a time is unpacked.
    """
    without = 0 if head or shape.tied else shape.embedding_parameters
    weights = itemsize * (parameters - without)
    if not four_bit:
        return weights
    packed = shape.layers * shape.layer_parameters
    largest = max(inputs * outputs for inputs, outputs in shape.linear_sizes)
    return weights - packed * (itemsize - NF4) + itemsize * largest


def sharded_bytes(shape: ModelShape, weights: float, itemsize: int, cards: int) -> float:
    """Of weights that are spread over cards (FSDP): a share, and two whole layers, one at work and one on its way."""
    return weights / cards + (2 * itemsize * shape.layer_parameters if cards > 1 else 0.0)


def states_bytes_a_token(shape: ModelShape, itemsize: int) -> int:
    """Of the cached state of a token after the trunk."""
    return itemsize * shape.hidden


def kv_bytes_a_token(shape: ModelShape, itemsize: int) -> int:
    """Of the keys and values of a token that generation keeps."""
    return 2 * itemsize * shape.layers * shape.kv_heads * shape.head_dim


def logit_bytes_a_token(shape: ModelShape, itemsize: int) -> int:
    """Of the logits of a response token while a policy trains: as they come, and in float32 scaled, as
    log-probabilities, and their two gradients."""
    return (itemsize + 4 * 4) * shape.vocabulary
