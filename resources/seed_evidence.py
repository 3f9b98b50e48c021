"""What an evolution knows before its first loop: the evidence of `ser advise`, from its artifacts."""

from collections.abc import Mapping

import pyarrow.compute as pc
import pyarrow.parquet as pq

from resources import asset_keys as keys
from resources.audit.record import AuditArtifact
from resources.evolution import Evolution
from resources.outline import outline
from resources.regimes import read_regimes
from resources.settings import Settings
from resources.simulation import SIMULATED
from resources.studies.outcome import decisive
from ser.data import tables
from ser.method.advice import Evidence
from ser.method.promotion import accuracy_gain
from ser.method.recipe import RECIPES, Recipe
from ser.method.stats import Gain

_SEED_SCORES = keys.heldout_of(keys.SEED_RM)
_TRAINING = ("encoding.", "reward_model.", "sft")


def collect_evidence(work: Evolution) -> Evidence:
    """The evidence of an evolution whose seed RM is there.

    Raises:
        SerError: the regimes on record cannot be read.
    """
    made = outline(work).artifacts
    half, all_labels = made.get(keys.HALF_SEED_RM), made.get(keys.heldout_of(keys.FULL_LABEL_RM))
    seed, pool = made[_SEED_SCORES], made[keys.ENCODED_PAIRS].summary["pool"]
    curve = None if half is None else _gain(work, made[keys.heldout_of(keys.HALF_SEED_RM)], seed)
    return Evidence(
        recipe=_recipe(work.settings),
        backbone=work.settings.backbone.model,
        training=training_unlike_defaults(decisive(work.settings)),
        simulated=_is_simulated(work),
        gate=work.gate(),
        labels=work.seed_data().labels,
        half_labels=None if half is None else half.summary["n_human"],
        pool=pool,
        n_min=1 if work.settings.method.select == "all" else work.settings.thresholds.sufficient(pool),
        curve=curve,
        ceiling=None if all_labels is None else _gain(work, seed, all_labels),
        regimes=read_regimes(),
    )


def training_unlike_defaults(settings: Mapping[str, str]) -> dict[str, str]:
    """Of settings by dotted name those of how pairs are cut and reward models trained, where they are no defaults."""
    defaults = decisive(Settings())
    return {
        name: value for name, value in settings.items() if name.startswith(_TRAINING) and value != defaults.get(name)
    }


def _is_simulated(work: Evolution) -> bool:
    """Whether all labels of the snapshot are those of the annotator of the sample (`data/sample`)."""
    labels = pq.read_table(work.heads.get(keys.LANDED_PAIRS).part("labels.parquet").path, columns=["annotator"])
    return bool(pc.all(pc.equal(labels["annotator"], SIMULATED)).as_py())


def _gain(work: Evolution, before: AuditArtifact, after: AuditArtifact) -> Gain:
    """What one reward model gains over another on the calibration pairs."""
    first, second = (tables.right(scores.path / "heldout.parquet", "calibration") for scores in (before, after))
    tied = tables.groups(work.pairs("calibration").path)
    return accuracy_gain([first[pair] for pair in second], list(second.values()), [tied[pair] for pair in second])


def _recipe(settings: Settings) -> str | None:
    """The recipe whose method these settings have; None where they change it, or it is a user's own."""
    recipe = RECIPES.get(settings.recipe)
    said = Recipe(**settings.method.model_dump(), loops=settings.loops, thresholds=settings.thresholds)
    return settings.recipe if said == recipe else None
