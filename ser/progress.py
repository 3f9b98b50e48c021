"""How long work tells what it has done. The method only calls `Progress`; who listens is decided outside."""

from typing import Protocol


class Progress(Protocol):
    """Called by a stage as it goes: `done` of `total` `unit`s of its only `part`, or of the named one.

    A `note` says how it goes (for instance a loss).
    """

    def __call__(self, done: int, total: int, unit: str, note: str = "", part: str = "") -> None: ...


def silent(done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
    """Nobody listens."""


def named(progress: Progress, name: str) -> Progress:
    """A listener to one part of a stage's work, by its name."""

    def tell(done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
        progress(done, total, unit, note, f"{name}, {part}" if part else name)

    return tell
