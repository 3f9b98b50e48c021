"""Labels and encoded pairs put together to what a training reads."""

from collections.abc import Mapping
from pathlib import Path

from ser.method.labels import Label
from ser.models.states import PairStates
from ser.training import Example


def gather(labels: Mapping[str, Label], folders: list[Path]) -> list[Example]:
    """The labelled pairs with their states, in the order of their identities."""
    found = {
        item.pair.pair_id: Example(item, *labels[item.pair.pair_id])
        for folder in folders
        for item in PairStates(folder).pairs()
        if item.pair.pair_id in labels
    }
    missing = labels.keys() - found.keys()
    if missing:
        raise ValueError(f"{len(missing)} labelled pairs have no states, for instance {min(missing)}")
    return [found[pair_id] for pair_id in sorted(found)]
