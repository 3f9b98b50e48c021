"""What reward models say of held-out pairs: of the evolution or of another, and what one member says of them."""

from collections.abc import Callable
from functools import partial

from resources import asset_keys as keys
from resources.artifacts import Artifact, Caches, Inputs, Part
from resources.evolution import Evolution
from ser.stages.heldout import HeldoutSpec


def measure(work: Evolution, model: Artifact) -> Artifact:
    """Calibration and test scores of a reward model of an evolution, its temperature and its metrics."""
    return _score(keys.heldout_of(model.key), work, model.part("rm"), work, work.make)


def measure_member(work: Evolution, model: Artifact, member: int) -> Artifact:
    """Those of one member of an ensemble; nothing refers to them, and `ser prune` may remove them."""
    key = keys.heldout_of(keys.member_of(model.key, member))
    make = partial(work.store.make, progress=work.progress(key))
    return _score(key, work, work.members(model)[member], work, make)


def measure_on(work: Evolution, loop: int, other: Evolution) -> Artifact:
    """Those of the reward model of `loop` on the pairs of another evolution under the same settings."""
    model = work.heads.get(keys.model_of(loop))
    return _score(keys.transfer_of(other.dataset, loop), work, model.part("rm"), other, work.make)


def _score(key: str, work: Evolution, model: Part, other: Evolution, make: Callable[..., Artifact]) -> Artifact:
    """Scores that a model of `work` gives to the held-out pairs of `other`, which may be the same."""
    splits = ("calibration", "test")
    inputs: Inputs = {
        "backbone": work.backbone(),
        "reward_model": model,
        **{split: other.pairs(split) for split in splits},
        "judge": other.heads.get(keys.SPLITS).part("judge.parquet"),
        **{f"{split}_encoded": other.tokens(split) for split in splits},
    }
    caches: Caches = {f"{split}_states": work.states_of(other.tokens(split)) for split in splits}
    return make(key, "heldout", HeldoutSpec(arithmetic=work.arithmetic), inputs, caches=caches)
