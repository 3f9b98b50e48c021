"""Labels and encoded pairs put together to what a training reads."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from ser.method.labels import Label
from ser.models.states.pairs import PairStates, open_states
from ser.specs import Arithmetic
from ser.training import Example


def encoded_parts(
    encoded: Sequence[Path], caches: Sequence[Path], trunk: int, arithmetic: Arithmetic
) -> list[PairStates]:
    """Some tables of tokens, each with its cache of states after so many layers if there is one."""
    pairs = zip_longest(encoded, caches)
    return [PairStates(path, open_states(cache, path, trunk, arithmetic)) for path, cache in pairs]


def gather(labels: Mapping[str, Label], parts: Iterable[PairStates]) -> list[Example]:
    """The labelled pairs, in the order of their identities."""
    found = {
        item.pair.pair_id: Example(item, *labels[item.pair.pair_id])
        for part in parts
        for item in part.pairs()
        if item.pair.pair_id in labels
    }
    missing = labels.keys() - found.keys()
    if missing:
        raise ValueError(f"{len(missing)} labelled pairs are not encoded, for instance {min(missing)}")
    return [found[pair_id] for pair_id in sorted(found)]
