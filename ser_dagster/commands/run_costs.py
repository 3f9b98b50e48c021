"""What the steps of a run cost, so that a measured rate of one tells how long all others take.

The unit is a training pass: a pair forward and backward through the upper half of the layers.
"""

from collections.abc import Iterable, Mapping

import dagster as dg

from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.planning.evolution_work import kept_shares
from resources.settings import Settings

FORWARD = 0.33
"""Training passes that one forward pass through as many layers is worth."""
EPISODE = 6.0
JUDGED_PROMPT = 5.0
"""Training passes that an episode of PPO, and a judged prompt, are worth with responses of `RESPONSE` tokens."""
RESPONSE = 32
# By the rates of the stages of `python -m bench rerun` (2 cores without fast bfloat16, 2026-11-27).


class RunCosts:
    """The costs of an evolution's steps, in training passes.

    Args:
        settings: of the evolution.
        roles: how many pairs each role has.
    """

    def __init__(self, settings: Settings, roles: Mapping[str, int]):
        self._settings, self._roles, self._top = settings, roles, settings.reward_model.lora.top
        self._kept: dict[int, int] = {}

    def learn_kept(self, loop: int, pairs: int) -> None:
        """Take over how many pairs a loop has really kept."""
        self._kept[loop] = pairs

    def of_step(self, key: str) -> float:
        """What the step that makes an asset costs; 0 where that is next to nothing."""
        settings, loop = self._settings, keys.loop_of(key)
        heldout = self._heldout("calibration") + self._heldout("test")
        teachers, measured = settings.method.teachers, self._score(heldout)
        if key == keys.ENCODED_PAIRS:
            return (heldout + self._roles["seed"] + self._roles["pool"]) * self.of_unit("states")
        if key == keys.SEED_RM:
            return teachers * (self._training_of_seed() + measured)
        if key in keys.CONTROLS:
            return teachers * self._of_control(key, measured)
        if key == keys.JUDGE_RM:
            return self._training(heldout, settings.judging.epochs) + measured
        if key == keys.PPO_POLICY:
            return settings.ppo.episodes * self.of_unit("episodes")
        if key == keys.POLICY_EVALUATION:
            return 2 * min(settings.judging.prompts, self._heldout("test")) * self.of_unit("responses")
        if loop and key == keys.self_labels(loop):
            unseen = settings.method.label_with == "unseen" and loop > 1  # each pair by one member
            return (1 if unseen else teachers) * self._score(self._pool(loop))
        if loop and key == keys.model_of(loop):
            return teachers * (self._training_of_loop(loop) + measured)
        return 0.0

    def _of_control(self, key: str, measured: float) -> float:
        """What a member of a control costs, if all loops of the settings train a model; `measured`: its scoring."""
        settings, roles, last = self._settings, self._roles, self._settings.loops
        if key == keys.FULL_LABEL_RM:
            return self._training_on_labels(roles["seed"] + roles["pool"]) + measured
        if key == keys.NAIVE_RM:
            return self._training_of_student(roles["seed"] + self._learnt(roles["pool"])) + measured
        if key == keys.HALF_SEED_RM:
            return self._training_on_labels(roles["seed"] / 2) + measured
        if key == keys.SEED_ENSEMBLE_RM:
            return last * self._training_of_seed() + (1 + last) * measured
        if key == keys.MORE_STEPS_RM and settings.method.student == "continue":
            return self._training_of_seed() + sum(map(self._training_of_loop, range(1, last + 1))) + measured
        return self._training_of_loop(last) + measured

    def _training_of_seed(self) -> float:
        return self._training_on_labels(self._roles["seed"])

    def _training_on_labels(self, pairs: float) -> float:
        return self._training(pairs, self._settings.reward_model.epochs_on(pairs))

    def _training_of_loop(self, loop: int) -> float:
        earlier = range(1 if self._settings.method.replay == "all" else loop, loop + 1)
        return self._training_of_student(self._roles["seed"] + self._learnt(sum(map(self._kept_in, earlier))))

    def _learnt(self, pairs: float) -> float:
        return self._settings.method.learnt_share * pairs

    def _training_of_student(self, pairs: float) -> float:
        return self._training(pairs, self._settings.student_epochs(self._roles["seed"], pairs))

    def of_unit(self, kind: str) -> float:
        """What one unit of some work costs: `training`, `scoring`, `states`, `episodes` or `responses`."""
        response = self._settings.ppo.response_tokens / RESPONSE
        return {
            "training": 2 * self._top,
            "scoring": 2 * self._top * FORWARD,
            "states": 2 * (1 - self._top) * FORWARD,
            "episodes": EPISODE * response,
            "responses": JUDGED_PROMPT / 2 * response,
        }[kind]

    def _training(self, pairs: float, epochs: int) -> float:
        return pairs * epochs * self.of_unit("training")

    def _score(self, pairs: float) -> float:
        return pairs * self.of_unit("scoring")

    def _heldout(self, role: str) -> int:
        return min(self._roles[role], self._settings.roles.heldout_max or self._roles[role])

    def _pool(self, loop: int) -> float:
        taken = sum(map(self._kept_in, range(1, loop))) if self._settings.method.pool == "shrinks" else 0.0
        return self._roles["pool"] - taken

    def _kept_in(self, loop: int) -> float:
        return self._kept.get(loop, kept_shares(self._settings.method)[loop > 1] * self._pool(loop))


def plan_run(evolution: Evolution, chosen: Iterable[dg.AssetKey]) -> tuple[list[str], RunCosts]:
    """The keys of the assets that an execution of an evolution makes, in their order, and what they cost."""
    steps = [key.to_user_string() for key in chosen]
    steps = [key for key in steps if (keys.loop_of(key) or 0) <= evolution.until]
    return steps, RunCosts(evolution.settings, evolution.landing().roles(evolution.snapshot).counts)


def kind_of(label: str, unit: str) -> str | None:
    """What kind of work a reporter's label and unit stand for; None for what costs next to nothing."""
    if unit in ("episodes", "responses"):
        return unit
    if unit != "pairs" or label.startswith(keys.ENCODED_PAIRS):
        return None
    if label.startswith("states/"):
        return "states"
    scoring = "/self_labels" in label or ".heldout" in label or label.endswith("scoring")
    return "scoring" if scoring else "training"
