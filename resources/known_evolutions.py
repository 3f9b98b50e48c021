"""Which evolution is meant: by its identity, the beginning of it, a person's name for it, or its dataset."""

from pathlib import Path
from typing import Any

from resources.evolution import Evolution
from resources.heads import KnownEvolution, known_evolutions
from ser.errors import SerError


def open_evolution(root: Path, known: KnownEvolution, **told: Any) -> Evolution:
    """A known evolution as an object; `told` are further arguments of `Evolution`."""
    return Evolution(root, known.settings, known.snapshot, **told)


def find_evolution(root: Path, named: str, dataset: str | None = None) -> KnownEvolution:
    """The evolution that `named` means: its identity, its settings digest, the beginning of either, or its name.

    Raises:
        SerError: none is, or several are; lists them.
    """
    known = [one for one in known_evolutions(root) if dataset in (None, one.dataset)]
    digest = [one for one in known if one.settings.digest.startswith(named)]
    tiers = (
        [one for one in known if named in (one.identity, one.name)],
        [one for one in known if one.identity.startswith(named)] or digest,
    )
    for found in tiers:
        if len(found) == 1:
            return found[0]
        if found:
            raise SerError(f"{named!r} means several evolutions: {_listed(found)}.\nGive more of it.")
    raise SerError(f"there is no evolution {named!r}. Known: {_listed(known) or 'none'}.")


def finished_evolution(root: Path, dataset: str, snapshot: str, digest: str) -> KnownEvolution:
    """The evolution of a dataset that is meant where nobody names one: the one that has the settings of now.

    Of its current `snapshot`, under the settings `digest`; else the only one that has been finished on that snapshot,
    else the only one of an earlier snapshot.

    Raises:
        SerError: none has been finished, or several have, and one has to be named.
    """
    finished = [one for one in known_evolutions(root) if one.dataset == dataset and _is_finished(root, one)]
    mine = [one for one in finished if one.settings.digest == digest]
    tiers = (
        [one for one in mine if one.snapshot == snapshot],
        [one for one in finished if one.snapshot == snapshot],
        mine[-1:],
        finished,
    )
    for found in tiers:
        if len(found) == 1:
            return found[0]
        if found:
            raise SerError(f"{dataset} has several evolutions: {_listed(found)}.\nName one with --evolution.")
    raise SerError(f"no evolution of {dataset} is finished. Run: ser run --dataset {dataset}")


def refuse_taken(root: Path, name: str, identity: str) -> None:
    """Refuse a name that another evolution has, or that could be taken for an identity.

    Raises:
        SerError: names the other.
    """
    if not name.strip() or "/" in name:
        raise SerError(f"--name {name!r} cannot be the name of an evolution: it must say something, without a slash.")
    for one in known_evolutions(root):
        if one.name == name and one.identity != identity:
            raise SerError(f"--name {name!r} is that of the evolution {one.identity}. Choose another name.")


def _is_finished(root: Path, known: KnownEvolution) -> bool:
    return (root / "heads" / known.identity / "evolved_rm.json").exists()


def _listed(known: list[KnownEvolution]) -> str:
    return ", ".join(f"{one.identity} ({one.name})" if one.name else one.identity for one in known[-10:])
