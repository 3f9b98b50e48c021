"""Whether the stages of an evolution fit into a card's memory, how they do, and what would make them fit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from resources.planning.work import Kind
from resources.settings import Settings
from ser.planning.cards import CARDS, Cards
from ser.planning.memory import (
    MOST_TOKENS,
    TRAINED,
    Microbatch,
    choose_microbatch,
    kv_bytes_a_token,
    logit_bytes_a_token,
    longest_pair,
    sharded_bytes,
    training_bytes_a_token,
    weight_bytes,
    working_bytes_a_token,
)
from ser.planning.shape import ModelShape
from ser.specs import Lora

SHORTEST = 64
"""Tokens of a prompt and its longer response below which no `max_length` is proposed."""


@dataclass(frozen=True)
class Layout:
    """How the model lies on the cards: in 4 bits or not, on how many cards each weight is shared out, and how long
    pairs may be."""

    max_length: int
    four_bit: bool = False
    shards: int = 1


@dataclass(frozen=True)
class StageMemory:
    """Bytes that a kind of stage takes on each card, and how it works in them.

    Attributes:
        rows: responses that are generated at once.
    """

    bytes: float
    microbatch: Microbatch
    rows: int


@dataclass(frozen=True)
class Remedy:
    """Something that may make an evolution fit: the bytes on each card that it leads to."""

    what: str
    bytes: float
    fits: bool


class Fitting:
    """The memory of an evolution's stages.

    Args:
        parameters: of the whole causal language model.
        itemsize: bytes of a number of the backbone's type.
        step_tokens: of a training step, on each card.
    """

    def __init__(self, settings: Settings, shape: ModelShape, parameters: int, itemsize: int, step_tokens: float):
        self._settings, self._shape = settings, shape
        self._parameters, self._itemsize, self._step_tokens = parameters, itemsize, step_tokens

    def weights(self, kind: Kind, layout: Layout) -> float:
        """Bytes of the frozen backbone on each card."""
        whole = weight_bytes(
            self._shape, self._parameters, self._itemsize, head=kind == "policy", four_bit=layout.four_bit
        )
        return sharded_bytes(self._shape, whole, self._itemsize, layout.shards)

    def plan(self, kind: Kind, layout: Layout, usable: float) -> StageMemory | None:
        """How a kind of stage works in so many bytes, and what it takes of them; None if it does not fit."""
        fixed = self._fixed(kind, layout)
        rows, cache = self._rows_that_fit(kind, layout, usable - fixed)
        chosen = self._choose(kind, layout, usable - fixed - cache)
        if chosen is None:
            return None
        return StageMemory(fixed + cache + chosen.tokens * self._of_token(kind, chosen.checkpointing), chosen, rows)

    def least(self, kind: Kind, layout: Layout, *, checkpointing: bool) -> float:
        """The bytes without which no longest pair passes, and no prompt is answered."""
        cache = self._row(layout) if kind == "policy" else 0.0
        return self._fixed(kind, layout) + cache + self._longest(kind, layout) * self._of_token(kind, checkpointing)

    def fits(self, kinds: Iterable[Kind], layout: Layout, usable: float) -> bool:
        """Whether all of these kinds of stages do."""
        return all(self.plan(kind, layout, usable) for kind in kinds)

    def remedies(self, kinds: Iterable[Kind], layout: Layout, cards: Cards) -> list[Remedy]:
        """What would make the largest of these stages fit, in the order in which one would try it.

        All but the first are meant with gradient checkpointing.
        """
        kinds = list(kinds)

        def tried(what: str, other: Layout, usable: float = cards.card.usable_bytes) -> Remedy:
            most = max(self.least(kind, other, checkpointing=True) for kind in kinds)
            return Remedy(what, most, most <= usable)

        usable = cards.card.usable_bytes
        found = [tried("gradient checkpointing (it is turned on where it helps)", layout)]
        if not layout.four_bit:
            found.append(tried("compute.weights = nf4 (4 bits)", replace(layout, four_bit=True)))
        shorter = [tried(f"encoding.max_length = {one.max_length}", one) for one in _shorter(layout)]
        found += _first_that_fits(shorter)
        spread = [replace(layout, shards=count) for count in (2, 4, 8, 16) if count > cards.count]
        found += _first_that_fits([tried(f"{one.shards} cards, weights shared out (FSDP)", one) for one in spread])
        larger = [card for card in CARDS.values() if card.usable_bytes > usable]
        found += _first_that_fits([tried(card.name, layout, card.usable_bytes) for card in larger])
        return found

    def _fixed(self, kind: Kind, layout: Layout) -> float:
        """Bytes whatever the tokens: weights, and adapters with what trains them."""
        method, ppo = self._settings.method, self._settings.ppo
        reward, own = (self._shape.adapter_parameters(one) for one in (self._settings.reward_model.lora, ppo.lora))
        weights = self.weights(kind, layout)
        if kind == "scoring":
            return weights + 4 * reward
        if kind == "training":
            return weights + TRAINED * reward
        return weights + TRAINED * own + 4 * method.teachers * reward

    def _rows_that_fit(self, kind: Kind, layout: Layout, free: float) -> tuple[int, float]:
        """Responses generated at once, and the bytes of their keys and values: half of the free ones at most."""
        if kind != "policy":
            return 0, 0.0
        update = self._longest(kind, layout) * self._of_token(kind, checkpointing=True)
        wanted = min(self._settings.ppo.batch_size, self._settings.ppo.episodes)
        rows = max(1, min(wanted, int(min(free / 2, free - update) // self._row(layout))))
        return rows, rows * self._row(layout)

    def _row(self, layout: Layout) -> float:
        """Bytes of the keys and values of the longest prompt with its response."""
        return layout.max_length * kv_bytes_a_token(self._shape, self._itemsize)

    def _of_token(self, kind: Kind, checkpointing: bool) -> float:
        """Bytes of a token that passes."""
        if kind == "scoring":
            return working_bytes_a_token(self._shape, self._itemsize)
        trained = training_bytes_a_token(self._shape, self._lora(kind), self._itemsize, checkpointing)
        return trained + (logit_bytes_a_token(self._shape, self._itemsize) if kind == "policy" else 0)

    def _choose(self, kind: Kind, layout: Layout, free: float) -> Microbatch | None:
        longest = self._longest(kind, layout)
        if kind == "training":
            sizes = (self._shape, self._lora(kind), self._itemsize)
            return choose_microbatch(*sizes, free, longest, self._step_tokens)
        wanted = MOST_TOKENS if kind == "scoring" else self._minibatch_tokens(layout)
        for checkpointing in (False,) if kind == "scoring" else (False, True):
            fitting = int(max(0.0, free) // self._of_token(kind, checkpointing))
            if fitting >= longest:
                return Microbatch(min(fitting, max(wanted, longest)), checkpointing)
        return None

    def _minibatch_tokens(self, layout: Layout) -> int:
        """Of a minibatch of PPO, which passes at once where it fits."""
        return min(MOST_TOKENS, self._settings.ppo.minibatch_size * layout.max_length)

    def _longest(self, kind: Kind, layout: Layout) -> int:
        """Tokens that have to pass at once: of a policy a prompt and its response."""
        return layout.max_length if kind == "policy" else longest_pair(layout.max_length)

    def _lora(self, kind: Kind) -> Lora:
        return self._settings.ppo.lora if kind == "policy" else self._settings.reward_model.lora


def _shorter(layout: Layout) -> Iterator[Layout]:
    length = layout.max_length // 2
    while length >= SHORTEST:
        yield replace(layout, max_length=length)
        length //= 2


def _first_that_fits(tried: list[Remedy]) -> list[Remedy]:
    """The mildest that is enough; else the strongest, which is not."""
    return [next((one for one in tried if one.fits), tried[-1])] if tried else []
