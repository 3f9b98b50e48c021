"""The passes of an evolution over its pairs, stage by stage, and their arithmetic, whatever the machine."""

from collections.abc import Iterator, Sequence

from resources import asset_keys as keys
from resources.planning.work import Counts, Stage, Work
from resources.settings import Settings
from ser.method.recipe import Method
from ser.planning.flops import PairLengths, forward_flops, training_flops
from ser.planning.memory import states_bytes_a_token
from ser.planning.shape import ModelShape
from ser.specs import Lora

KEPT, KEPT_LATER = 0.5, 0.2
"""Shares of the first pool, and of those after it, that are thought to be kept, before a loop has said it. By
`python -m bench rerun` (recipe paper, 2026-11-27)."""
KEPT_RELATIVE = 0.85
"""The same where labels have to be right as often as the seed: docs/results/linear.md has 79 to 89 %."""
TRUNK_STATES = "states of the trunk"


def kept_shares(method: Method, asked: float | None = None) -> tuple[float, float]:
    """The shares of their pools that loop 1 and each later loop are thought to keep, unless one is asked for."""
    if asked is not None:
        return asked, asked
    if method.select == "all":
        return 1.0, 1.0
    if method.min_precision == "relative":
        return KEPT_RELATIVE, KEPT_RELATIVE
    return KEPT, KEPT if method.pool == "whole" else KEPT_LATER


