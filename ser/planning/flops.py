"""The arithmetic of passes over packed pairs, in floating-point operations: a multiply-add counts two."""

from dataclasses import dataclass

from ser.planning.shape import ModelShape
from ser.specs import Lora

PROMPT_SHARE = 0.57
SPREAD = 1.31
"""Of 400 pairs of hh_harmless cut at 512 tokens: the share of the prompt in a packed pair (prompt, a and b once), and
how many token pairs see each other, to those of a text as long as the mean: long pairs count more than short ones."""
HH_TOKENS = 210.0
"""Tokens of a packed pair of hh_harmless, roughly."""


@dataclass(frozen=True)
class PairLengths:
    """The mean packed pair.

    Attributes:
        tokens: of prompt and both responses.
        prompt: tokens of the prompt.
        visible: how often a token sees a token, itself included.
    """

    tokens: float
    prompt: float
    visible: float

    @classmethod
    def like_hh(cls, tokens: float = HH_TOKENS) -> "PairLengths":
        """Pairs of so many tokens that are else like those of hh_harmless."""
        return cls(tokens, PROMPT_SHARE * tokens, SPREAD * tokens**2 / 2)

    @property
    def response(self) -> float:
        """Tokens of a response."""
        return (self.tokens - self.prompt) / 2


def visible_tokens(prompt: int, response_a: int, response_b: int) -> float:
    """How often a token of a packed pair sees a token: prompt + a causally, and b itself and the prompt."""
    first = prompt + response_a
    return first * (first + 1) / 2 + response_b * prompt + response_b * (response_b + 1) / 2


def forward_flops(shape: ModelShape, tokens: float, visible: float, layers: int) -> float:
    """Of a forward pass through so many layers: 2 a weight and token, and 4 Q a visible token."""
    linear = 2 * shape.layer_parameters * tokens
    return layers * (linear + 4 * shape.heads * shape.head_dim * visible)


def training_flops(shape: ModelShape, tokens: float, visible: float, lora: Lora, checkpointing: bool = False) -> float:
    """Of a training pass through the adapted layers over a frozen backbone.

    Forward, and as much for the gradients of the activations; the weights have none. The adapter's own has: 6 a weight
    and token. With checkpointing the forward pass is made twice.
    """
    adapted = shape.layers - lora.frozen_layers(shape.layers)
    passes = 3 if checkpointing else 2
    own = 6 * shape.adapter_parameters(lora) * tokens
    return passes * forward_flops(shape, tokens, visible, adapted) + own
