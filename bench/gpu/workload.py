"""What is measured on: pairs of random tokens whose lengths are spread as those of published data sets are."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair
from ser.planning.flops import forward_flops, training_flops, visible_tokens
from ser.planning.shape import ModelShape
from ser.specs import Lora

_SHORTEST_PROMPT, _SHORTEST_RESPONSE = 16, 2
_FIRST_TOKEN = 10
"""Those below it mean something to somebody: padding, beginning, end."""


@dataclass(frozen=True)
class Lengths:
    """How long prompts and responses are: lognormal, with the mean and the deviation of the logarithm.

    Attributes:
        alike: correlation of the logarithms of a pair's two responses.
        longest_response: longer responses are cut.
        longest: of a prompt and its longer response: prompts are cut to it.
    """

    prompt: tuple[float, float]
    response: tuple[float, float]
    alike: float
    longest_response: int
    longest: int

    def draw(self, stream: random.Random) -> tuple[int, int, int]:
        """Tokens of a prompt and of its two responses."""
        mean, deviation = self.response
        common, own = math.sqrt(self.alike) * stream.gauss(), math.sqrt(1 - self.alike)
        a, b = (self._response(mean + deviation * (common + own * stream.gauss())) for _ in range(2))
        prompt = round(stream.lognormvariate(*self.prompt))
        return max(_SHORTEST_PROMPT, min(prompt, self.longest - max(a, b))), a, b

    def _response(self, logarithm: float) -> int:
        return max(_SHORTEST_RESPONSE, min(self.longest_response, round(math.exp(logarithm))))


HH = Lengths((4.45, 0.9), (3.45, 0.95), 0.4, 270, 512)
"""Like hh_harmless cut at 512 tokens: a packed pair has 210 in the mean, more than half of them the prompt's."""
ULTRAFEEDBACK = Lengths((4.5, 1.05), (5.1, 1.0), 0.5, 900, 2048)
"""Like ultrafeedback cut at 2,048 tokens: a packed pair has 640 in the mean, three quarters of them the responses'."""


@dataclass(frozen=True)
class Work:
    """Some pairs, and what they cost a network of a shape."""

    pairs: Sequence[EncodedPair]
    shape: ModelShape

    @classmethod
    def draw(cls, lengths: Lengths, count: int, shape: ModelShape, seed: int = 0) -> "Work":
        """`count` pairs, the same ones for a seed."""
        stream = random.Random(seed)

        def tokens(count: int) -> list[int]:
            return [stream.randrange(_FIRST_TOKEN, shape.vocabulary) for _ in range(count)]

        sizes = [lengths.draw(stream) for _ in range(count)]
        pairs = [EncodedPair(f"{i:06}", tokens(p), tokens(a), tokens(b)) for i, (p, a, b) in enumerate(sizes)]
        return cls(pairs, shape)

    def __len__(self) -> int:
        return len(self.pairs)

    def part(self, first: int, last: int) -> "Work":
        """The pairs from `first` to before `last`."""
        return Work(self.pairs[first:last], self.shape)

    @property
    def sequences(self) -> list[list[int]]:
        """Prompt and response a, then prompt and response b, of every pair: what a peer takes."""
        return [[*one.prompt, *response] for one in self.pairs for response in (one.response_a, one.response_b)]

    @property
    def tokens(self) -> int:
        """Of all packed pairs."""
        return sum(map(len, self.pairs))

    def write(self, folder: Path) -> Path:
        """The table of these pairs, in `folder`."""
        folder.mkdir(parents=True)
        write_encoded(self.pairs, folder)
        return folder / ENCODED_NAME

    def scoring_flops(self) -> float:
        """What one pass over the packed pairs needs."""
        return forward_flops(self.shape, self.tokens, self._visible, self.shape.layers)

    def training_flops(self, lora: Lora) -> float:
        """What one epoch needs, whoever trains them: the packed pairs through the adapted layers, and back."""
        return training_flops(self.shape, self.tokens, self._visible, lora)

    @property
    def _visible(self) -> float:
        return sum(visible_tokens(len(one.prompt), len(one.response_a), len(one.response_b)) for one in self.pairs)


def prompts(count: int, longest: int, shape: ModelShape) -> list[list[int]]:
    """`count` prompts of at most `longest` tokens."""
    return [one.prompt[-longest:] for one in Work.draw(HH, count, shape, seed=2).pairs]


def decoding_flops(shape: ModelShape, prompts: Sequence[Sequence[int]], response_tokens: int) -> float:
    """What it needs to read the prompts and to continue each: the layers, without the language-model head."""
    sizes = [len(prompt) + response_tokens for prompt in prompts]
    return forward_flops(shape, sum(sizes), sum(size * (size + 1) / 2 for size in sizes), shape.layers)
