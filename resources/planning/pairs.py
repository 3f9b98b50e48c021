"""How many pairs an evolution will have of each role, and how long they are: asked for, or those of a dataset."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resources import asset_keys as keys
from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.zone import Landing
from resources.planning.work import Counts
from resources.settings import Settings
from ser.data.database import open_database, pattern
from ser.data.encoded import ENCODED_NAME
from ser.data.roles import SIMULATED_SEED, Labelled, decide_fractions
from ser.errors import SerError
from ser.planning.flops import PairLengths
from ser.specs import MIN_PROMPT_TOKENS, Roles

CHARACTERS = 4
"""Of a text, to a token: roughly, for English."""

_MEANS = """
WITH cut AS (SELECT a, b, least(p, greatest({least}, {most} - greatest(a, b))) AS p FROM
  (SELECT {size}(prompt) / {unit} AS p, {size}(response_a) / {unit} AS a, {size}(response_b) / {unit} AS b FROM pair))
SELECT count(*), avg(p + a + b), avg(p), avg((p + a) * (p + a + 1) / 2 + b * p + b * (b + 1) / 2) FROM cut
"""


@dataclass(frozen=True)
class DatasetFacts:
    """What a dataset has: its snapshot, the pairs of each role, and how long they are.

    Attributes:
        measured: what the lengths are from, in words.
    """

    snapshot: str
    counts: Counts
    lengths: PairLengths
    measured: str


def count_pairs(roles: Roles, pool: int, labelled: int | None) -> Counts:
    """The pairs of each role among so many unlabelled and labelled ones, which `roles` shares out.

    Without a number of labelled ones, as many as give a seed of 15 % of the pool, as in the paper.
    """
    if labelled is None:
        labelled = wanted = round(SIMULATED_SEED * pool)
        for _ in range(3):  # the calibration pairs' share depends a little on the number
            counts = count_pairs(roles, pool, max(1, labelled))
            labelled = round(labelled * wanted / max(1, counts.seed))
    shares = decide_fractions(roles, Labelled(pool + labelled, labelled, labelled, 0, 0))
    test, calibration = round(shares.test * labelled), round(shares.calibration * labelled)
    training = labelled - test - calibration
    seed = round(shares.seed * training)
    most = roles.heldout_max or labelled
    return Counts(pool + training - seed, seed, min(calibration, most), min(test, most))


def read_dataset(root: Path, settings: Settings, named: str | None) -> DatasetFacts:
    """What the current snapshot of a dataset has: as it was last encoded, else by its characters.

    Raises:
        SerError: there is no such dataset, or it has no pair.
    """
    zone = Landing(root, settings)
    snapshot = zone.current_snapshot(zone.only_dataset(named))
    roles = zone.roles(snapshot).counts
    counts = Counts(roles["pool"], roles["seed"], roles["calibration"], roles["test"])
    encoded, words = _encoded(root, snapshot)
    if encoded:
        lengths = _mean_lengths([encoded], "len", 1, settings)
    else:
        files, words = zone.pair_files(snapshot), f"characters / {CHARACTERS}"
        lengths = _mean_lengths(files, "length", CHARACTERS, settings)
    return DatasetFacts(snapshot, counts, lengths, words)


def _encoded(root: Path, snapshot: str) -> tuple[Path | None, str]:
    """The tokens of the pool, or of the seed where there is none, of the last evolution that has them, and its name."""
    for known in reversed([one for one in known_evolutions(root) if one.snapshot == snapshot]):
        work = open_evolution(root, known)
        found = work.find(keys.ENCODED_PAIRS)
        if found is None or found.pruned:
            continue
        for role in ("pool", "seed"):
            path = found.path / role / ENCODED_NAME
            if path.exists():
                return path, f"tokens of {work.identity}"
    return None, ""


def _mean_lengths(files: Sequence[Path], size: str, unit: float, settings: Settings) -> PairLengths:
    query = _MEANS.format(size=size, unit=float(unit), least=MIN_PROMPT_TOKENS, most=settings.encoding.max_length)
    with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as database:
        database.read_parquet([pattern(path) for path in files]).create_view("pair")
        pairs, tokens, prompt, visible = database.execute(query).fetchall()[0]
    if not pairs:
        raise SerError("the dataset has no pair to measure.\nSay how long pairs are: --tokens N.")
    return PairLengths(tokens, prompt, visible)
