"""Which finished evolution a command is about."""

import sys

from resources import asset_keys as keys
from resources.audit.record import made_from
from resources.evolution import Evolution
from resources.known_evolutions import find_evolution, finished_evolution, open_evolution
from resources.landing.zone import Landing
from resources.reporter import SCREEN
from resources.settings_file import data_root, load_settings
from ser.errors import SerError


def choose_evolution(dataset: str | None, named: str | None) -> Evolution:
    """The named evolution, else the finished one of a dataset under the settings of now.

    One of an earlier snapshot than the current one is said to be so.

    Raises:
        SerError: there is none, several might be meant, a later execution of it has begun and not finished, or the
            dataset has to be named.
    """
    root, settings = data_root(), load_settings()
    if named is not None:
        known = find_evolution(root, named, dataset)
    else:
        zone = Landing(root, settings)
        name = zone.only_dataset(dataset)
        snapshot = zone.current_snapshot(name)
        known = finished_evolution(root, name, snapshot, settings.digest)
        if known.snapshot != snapshot:
            print(f"No evolution of {snapshot} is finished yet: this is {known.identity}.", file=sys.stderr)
    evolution = open_evolution(root, known, screen=SCREEN)
    if evolution.find(keys.EVOLVED_RM) is None:
        raise SerError(f"the evolution {known.identity} is not finished. Run: ser run --dataset {known.dataset}")
    _refuse_unmeasured(evolution, known.dataset)
    return evolution


def _refuse_unmeasured(work: Evolution, dataset: str) -> None:
    """Raise if a reward model was made again by a run that did not come to its held-out pairs."""
    for key in map(keys.model_of, work.trained_loops()):
        if not made_from(work.heads.get(keys.heldout_of(key)), "reward_model", work.heads.get(key).part("rm")):
            raise SerError(
                f"a later run on {work.snapshot} made {key} again and did not finish. Run: ser run --dataset {dataset}"
            )
