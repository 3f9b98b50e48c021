"""How long work tells what it has done. The method only calls `Progress`; who listens is decided outside."""

from typing import Protocol


class Progress(Protocol):
    """Called by a stage as it goes: `done` of `total` `unit`s, with an optional `note` (for instance a loss)."""

    def __call__(self, done: int, total: int, unit: str, note: str = "") -> None: ...


def silent(done: int, total: int, unit: str, note: str = "") -> None:
    """Nobody listens."""
