"""What the artifacts of an evolution took: seconds, processor, memory, and the tokens and arithmetic that passed."""

from collections.abc import Iterable, Mapping, Set
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from resources import asset_keys as keys
from resources.audit.record import AuditArtifact
from resources.caches import cost_of_states
from resources.evolution import Evolution
from resources.outline import outline
from ser.data import tables
from ser.errors import SerError
from ser.method.selection import fold_of
from ser.models.model_config import read_config
from ser.planning.flops import forward_flops, training_flops, visible_tokens
from ser.planning.shape import ModelShape
from ser.specs import Lora, Spec

ROLES = ("seed", "calibration", "test", "pool")
_LENGTHS = "SELECT pair_id, len(prompt), len(response_a), len(response_b) FROM encoded"


class Cost(Spec):
    """What an artifact took besides its seconds; None where its manifest does not say it or no model is passed."""

    cpu_seconds: float | None
    peak_memory: int | None
    tokens: float | None
    flops: float | None


class _Passed(NamedTuple):
    """Tokens that pass a model, each as often as it does, and how often they see one."""

    tokens: float
    visible: float

    def times(self, number: float) -> "_Passed":
        """As often as that."""
        return _Passed(self.tokens * number, self.visible * number)


def costs_of(evolution: Evolution) -> tuple[dict[str, float], dict[str, Cost]]:
    """By asset key, and of the states by `states/<role>`: the seconds, and what else it took.

    It is what each took when it was made: the cost of the evolution if nothing had been there. Labels of pairs that the
    same model had scored before count all the same.
    """
    artifacts = {key: one for key, one in outline(evolution).artifacts.items() if _is_of_study(key, evolution)}
    counting = _Counting(evolution, artifacts)
    seconds = {key: one.manifest["seconds"] for key, one in artifacts.items()}
    costs = {key: _cost(one.manifest, *counting.of(key)) for key, one in artifacts.items()}
    if counting.passes_trunk_once():
        for role in ROLES:
            tokens, flops = counting.of_states(role)
            measured = cost_of_states(evolution.states(role), tokens) or counting.unrecorded()
            costs[f"states/{role}"] = _cost(measured, tokens, flops)
            if measured:
                seconds[f"states/{role}"] = measured["seconds"]
    return seconds, costs


def _is_of_study(key: str, evolution: Evolution) -> bool:
    """Whether a study asks for it: other controls, and models on other data sets, may be there all the same."""
    asked = tuple(evolution.settings.controls.asked)
    return not keys.transferred_model(key) and (not key.startswith("controls/") or key.startswith(asked))


def _cost(measured: Mapping[str, Any], tokens: float | None, flops: float | None) -> Cost:
    cpu_seconds, peak = measured.get("cpu_seconds"), measured.get("peak_memory")
    return Cost(cpu_seconds=cpu_seconds, peak_memory=peak, tokens=tokens, flops=flops)


