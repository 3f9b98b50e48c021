"""Which evolution is meant: by its identity, the beginning of it, a person's name for it, or its dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.heads import KnownEvolution, known_evolutions
from ser.errors import SerError

_LISTED = 10
"""Evolutions that a list names at most."""


def open_evolution(root: Path, known: KnownEvolution, **told: Any) -> Evolution:
    """A known evolution as an object; `told` are further arguments of `Evolution`."""
    return Evolution(root, known.settings, known.snapshot, **told)


def find_evolution(root: Path, named: str, dataset: str | None = None) -> KnownEvolution:
    """The evolution that `named` means: its identity, its settings digest, the beginning of either, or its name.

    Raises:
        SerError: none is, or several are; lists them, and says it if one cannot be read.
    """
    damage: list[str] = []
    known = [one for one in reversed(known_evolutions(root, damage.append)) if dataset in (None, one.dataset)]
    digest = [one for one in known if one.settings.digest.startswith(named)]
    tiers = (
        [one for one in known if named in (one.identity, one.name)],
        [one for one in known if one.identity.startswith(named)] or digest,
    )
    for found in tiers:
        if len(found) == 1:
            return found[0]
        if found:
            raise SerError(f"{named!r} means several evolutions: {listed(found)}.\nGive more of it.")
    others = f"\nOr it is among those that cannot be read: {damage[0].splitlines()[0]}" if damage else ""
    raise SerError(f"there is no evolution {named!r}. Known: {listed(known) or 'none'}.{others}")


def by_preference(root: Path, dataset: str, snapshot: str, digest: str) -> list[KnownEvolution]:
    """The evolutions of a dataset, the one first that is meant where nobody names one.

    That is the one of its current `snapshot` under the settings `digest`; then others of that snapshot, then those of
    earlier ones, again that of the settings first; among equals the one that was executed last.
    """
    known = [one for one in reversed(known_evolutions(root)) if one.dataset == dataset]
    return sorted(known, key=lambda one: (one.snapshot != snapshot, one.settings.digest != digest))


def is_finished(root: Path, identity: str) -> bool:
    """Whether a reward model of the evolution has been promoted."""
    return (root / "heads" / identity / f"{keys.EVOLVED_RM}.json").exists()


def listed(known: Sequence[KnownEvolution]) -> str:
    """Evolutions by their full names, with what a person calls them; of many, the first."""
    said = [f"{one.identity} ({one.name})" if one.name else one.identity for one in known[:_LISTED]]
    return ", ".join(said) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")


def refuse_taken(root: Path, name: str, identity: str) -> None:
    """Refuse a name that another evolution has, of those that can be read, or that could be taken for an identity.

    Raises:
        SerError: names the other.
    """
    if not name.strip() or "/" in name:
        raise SerError(f"--name {name!r} cannot be the name of an evolution: it must say something, without a slash.")
    for one in known_evolutions(root, tell=lambda damage: None):
        if one.name == name and one.identity != identity:
            raise SerError(f"--name {name!r} is that of the evolution {one.identity}. Choose another name.")
