"""What an evolution of a study came to: a few figures, and for every test pair whether each model ranks it right."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.evolution import Evolution
from resources.settings import Settings
from resources.studies.measured_cost import Cost, costs_of
from resources.studies.plan import Cell, flat
from ser.data import tables
from ser.method.promotion import promote
from ser.method.stats import share
from ser.specs import Spec
from ser.stages.promote import PromoteInputs, PromoteSpec, read_candidates

SEED = "seed"
LAST = "last"


class AnsweredPairs(Spec):
    """Test pairs in the order of answers: what ties them, and how many of each there are."""

    digest: str
    units: list[str]
    sizes: list[int]

    @classmethod
    def of(cls, units: list[str]) -> "AnsweredPairs":
        """Of the unit of each pair, equal ones next to each other."""
        counted = Counter(units)
        names, sizes = list(counted), list(counted.values())
        digest = hashlib.sha256(json.dumps([names, sizes]).encode()).hexdigest()[:12]
        return cls(digest=digest, units=names, sizes=sizes)

    def of_pairs(self) -> list[str]:
        """The unit of each pair."""
        return [unit for unit, size in zip(self.units, self.sizes, strict=True) for _ in range(size)]


class LoopOutcome(Spec):
    """A loop: its status, what it kept, and how often its labels are right where the vault knows."""

    loop: int
    status: str
    n_pool: int
    n_kept: int
    why: str
    promised: float | None
    precision: dict[str, Any] | None
    """Of the kept labels, as `ser.method.stats.share`."""
    label_accuracy: float | None
    """Of all labels of the pool."""


class Answers(Spec):
    """A model to its right answers, a bit a test pair of `tests`, as a hexadecimal number."""

    tests: str
    answers: dict[str, str]

    def right(self, model: str, tests: AnsweredPairs) -> list[bool]:
        """Whether a model ranks each test pair as people do."""
        return [bit == "1" for bit in f"{int(self.answers[model], 16):0{sum(tests.sizes)}b}"]


class Transfer(Answers):
    """The answers of an evolution's seed RM and of its last model on the test pairs of another data set.

    Left out are those whose prompt is one of its own training and calibration pairs.
    """

    snapshot: str
    left_out: int


class Outcome(Answers):
    """An evolution of a study."""

    dataset: str
    options: dict[str, str]
    draw: int
    assignments: tuple[str, ...]
    settings: dict[str, str] = Field(description="all that decided it but the arithmetic, by dotted name")
    snapshot: str
    evolution: str
    pairs: dict[str, int]
    gate_shown: bool
    verdict: str
    verdicts: dict[str, str]
    """By either statistic of `promotion.statistic`."""
    promoted_loop: int
    loops: list[LoopOutcome]
    seconds: dict[str, float]
    """Of each artifact when it was made, by asset key, and of the states by `states/<role>`."""
    costs: dict[str, Cost] = Field({}, description="what else each took")
    transfers: dict[str, Transfer] = Field({}, description="by data set")
    about: dict[str, str]

    def is_under(self, settings: Mapping[str, str]) -> bool:
        """Whether it was run under these settings, as far as there are the same ones now."""
        return all(settings.get(name, value) == value for name, value in self.settings.items())

    def last_loop(self) -> int:
        """The last loop that trained a model; 0, the seed, where none did."""
        return max((int(name[5:]) for name in self.answers if name.startswith("loop_")), default=0)


def decisive(settings: Settings) -> dict[str, str]:
    """The settings that decide what an evolution without a policy comes to, as an outcome keeps them."""
    return flat({name: value for name, value in settings.decisive.items() if name not in ("ppo", "judging")})


def outcome_of(cell: Cell, evolution: Evolution, about: dict[str, str]) -> tuple[Outcome, AnsweredPairs]:
    """What the artifacts of a finished evolution say."""
    heads = evolution.heads
    loops = evolution.trained_loops()
    promotion = heads.get(keys.EVOLVED_RM).summary
    models = {SEED: keys.SEED_RM, **{f"loop_{loop}": keys.model_of(loop) for loop in loops[1:]}}
    asked = evolution.settings.controls.asked  # another study may have made others beside the same evolution
    models |= {key.rpartition("/")[2]: key for key in heads.made() if key in asked}
    order, tests = in_order(tables.groups(evolution.pairs("test").path))
    answers = {name: bits(heads.get(keys.heldout_of(key)), order) for name, key in models.items()}
    seconds, costs = costs_of(evolution)
    ended = [evolution.converged_in()] if not evolution.gate_is_closed() and evolution.converged_in() else []
    encoded = heads.get(keys.ENCODED_PAIRS).summary
    return Outcome(
        dataset=cell.dataset,
        options=cell.options,
        draw=cell.draw,
        assignments=cell.assignments,
        settings=decisive(evolution.settings),
        snapshot=evolution.snapshot,
        evolution=evolution.identity,
        pairs={role: encoded[role] for role in ("seed", "calibration", "test", "pool")},
        gate_shown=promotion["gate"]["shown"],
        verdict=promotion["verdict"],
        verdicts=_verdicts(evolution, loops),
        promoted_loop=promotion["promoted_loop"],
        loops=[_loop(evolution, loop) for loop in (*loops[1:], *ended) if loop],
        tests=tests.digest,
        answers=answers,
        seconds=seconds,
        costs=costs,
        about=about,
    ), tests


def _verdicts(evolution: Evolution, loops: Sequence[int]) -> dict[str, str]:
    """The verdict that either statistic comes to."""
    models = [keys.model_of(loop) for loop in loops]
    settings = evolution.settings
    inputs = PromoteInputs(
        heldout=[evolution.heads.get(keys.heldout_of(key)).path / "heldout.parquet" for key in models],
        calibration=evolution.pairs("calibration").path,
    )
    versions = [evolution.heads.get(key).version for key in models]
    gate = evolution.gate()
    found: dict[str, str] = {}
    for statistic in ("accuracy", "log_loss"):
        rule = settings.promotion.model_copy(update={"statistic": statistic})
        told = {"seed": evolution.seed_data(), "anyway": settings.anyway}
        spec = PromoteSpec(loops=loops, rm_versions=versions, rule=rule, **told)
        candidates, groups = read_candidates(spec, inputs)
        found[statistic] = str(promote(candidates, groups, gate, rule, anyway=settings.anyway)["verdict"])
    return found


def in_order(units: Mapping[str, str]) -> tuple[list[str], AnsweredPairs]:
    """Pairs in the order of their answers, and what ties them, from the unit of each."""
    order = sorted(units, key=lambda pair_id: (units[pair_id], pair_id))
    return order, AnsweredPairs.of([units[pair_id] for pair_id in order])


def bits(heldout: Artifact, order: Sequence[str]) -> str:
    """Which of these test pairs a model ranks right, by its held-out scores, as `Answers` has it."""
    right = tables.right(heldout.path / "heldout.parquet", "test")
    return f"{int(''.join('1' if right[pair_id] else '0' for pair_id in order), 2):x}"


def _loop(evolution: Evolution, loop: int) -> LoopOutcome:
    status = evolution.heads.get(keys.status_report(loop)).summary
    kept = None if status["ends"] else evolution.heads.get(keys.filtered_pairs(loop))
    vault, splits = evolution.find(keys.VAULT), evolution.heads.get(keys.SPLITS)
    precision, accuracy = None, None
    if vault is not None and vault.summary["vault"]:
        known = {"vault": vault.path / "vault.parquet", "units": splits.path / "units.parquet"}
        query = (
            "SELECT l.preferred = v.preferred, unit FROM label l JOIN vault v USING (pair_id) "
            "JOIN units USING (pair_id)"
        )
        if kept is not None:
            rows = tables.ask(query, label=kept.path / "kept.parquet", **known)
            precision = share([float(right) for right, _ in rows], [unit for _, unit in rows])
        labels = evolution.heads.get(keys.self_labels(loop)).path / "self_labels.parquet"
        every = tables.ask(f"SELECT avg(CAST(r AS DOUBLE)) FROM ({query}) AS t(r, unit)", label=labels, **known)
        accuracy = every[0][0]
    return LoopOutcome(
        loop=loop,
        status=status["status"],
        n_pool=status["n_pool"],
        n_kept=kept.summary["n_kept"] if kept else 0,
        why=status["why"],
        promised=status["precision"]["promised"] if status["precision"] else None,
        precision=precision,
        label_accuracy=accuracy,
    )
