"""Decoding token by token over keys and values that lie in one place: on a GPU a step is one launch of a CUDA graph."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import accumulate
from typing import Any

import torch

from ser.models.prompts import read_prompts
from ser.models.states.kept import room_on_gpu
from ser.models.token_budget import TokenBudget
from ser.planning.memory import MOST_TOKENS

_TOKENS, _MOST_TOKENS = 2048, 65_536
_SLOTS = 64
"""Caches grow in steps of so many tokens: one of a few more tokens than the last is the same one."""


class Decoder:
    """Continues up to `rows` prompts at once, in buffers that stay where they are.

    A row's tokens lie in the slots 0, 1, … of the cache, by their positions; a step writes one slot of each row, and
    sees no later one. What is drawn goes to `tokens` [rows, T].
    """

    def __init__(self, model: Any):
        self.model = model
        self.device: torch.device = model.device
        self._heads, self._width = model.config.num_key_value_heads, model.model.layers[0].self_attn.head_dim
        self._dtype = model.model.embed_tokens.weight.dtype
        rope = getattr(model.config, "rope_parameters", None) or {}
        self._rotary_grows = rope.get("rope_type") == "dynamic"  # it asks the host at every step, as no graph can
        self._rows = self._slots = self._steps = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._graphs: dict[tuple[int, bool, float], torch.cuda.CUDAGraph] = {}

    @cached_property
    def room(self) -> int:
        """For how many tokens there is memory: on a GPU, half of what is left when it is first asked."""
        if self.device.type != "cuda":
            return _TOKENS
        a_token = 2 * len(self.model.model.layers) * self._heads * self._width * self._dtype.itemsize
        return max(0, room_on_gpu(self.device)) // 2 // a_token

    @cached_property
    def capacity(self) -> int:
        """How many tokens, those to come included, are worth decoding at once: every step reads all weights."""
        return min(_MOST_TOKENS, self.room)

    @cached_property
    def budget(self) -> TokenBudget:
        """How many tokens are decoded at once: what there was room for in the end."""
        return TokenBudget(self.capacity)

    def free(self) -> bool:
        """Give up the buffers until the next prompts; whether there were any."""
        had = self._rows > 0
        self._graphs.clear()
        self._keys, self._values = [], []
        self._rows = self._slots = self._steps = 0
        return had

    def begin(
        self, prompts: Sequence[Sequence[int]], draws: torch.Tensor | None, steps: int, temperature: float
    ) -> None:
        """Take in prompts, and the draws [B, steps] of what follows; the first token of each is drawn.

        Without draws the likeliest token is taken.
        """
        rows = self.rows_for(len(prompts))
        self._make_room(rows, max(map(len, prompts)) + steps, steps)
        self._sampled, self._temperature = draws is not None, temperature
        if draws is not None:
            self._draws[: len(prompts), :steps] = draws[:, :steps]
        self._step.zero_()
        self._positions.zero_()
        self._positions[: len(prompts)] = torch.tensor([len(one) - 1 for one in prompts], device=self.device)
        last = self._read(prompts)
        self._choose(torch.cat([last, last[:1].expand(rows - len(prompts), -1)]), rows)

    def rows_for(self, sequences: int) -> int:
        """How many rows are decoded for so many sequences: a power of two on a GPU, where each needs its own graph."""
        return 1 << (sequences - 1).bit_length() if self.device.type == "cuda" else sequences

    def step(self, rows: int) -> None:
        """Draw the next token of the first `rows` rows."""
        self._stepper(rows)()

    def tokens(self, rows: int) -> torch.Tensor:
        """[rows, steps so far] what was drawn."""
        return self._tokens[:rows, : int(self._step)]

    def keep(self, rows: Sequence[int]) -> None:
        """Let the rows that go on become the first ones, with all that belongs to them."""
        index = torch.tensor(rows, device=self.device)
        for buffer in (*self._keys, *self._values, self._ids, self._positions, self._draws, self._tokens):
            buffer[: len(rows)] = buffer.index_select(0, index)

    def update(self, key: torch.Tensor, value: torch.Tensor, layer_idx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the keys and values [R, G, 1, D] of a step at their positions; all of those rows come back."""
        rows = len(key)
        keys, values = self._keys[layer_idx][:rows], self._values[layer_idx][:rows]
        at = self._positions[:rows, None, None, None].expand_as(key)
        return keys.scatter_(2, at, key), values.scatter_(2, at, value)

    def _make_room(self, rows: int, slots: int, steps: int) -> None:
        """Buffers of at least this size: those that are there, larger ones, or others if larger ones do not fit."""
        if rows <= self._rows and slots <= self._slots and steps <= self._steps:
            return
        slots = -(-slots // _SLOTS) * _SLOTS
        most = max(rows, self._rows), max(slots, self._slots)
        self._rows, self._slots = most if most[0] * most[1] <= self.capacity else (rows, slots)
        self._steps = max(steps, self._steps)
        self._graphs.clear()  # they write where the old buffers were
        shape = (self._rows, self._heads, self._slots, self._width)
        place: dict[str, Any] = {"device": self.device}
        for buffers in (self._keys, self._values):
            buffers[:] = [torch.zeros(shape, dtype=self._dtype, **place) for _ in self.model.model.layers]
        self._ids, self._positions = (torch.zeros(self._rows, dtype=torch.long, **place) for _ in range(2))
        self._draws = torch.zeros(self._rows, self._steps, dtype=torch.float64, **place)
        self._tokens = torch.zeros(self._rows, self._steps, dtype=torch.long, **place)
        self._step = torch.zeros(1, dtype=torch.long, **place)
        self._columns = torch.arange(self._slots, **place)

    def _read(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """The last states [B, H] of the prompts, whose keys and values are kept, at most so many tokens at once."""
        last, first = [], 0
        while first < len(prompts):
            count = max(1, _fitting_prompts(prompts[first:], MOST_TOKENS))
            last.append(read_prompts(self.model, prompts[first : first + count], self._keys, self._values, first))
            first += count
        return torch.cat(last)

    def _stepper(self, rows: int) -> Callable[[], None]:
        if self.device.type != "cuda" or self._rotary_grows:
            return partial(self._decode, rows)
        name = (rows, self._sampled, self._temperature)
        if name not in self._graphs:
            self._graphs[name] = self._capture(rows)
        return self._graphs[name].replay

    def _capture(self, rows: int) -> torch.cuda.CUDAGraph:
        """A step as a graph. It is tried once before, which must leave no trace: keys and values are written again."""
        moved = (self._ids, self._positions, self._tokens, self._step)
        before = [buffer.clone() for buffer in moved]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self._decode(rows)
        torch.cuda.current_stream().wait_stream(aside)
        for buffer, value in zip(moved, before, strict=True):
            buffer.copy_(value)
        graph = torch.cuda.CUDAGraph()
        # One pool serves all of them: they are replayed one after another, and what is read later lies in the buffers.
        pool = next(iter(self._graphs.values())).pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            self._decode(rows)
        return graph

    def _decode(self, rows: int) -> None:
        """One token of each row through all layers, in fixed shapes."""
        decoder, positions = self.model.model, self._positions[:rows, None]
        hidden = decoder.embed_tokens(self._ids[:rows, None])
        hidden_slots = self._columns > positions
        mask = torch.zeros(hidden_slots.shape, dtype=hidden.dtype, device=self.device)
        mask = mask.masked_fill_(hidden_slots, torch.finfo(hidden.dtype).min)[:, None, None]
        rotary = decoder.rotary_emb(hidden, positions)
        how = {"position_ids": positions, "position_embeddings": rotary, "past_key_values": self, "decoding": True}
        for layer in decoder.layers:
            hidden = layer(hidden, attention_mask=mask, **how)
        self._choose(decoder.norm(hidden)[:, 0], rows)

    def _choose(self, states: torch.Tensor, rows: int) -> None:
        """Draw a token of each row from its last state [rows, H], and move on."""
        scores = torch.log_softmax(self.model.lm_head(states).float() / self._temperature, dim=-1)
        at = self._step.expand(rows, 1)
        chosen = draw(scores, self._draws[:rows].gather(1, at)[:, 0]) if self._sampled else scores.argmax(-1)
        self._tokens[:rows].scatter_(1, at, chosen[:, None])
        self._ids[:rows] = chosen
        self._positions[:rows] += 1
        self._step += 1


def _fitting_prompts(prompts: Sequence[Sequence[int]], tokens: int) -> int:
    """How many of the first prompts have at most so many tokens together."""
    return sum(1 for total in accumulate(map(len, prompts)) if total <= tokens)


def draw(logprobs: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """The tokens [B] at which the cumulative probability first exceeds the draws [B]."""
    # In float64: 50,000 probabilities summed in float32 would be off by more than the rare tokens are likely.
    cumulative = logprobs.double().exp().cumsum(-1)
    at = torch.searchsorted(cumulative, (draws.double() * cumulative[:, -1])[:, None], right=True)
    return at.squeeze(1).clamp(max=logprobs.shape[1] - 1)