class EvolutionWork:
    """The work of an evolution under some settings.

    Args:
        itemsize: bytes of a number of the backbone's type.
        kept: share of its pool that every loop keeps; by default as `kept_shares` has it.
    """

    def __init__(
        self,
        settings: Settings,
        shape: ModelShape,
        itemsize: int,
        counts: Counts,
        lengths: PairLengths,
        kept: float | None = None,
    ):
        self._settings, self._shape, self._itemsize = settings, shape, itemsize
        self._counts, self._lengths = counts, lengths
        self._kept_shares = kept_shares(settings.method, kept)
        self._lora = settings.reward_model.lora
        self._trunk = self._lora.frozen_layers(shape.layers)
        self._cached = self._trunk > 0 and settings.compute.cache != "none"

    def stages(self) -> list[Stage]:
        """The stages in their order."""
        settings, counts, teachers = self._settings, self._counts, self._settings.method.teachers
        unseen = settings.method.label_with == "unseen"  # each pair by one member, once there are labels to have seen
        stages = []
        if settings.sft:
            stages.append(Stage(keys.BACKBONE, "policy", self._fine_tune()))
        if self._cached:
            stages.append(Stage(TRUNK_STATES, "scoring", self._fill_states()))
        measured = self._score(counts.heldout)
        trained = [self._train_on_labels(counts.seed)]
        stages.append(Stage(keys.SEED_RM, "training", (trained[0] + measured) * teachers))
        for loop, pool, trained_on in self._loops():
            stages.append(
                Stage(keys.self_labels(loop), "scoring", self._score(pool) * (1 if loop > 1 and unseen else teachers))
            )
            trained.append(self._train_student(trained_on))
            stages.append(Stage(keys.model_of(loop), "training", (trained[-1] + measured) * teachers))
        controls = {key: self._of_control(key, trained, measured) for key in settings.controls.asked}
        return stages + [Stage(key, "training", work * teachers) for key, work in controls.items()]

    def _of_control(self, key: str, trained: Sequence[Work], measured: Work) -> Work:
        """A member of a control, by what a member of the seed and of each loop `trained`."""
        seed, *loops = trained
        counts = self._counts
        match key:
            case keys.FULL_LABEL_RM:
                return self._train_on_labels(counts.seed + counts.pool) + measured
            case keys.NAIVE_RM:
                return self._train_student(counts.seed + self._settings.method.learnt_share * counts.pool) + measured
            case keys.HALF_SEED_RM:
                return self._train_on_labels(counts.seed / 2) + measured
            case keys.SEED_ENSEMBLE_RM:
                return seed * len(loops) + measured * len(trained)
            case keys.MORE_STEPS_RM if self._settings.method.student == "continue":
                return sum(loops, seed) + measured
            case _:
                return trained[-1] + measured

    def policy_stages(self) -> list[Stage]:
        """The stages that `ser run --no-policy` leaves out."""
        judge = self._train(self._counts.heldout, self._settings.judging.epochs) + self._score(self._counts.heldout)
        return [
            Stage(keys.JUDGE_RM, "training", judge + Work(loads=2)),
            Stage(keys.PPO_POLICY, "policy", self._sample() + self._survey() + self._update()),
            Stage(keys.POLICY_EVALUATION, "policy", self._evaluate()),
        ]

    def _loops(self) -> Iterator[tuple[int, float, float]]:
        """Of each loop its pool, and the pairs that each of its members trains on."""
        method, kept = self._settings.method, [0.0]
        for loop in range(1, self._settings.loops + 1):
            pool = self._counts.pool - (sum(kept) if method.pool == "shrinks" else 0.0)
            if pool < 1:
                return
            kept.append(self._kept_shares[loop > 1] * pool)
            replayed = min(self._counts.pool, sum(kept)) if method.replay == "all" else kept[-1]
            yield loop, pool, self._counts.seed + method.learnt_share * replayed

    def _states(self, pairs: float) -> float:
        """Bytes of the cached states of so many pairs; 0 where none are."""
        of_a_token = states_bytes_a_token(self._shape, self._itemsize) if self._cached else 0
        return pairs * self._lengths.tokens * of_a_token

    def _forward(self, pairs: float, layers: int) -> float:
        return pairs * forward_flops(self._shape, self._lengths.tokens, self._lengths.visible, layers)

    def _pass_trunk(self, pairs: float) -> Work:
        flops = self._forward(pairs, self._trunk)
        return Work(forward_flops=flops, forward_layers=pairs * self._lengths.tokens * self._trunk)

    def _states_of(self, pairs: float) -> Work:
        """What a pass above the trunk begins with: cached states, or the trunk again."""
        return Work(states_read=self._states(pairs)) if self._cached else self._pass_trunk(pairs)

    def _fill_states(self) -> Work:
        pairs = self._counts.all
        moved = Work(tokens=pairs * self._lengths.tokens, states_written=self._states(pairs), loads=1)
        return self._pass_trunk(pairs) + moved

    def _score(self, pairs: float) -> Work:
        layers, tokens = self._shape.layers - self._trunk, pairs * self._lengths.tokens
        flops = self._forward(pairs, layers)
        return self._states_of(pairs) + Work(tokens, flops, forward_layers=tokens * layers, loads=1)

    def _train_on_labels(self, pairs: float) -> Work:
        return self._train(pairs, self._settings.reward_model.epochs_on(pairs))

    def _train_student(self, pairs: float) -> Work:
        return self._train(pairs, self._settings.student_epochs(self._counts.seed, pairs))

    def _train(self, pairs: float, epochs: int) -> Work:
        passes = pairs * epochs
        sizes = (self._shape, self._lengths.tokens, self._lengths.visible, self._lora)
        return self._states_of(passes) + Work(
            tokens=passes * self._lengths.tokens,
            training_flops=passes * training_flops(*sizes),
            again_flops=passes * (training_flops(*sizes, checkpointing=True) - training_flops(*sizes)),
            trained_layers=passes * self._lengths.tokens * (self._shape.layers - self._trunk),
            loads=1,
        )

    def _fine_tune(self) -> Work:
        passes = self._counts.seed * self._settings.reward_model.seed_epochs
        return self._act(passes, self._lengths.response, self._lora, trained=True) + Work(loads=1)

    def _sample(self) -> Work:
        ppo = self._settings.ppo
        rows = min(ppo.batch_size, ppo.episodes)
        return self._generate(ppo.episodes, rows) + Work(loads=1)

    def _survey(self) -> Work:
        """The reference, each member's rewards and the policy itself over what was sampled, the trunk once for all."""
        ppo, layers = self._settings.ppo, self._shape.layers
        policy_trunk = ppo.lora.frozen_layers(layers)
        members = self._settings.method.teachers * (layers - self._trunk)
        reference = self._act(ppo.episodes, ppo.response_tokens, ppo.lora, trained=False)
        logits = 2 * self._shape.embedding_parameters * ppo.response_tokens
        more = members + layers - policy_trunk
        return reference + Work(
            forward_flops=ppo.episodes * (self._of_sequence(ppo.response_tokens, more) + logits),
            forward_layers=ppo.episodes * (self._lengths.prompt + ppo.response_tokens) * more,
        )

    def _update(self) -> Work:
        ppo = self._settings.ppo
        return self._act(ppo.episodes * ppo.epochs, ppo.response_tokens, ppo.lora, trained=True)

    def _evaluate(self) -> Work:
        """Responses of base and policy, rewarded by every member and judged, over all layers."""
        prompts = min(self._settings.judging.prompts, self._counts.test)
        passes = prompts * (self._settings.method.teachers + 1)
        response, layers = self._settings.ppo.response_tokens, self._shape.layers
        scored = Work(
            forward_flops=passes * 2 * self._of_sequence(response, layers),
            forward_layers=passes * 2 * (self._lengths.prompt + response) * layers,
            loads=2 + self._settings.method.teachers + 2,
        )
        return scored + (self._generate(2 * prompts, prompts) if prompts else Work())

    def _of_sequence(self, response: float, layers: int) -> float:
        """FLOPs of a forward pass over a prompt with one response."""
        tokens = self._lengths.prompt + response
        return forward_flops(self._shape, tokens, tokens**2 / 2, layers)

    def _act(self, passes: float, response: float, lora: Lora, *, trained: bool) -> Work:
        """Passes of a language model over prompts with a response, and its logits where the response is predicted."""
        tokens = self._lengths.prompt + response
        head = 2 * self._shape.embedding_parameters * response
        if not trained:
            flops = self._of_sequence(response, self._shape.layers) + head
            return Work(
                tokens=passes * tokens,
                forward_flops=passes * flops,
                forward_layers=passes * tokens * self._shape.layers,
            )
        sizes = (self._shape, tokens, tokens**2 / 2, lora)
        plain, again = training_flops(*sizes), training_flops(*sizes, checkpointing=True)
        return Work(
            tokens=passes * tokens,
            training_flops=passes * (plain + 2 * head),
            again_flops=passes * (again - plain),
            trained_layers=passes * tokens * (self._shape.layers - lora.frozen_layers(self._shape.layers)),
        )

    def _generate(self, responses: float, rows: int) -> Work:
        """Responses of the greatest length, `rows` at a time, after a pass over their prompts."""
        length, prompt = self._settings.ppo.response_tokens, self._lengths.prompt
        steps = -(-responses // rows) * length
        made = forward_flops(self._shape, prompt + length, (prompt + length) ** 2 / 2, self._shape.layers)
        head = 2 * self._shape.embedding_parameters * length
        return Work(
            tokens=responses * (prompt + length),
            forward_flops=responses * (made + head),
            decoded=steps,
            decoded_rows=rows,
            decoded_tokens=prompt + length / 2,
        )
