"""Which evolution a command is about: `export`, `promote`, `report` and `review export` ask here."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from resources import asset_keys as keys
from resources.audit.first_run import refuse_before_its_end
from resources.audit.record import made_from
from resources.evolution import Evolution
from resources.heads import KnownEvolution
from resources.known_evolutions import by_preference, find_evolution, is_finished, listed, open_evolution
from resources.landing.zone import Landing
from resources.reporter import SCREEN
from resources.reporting.index import report_path
from resources.review.queue import ended_at_the_gate, scored_loops
from resources.settings_file import data_root, load_settings
from ser.errors import SerError


@dataclass(frozen=True)
class Need:
    """What a command needs of an evolution, in words that follow its name, and whether one `serves`."""

    words: str
    otherwise: str
    serves: Callable[[Evolution], bool]


FINISHED = Need("is finished", "is not finished", lambda work: is_finished(work.root, work.identity))
REPORTED = Need("has a report", "has no report", lambda work: report_path(work.root, work.identity).exists())
LABELLED = Need("has labelled its pool", "has not labelled its pool", lambda work: bool(scored_loops(work)))


def choose_evolution(
    dataset: str | None, named: str | None, need: Need = FINISHED, fall_back: bool = True
) -> Evolution:
    """The named evolution, else the one of a dataset that is meant where nobody names one (`by_preference`).

    One of an earlier snapshot than the current one, or of other settings than those of now, is said to be so; without
    `fall_back` it has to be named.

    Raises:
        SerError: none serves the need, the name may be that of several, a later execution of it has begun and not
            finished, or the dataset has to be named.
    """
    root, settings = data_root(), load_settings()
    if named is not None:
        work = _open(find_evolution(root, named, dataset))
        if not need.serves(work):
            raise _unserved(f"the evolution {work.identity} {need.otherwise}", work, work.dataset)
    else:
        zone = Landing(root, settings)
        name = zone.only_dataset(dataset)
        snapshot = zone.current_snapshot(name)
        candidates = by_preference(root, name, snapshot, settings.digest)
        served = next((one for one in candidates if need.serves(_open(one))), None)
        if served is None:
            first = _open(candidates[0]) if candidates else None
            raise _unserved(f"no evolution of {name} {need.words}", first, name)
        if not fall_back and (served.snapshot, served.settings.digest) != (snapshot, settings.digest):
            raise SerError(
                f"the evolution of {snapshot} under the settings of now {need.otherwise}.\n"
                f"Another has to be named, with --evolution: {listed(candidates)}."
            )
        _tell(need, served, candidates, snapshot, settings.digest)
        work = _open(served)
    if need is FINISHED:
        _refuse_unmeasured(work)
    return work


def _open(known: KnownEvolution) -> Evolution:
    return open_evolution(data_root(), known, screen=SCREEN)


def _unserved(what: str, work: Evolution | None, dataset: str) -> SerError:
    """That nothing serves, and which run would change that; the gate of `work` may be why."""
    refuse_before_its_end(data_root(), None if work is None else work.identity, dataset)
    at_the_gate = work is not None and ended_at_the_gate(work)
    why = ", because it ended at its gate (see ser report)" if at_the_gate else ""
    return SerError(f"{what}{why}.\nRun: ser run --dataset {dataset}{' --anyway' if at_the_gate else ''}")


def _tell(need: Need, chosen: KnownEvolution, candidates: list[KnownEvolution], snapshot: str, digest: str) -> None:
    """Say that the evolution is not the one of now, and which others there are."""
    if (chosen.snapshot, chosen.settings.digest) == (snapshot, digest):
        return
    under = " under the settings of now" if chosen.snapshot == snapshot else ""
    print(f"No evolution of {snapshot} {need.words} yet{under}: this is {chosen.identity}.", file=sys.stderr)
    if others := [one for one in candidates if one != chosen and is_finished(data_root(), one.identity)]:
        print(f"Others, for --evolution: {listed(others)}.", file=sys.stderr)


def _refuse_unmeasured(work: Evolution) -> None:
    """Raise if there is no promotion, or a model was made again by a run that did not come to its held-out pairs."""
    if work.find(keys.EVOLVED_RM) is None:
        raise SerError(f"the evolution {work.identity} is not finished. Run: ser run --dataset {work.dataset}")
    for key in map(keys.model_of, work.trained_loops()):
        if not made_from(work.heads.get(keys.heldout_of(key)), "reward_model", work.heads.get(key).part("rm")):
            raise SerError(
                f"a later run on {work.snapshot} made {key} again and did not finish. "
                f"Run: ser run --dataset {work.dataset}"
            )
