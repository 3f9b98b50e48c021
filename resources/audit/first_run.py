"""Evolutions whose first run is still going: the audit has nothing of them before its end."""

from pathlib import Path

from resources.audit.queries import audited_evolutions
from resources.heads import KnownEvolution, known_evolutions
from resources.locks import owner_of
from ser.errors import SerError


def refuse_before_its_end(root: Path, wanted: str | None = None, dataset: str | None = None) -> None:
    """Say that an evolution which the audit does not have, and which may be meant, is being run for the first time.

    Args:
        wanted: its full name, the name that a person gave it, or how it or its settings digest begins; None for any.
        dataset: whose evolutions may be meant.

    Raises:
        SerError: it is, with what to do.
    """
    for known in reversed(_running(root, dataset)):
        names = (known.identity, known.settings.digest)
        if wanted is None or wanted == known.name or any(name.startswith(wanted) for name in names):
            raise SerError(f"{_going(known)}\n`ser status` says how far it is; ask again when it has ended.")


def first_runs(root: Path, path: Path, dataset: str | None = None) -> list[str]:
    """A sentence about each evolution that is being run now and of which the database at `path` has nothing yet.

    Raises:
        SerError: the database cannot be read.
    """
    running = _running(root, dataset)
    audited = audited_evolutions(path) if running else set()
    return [_going(known) for known in running if known.identity not in audited]


def _running(root: Path, dataset: str | None) -> list[KnownEvolution]:
    """The evolutions that living processes work on, the one that was executed last at the end."""
    # What cannot be read there is told by `ser status`, and by the run of it; the audit answers without it.
    known = known_evolutions(root, tell=lambda damage: None)
    mine = [one for one in known if dataset in (None, one.dataset)]
    return [one for one in mine if owner_of(root, one.identity) is not None]


def _going(known: KnownEvolution) -> str:
    called = f" ({known.name})" if known.name else ""
    return f"The first run of {known.identity}{called} is still going: the audit database has it at its end."