class _Counting:
    """Counts the tokens and floating-point operations of artifacts by what their manifests say was passed."""

    def __init__(self, evolution: Evolution, artifacts: Mapping[str, AuditArtifact]):
        self._evolution, self._artifacts = evolution, artifacts
        self._lora: Lora = evolution.settings.reward_model.lora
        self._shape = _shape(evolution)
        self._files = {
            digest: one.path / file for one in artifacts.values() for file, digest in one.manifest["files"].items()
        }
        self._lengths: dict[Path, dict[str, _Passed]] = {}

    def of(self, key: str) -> tuple[float | None, float | None]:
        """The tokens that passed to make an artifact, and the operations; None where no model is passed."""
        artifact = self._artifacts[key]
        manifest, trained = artifact.manifest, False
        match manifest["stage"].rpartition(".")[2]:
            case "label":
                loop = keys.loop_of(key) or 1
                alone = "units" in manifest["inputs"]  # each pair is scored by the member of its fold
                members = 1 if alone else self._artifacts[keys.model_of(loop - 1)].summary.get("members", 1)
                passed = self._sum(self._pool_of(manifest), self._inputs(manifest, "encoded")).times(members)
            case "heldout":
                encoded = self._inputs(manifest, "calibration_encoded", "test_encoded")
                passed = self._sum(None, encoded).times(len(artifact.summary["members"]))
            case "train_reward_model":
                trained, passed = True, self._trained_on(manifest, artifact.summary)
            case _:
                return None, None
        return passed.tokens, self._flops(passed, manifest, trained=trained)

    def of_states(self, role: str) -> tuple[float, float | None]:
        """The same of a role's pairs that pass the frozen layers once."""
        passed = self._sum(None, [self._evolution.tokens(role).path])
        return passed.tokens, self._through(passed, self._trunk)

    def passes_trunk_once(self) -> bool:
        """Whether the states after the frozen layers were kept when the seed RM was trained."""
        return _is_cached(self._seed_manifest())

    def _seed_manifest(self) -> Mapping[str, Any]:
        key = keys.member_of(keys.SEED_RM, 0)
        return self._artifacts[key if key in self._artifacts else keys.SEED_RM].manifest

    def unrecorded(self) -> dict[str, float]:
        """What states without a record took: in memory nothing, because the stage that read them first took it."""
        in_memory = _is_in_memory(self._seed_manifest())
        return {"seconds": 0.0, "cpu_seconds": 0.0} if in_memory else {}

    @property
    def _trunk(self) -> int:
        return self._lora.frozen_layers(self._shape.layers) if self._shape else 0

    def _flops(self, passed: _Passed, manifest: Mapping[str, Any], *, trained: bool) -> float | None:
        if self._shape is None:
            return None
        again = 0.0 if _is_cached(manifest) else self._through(passed, self._trunk) or 0.0
        if trained:
            return again + training_flops(self._shape, passed.tokens, passed.visible, self._lora)
        return again + (self._through(passed, self._shape.layers - self._trunk) or 0.0)

    def _through(self, passed: _Passed, layers: int) -> float | None:
        return None if self._shape is None else forward_flops(self._shape, passed.tokens, passed.visible, layers)

    def _pool_of(self, manifest: Mapping[str, Any]) -> set[str]:
        """The pairs that a loop labels: those of the pool that no loop before has kept."""
        (encoded,) = self._inputs(manifest, "encoded")
        return set(self._of_pairs(encoded)) - _pairs_in(self._inputs(manifest, "kept"))

    def _trained_on(self, manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> _Passed:
        """The passes of a training: its pairs as often as the steps that it took go through them."""
        spec = manifest["spec"]
        pseudo = _pairs_in(self._inputs(manifest, "pseudo"))
        if spec["folds"] is not None:
            (units,) = self._inputs(manifest, "units")
            pseudo -= {
                row["pair_id"] for row in tables.read(units) if fold_of(row["unit"], spec["folds"]) == spec["left_fold"]
            }
        human = _pairs_in(self._inputs(manifest, "human")) - _pairs_in(self._inputs(manifest, "left_out"))
        pairs = human | pseudo
        epochs = summary["steps"] / ceil(len(pairs) / spec["training"]["batch_size"])
        return self._sum(pairs, self._inputs(manifest, "encoded")).times(epochs)

    def _inputs(self, manifest: Mapping[str, Any], *names: str) -> list[Path]:
        """The files of inputs, which are parts of the evolution's own artifacts."""
        given = [manifest["inputs"][name] for name in names]
        each = [part for one in given for part in (one if isinstance(one, list) else [one])]
        return [self._files[part["sha256"]] for part in each]

    def _sum(self, pairs: Set[str] | None, encoded: Iterable[Path]) -> _Passed:
        """A pass of these pairs, or of all, over their tokens."""
        lengths = [self._of_pairs(path) for path in encoded]
        found = [one for known in lengths for pair, one in known.items() if pairs is None or pair in pairs]
        return _Passed(sum(one.tokens for one in found), sum(one.visible for one in found))

    def _of_pairs(self, encoded: Path) -> Mapping[str, _Passed]:
        if encoded not in self._lengths:
            rows = tables.ask(_LENGTHS, encoded=encoded)
            self._lengths[encoded] = {pair: _Passed(sum(parts), visible_tokens(*parts)) for pair, *parts in rows}
        return self._lengths[encoded]


def _pairs_in(paths: Iterable[Path]) -> set[str]:
    return {row["pair_id"] for path in paths for row in tables.read(path, ["pair_id"])}


def _is_cached(manifest: Mapping[str, Any]) -> bool:
    """Whether the states after the frozen layers were on the disk, or were kept in memory as they were computed."""
    execution, caches = manifest["execution"], manifest["execution"]["caches"]
    if execution["cache"] == "none":
        return False
    if _is_in_memory(manifest):
        return True
    states = [there for name, there in caches.items() if name.endswith("states")]
    return all(len(one) == len(manifest["inputs"]["encoded"]) if isinstance(one, list) else one for one in states)


def _is_in_memory(manifest: Mapping[str, Any]) -> bool:
    """Whether the states were kept in memory: as asked for, or as a GPU does where nothing was."""
    cache, device = manifest["execution"]["cache"], manifest["spec"]["arithmetic"]["device"]
    return cache in ("gpu", "host") or (cache == "auto" and device == "cuda")


def _shape(evolution: Evolution) -> ModelShape | None:
    """The sizes of the backbone; None of an architecture whose arithmetic is not known."""
    try:
        return ModelShape.from_config(read_config(evolution.backbone().path))
    except SerError:
        return None
