"""GPUs that a plan can be made for, and how much of what they promise our work gets.

Published numbers are those of the makers' data sheets for dense bfloat16; prices are list prices on demand for one card
and hour, in US dollars, as they were in the month beside them: `--price` says yours.
"""

import difflib
import re
from dataclasses import dataclass, replace

from ser.errors import SerError
from ser.planning.memory import GIB

REACHED = 0.79
"""Share of the published speed that a large matrix product reaches: 780 of 989 TFLOP/s, measured on one H100 with 8B
shapes. It is taken for all cards; on others than the H100 it is not measured."""
USABLE = 0.92
"""Share of a card's memory for what is computed: the rest is the driver's context, workspaces and fragments."""


@dataclass(frozen=True)
class Card:
    """A GPU.

    Attributes:
        memory_gib: as `nvidia-smi` shows it.
        published_tflops: dense bfloat16.
        bandwidth_gb_s: of its memory. link_gb_s: to each of its neighbours, one way (NVLink, else PCIe).
        price: of an hour, in US dollars; price_from: whose, and of when.
    """

    name: str
    memory_gib: float
    published_tflops: float
    bandwidth_gb_s: float
    link_gb_s: float
    price: float
    price_from: str

    @property
    def flops(self) -> float:
        """What a large matrix product reaches, FLOP/s."""
        return self.published_tflops * 1e12 * REACHED

    @property
    def usable_bytes(self) -> float:
        """Of its memory."""
        return self.memory_gib * GIB * USABLE


_INDEX, _BLOG = "aimultiple.com/gpu-index, 2026-05", "mercatus-ai.com, 2026-05"
_LIST = "RunPod's, deploybase.ai, 2026-03"
CARDS = {
    card.name: card
    for card in (
        Card("L4-24GB", 22.5, 121, 300, 32, 0.78, _LIST),
        Card("A10G-24GB", 22.5, 70, 600, 32, 1.00, "AWS's, khaderz.com, 2026"),
        Card("RTX4090-24GB", 24.0, 165, 1008, 32, 0.60, _LIST),
        Card("A100-40GB", 40.0, 312, 1555, 300, 1.10, f"the least for 80 GB, {_BLOG}"),
        Card("L40S-48GB", 45.0, 362, 864, 32, 1.40, _LIST),
        Card("A100-80GB", 80.0, 312, 2039, 300, 1.30, _BLOG),
        Card("H100-80GB", 79.6, 989, 3350, 450, 2.95, _INDEX),
        Card("H200-141GB", 140.4, 989, 4800, 450, 4.00, _BLOG),
    )
}
"""By memory, smallest first, as far as their names say it."""

_ASKED = re.compile(r"(?:(\d{1,4})x)?([A-Za-z].*)")


@dataclass(frozen=True)
class Cards:
    """Several cards of a kind in one machine."""

    count: int
    card: Card

    @classmethod
    def parse(cls, text: str, price: float | None = None) -> "Cards":
        """What `8xH100-80GB` says; capitals do not matter, and one card needs no number.

        Raises:
            SerError: there is no such card, or no card.
        """
        asked = _ASKED.fullmatch(text.strip())
        if asked is None or (asked[1] is not None and int(asked[1]) < 1):
            raise SerError(f"--gpus {text!r} is no number of cards.\nWrite for instance --gpus 1xH100-80GB.")
        known = {name.casefold(): card for name, card in CARDS.items()}
        card = known.get(asked[2].casefold())
        if card is None:
            near = difflib.get_close_matches(asked[2].casefold(), known, n=1, cutoff=0.4)
            meant = f" Did you mean {known[near[0]].name}?" if near else ""
            raise SerError(f"--gpus: there is no card {asked[2]!r}.{meant}\nKnown: {', '.join(CARDS)}.")
        if price is not None:
            card = replace(card, price=price, price_from="--price")
        return cls(int(asked[1] or 1), card)

    def __str__(self) -> str:
        return f"{self.count}x{self.card.name}"
