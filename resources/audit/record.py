"""What a sync needs to know of an evolution: its artifacts, as the artifact store hands them over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from resources import asset_keys as keys
from resources.artifacts import Part
from resources.settings import Settings
from ser.method.promotion import GATE_NOT_SHOWN

TABLES = (
    *("roles.parquet", "left_out.parquet", "self_labels.parquet", "filtered.parquet", "heldout.parquet"),
    *("judged.parquet", "metrics.parquet"),
)
"""The tables that stages write and the audit database is made from; those of the landed pairs can be made again."""


class AuditArtifact(Protocol):
    """A stored artifact: its asset key, its version, its folder, and the JSON of `summary` and `manifest`."""

    @property
    def key(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def summary(self) -> Mapping[str, Any]: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    def part(self, name: str) -> Part: ...


@dataclass(frozen=True)
class EvolutionRecord:
    """The artifacts of an evolution, as far as it came: asset key -> artifact."""

    evolution: str
    """`<snapshot>/<settings digest>`."""
    name: str | None
    """What a person calls it."""
    executed_at: str | None
    """When its last execution began (ISO 8601)."""
    snapshot: str
    dataset: str
    settings: Settings
    artifacts: Mapping[str, AuditArtifact]

    def without_leftovers(self) -> "EvolutionRecord":
        """This record without what only heads of an earlier execution point at.

        That is what was made from a model or from labels that are replaced by now, what stands behind a closed gate,
        the loops after the one that converged, and controls of other loops, or by other code, than there are now.
        """
        stale = {key for key, one in self.artifacts.items() if self._is_stale(key, one)}
        if self._is_decided_before(stale):
            stale.add(keys.EVOLVED_RM)
        elif self._policy_is_of_another_model():
            stale |= {keys.PPO_POLICY, keys.POLICY_EVALUATION}
        current = {key: one for key, one in self.artifacts.items() if key not in stale}
        if replace(self, artifacts=current).gate_is_closed():
            current = {key: one for key, one in current.items() if not (keys.loop_of(key) or _is_behind_gate(key))}
        ends = [
            loop
            for key, artifact in current.items()
            if key.endswith("/status_report") and artifact.summary["ends"] and (loop := keys.loop_of(key))
        ]
        if not ends:
            return replace(self, artifacts=current)._without_outdated_controls()
        last, after = min(ends), ("filtered_pairs", "retrained_rm", "retrained_rm.heldout", "ppo_policy")
        kept = {
            key: artifact
            for key, artifact in current.items()
            if (keys.loop_of(key) or 0) < last or (keys.loop_of(key) == last and key.split("/")[1] not in after)
        }
        return replace(self, artifacts=kept)._without_outdated_controls()

    def _without_outdated_controls(self) -> "EvolutionRecord":
        outdated = tuple(key for key in keys.CONTROLS if key in self.artifacts and not self._is_control_of_now(key))
        kept = {key: one for key, one in self.artifacts.items() if not (outdated and key.startswith(outdated))}
        return replace(self, artifacts=kept)

    def _is_control_of_now(self, key: str) -> bool:
        """Whether a control has its one change against the seed and the loops of now (`assets.controls`)."""
        if self._training_code(key) != self._training_code(keys.SEED_RM):
            return False
        if key in (keys.FULL_LABEL_RM, keys.HALF_SEED_RM):
            return True
        if key == keys.NAIVE_RM:
            return self._selected_from(keys.NAIVE_PAIRS, "self_labels", "self_labels.parquet", [keys.self_labels(1)])
        method, summary = self.settings.method, self.artifacts[key].summary
        loops = [loop for loop in self.loops() if keys.model_of(loop) in self.artifacts]
        if not loops or keys.SEED_RM not in self.artifacts:
            return False
        if key == keys.TRUE_LABEL_RM:
            learnt = [keys.filtered_pairs(loop) for loop in (loops if method.replay == "all" else loops[-1:])]
            return self._selected_from(keys.TRUE_LABELS, "kept", "kept.parquet", learnt)
        if key == keys.SEED_ENSEMBLE_RM:
            return bool(summary["members"] == method.teachers * (1 + len(loops)))
        counted = [0, *loops] if method.student == "continue" else loops[-1:]
        return bool(summary["steps"] == sum(self.artifacts[keys.model_of(loop)].summary["steps"] for loop in counted))

    def _training_code(self, model: str) -> str | None:
        """The code that trained a reward model, or the members of an ensemble."""
        trained = self.artifacts.get(keys.member_of(model, 0)) or self.artifacts.get(model)
        return None if trained is None else trained.manifest.get("code")

    def _selected_from(self, key: str, name: str, part: str, tables: Sequence[str]) -> bool:
        """Whether the input `name` of what a control is trained on are these tables as they are now."""
        chosen = self.artifacts.get(key)
        if chosen is None or any(table not in self.artifacts for table in tables):
            return False
        made_of = chosen.manifest["inputs"][name]
        found = [one["sha256"] for one in (made_of if isinstance(made_of, list) else [made_of])]
        return found == [self.artifacts[table].part(part).digest for table in tables]

    def _is_stale(self, key: str, artifact: AuditArtifact) -> bool:
        """Whether an asset that describes another one was made from an earlier one of that."""
        stage = key.partition("/")[2]
        if (measured := keys.measured_model(key) or keys.transferred_model(key)) is not None:
            described, name, part = measured, "reward_model", "rm"
        elif key == keys.POLICY_EVALUATION:
            described, name, part = keys.PPO_POLICY, "policy", "policy"
        elif stage in ("status_report", "filtered_pairs"):
            described, name, part = key.replace(stage, "self_labels"), "self_labels", "self_labels.parquet"
        else:
            return False
        model = self.artifacts.get(described)
        return model is not None and not made_from(artifact, name, model.part(part))

    def _is_decided_before(self, stale: set[str]) -> bool:
        """Whether the promotion was decided on other held-out scores than those of the models that there are now."""
        promotion = self.artifacts.get(keys.EVOLVED_RM)
        scores = promotion.manifest["inputs"]["heldout"] if promotion else []
        for loop, decided_on in enumerate(scores):
            key = keys.heldout_of(keys.model_of(loop))
            now = self.artifacts.get(key)
            if key in stale or (now is not None and decided_on["sha256"] != now.part("heldout.parquet").digest):
                return True
        return False

    def _policy_is_of_another_model(self) -> bool:
        """Whether the policy was trained under another reward model than the one that is promoted now."""
        promotion, policy = self.artifacts.get(keys.EVOLVED_RM), self.artifacts.get(keys.PPO_POLICY)
        if promotion is None or policy is None:
            return False
        model = self.artifacts.get(keys.model_of(promotion.summary["promoted_loop"]))
        return model is not None and not made_from(policy, "reward_model", model.part("rm"))

    def gate_is_closed(self) -> bool:
        """Whether it ended with its seed RM: that was promoted because it is not shown to be better than a coin."""
        promotion = self.artifacts.get(keys.EVOLVED_RM)
        return promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN

    def loops(self) -> list[int]:
        """The loops that have labelled the pool, in order."""
        return sorted(loop for key in self.artifacts if (loop := keys.loop_of(key)) and key.endswith("/self_labels"))

    def members_of(self, model: str) -> list[AuditArtifact]:
        """The members of an ensemble, by its asset key; none of a model that is alone."""
        return [artifact for key, artifact in self.artifacts.items() if keys.ensemble_of(key) == model]

    def reward_models(self) -> dict[str, AuditArtifact]:
        """The seed RM, the RM of every loop, and the controls, with their members, by what stands for them."""
        return {key: artifact for key, artifact in self.artifacts.items() if keys.is_reward_model(key)}


def _is_behind_gate(key: str) -> bool:
    """Whether something that is no loop's needs a gate that is open: policy, judge, and the controls of the loops."""
    if key in (keys.PPO_POLICY, keys.POLICY_EVALUATION):
        return True
    return key.startswith("controls/") and not key.startswith((keys.FULL_LABEL_RM, keys.HALF_SEED_RM))


def made_from(artifact: AuditArtifact, name: str, part: Part) -> bool:
    """Whether the input `name` of an artifact was `part`.

    The content decides, as it does in the store: the version that the manifest names may be another one of it.
    """
    return artifact.manifest["inputs"][name]["sha256"] == part.digest


def utc(time: str | None) -> datetime | None:
    """An ISO time of a manifest, with its zone, in UTC."""
    return None if time is None else datetime.fromisoformat(time).astimezone(UTC)
