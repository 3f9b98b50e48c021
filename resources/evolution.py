"""The evolution: one snapshot under one set of settings, as one object that everything else speaks of."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resources import asset_keys as keys
from resources.artifacts import Artifact, ArtifactStore, Caches, Inputs, Part, version_of
from resources.audit.record import EvolutionRecord
from resources.backbones import backbone
from resources.caches import NoRoomError, count_passes, earlier_states, fill_states, states_folder
from resources.heads import Heads
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.reporter import Reporter, Screen
from resources.settings import Settings
from ser.data.encoded import ENCODED_NAME
from ser.errors import SerError
from ser.method.gate import SeedData, describe_gate, is_shown
from ser.specs import Gate, Spec
from ser.stages.job import Job
from ser.stages.trunk import TrunkSpec


class Evolution:
    """One snapshot under one set of settings: makes its artifacts, finds them again, and knows what became of it.

    Args:
        root: the data root.
        settings: of this evolution.
        snapshot: what is worked on.
        run_id: of the execution in Dagster, recorded in manifests.
        until: the loop after which this execution stops; by default the last one.
        log: where progress lines go.
        log_warning: where warnings go; by default as progress.
        screen: what shows progress to whoever waits for it, beside the log.
    """

    def __init__(
        self,
        root: Path,
        settings: Settings,
        snapshot: str,
        *,
        run_id: str = "",
        until: int | None = None,
        log: Callable[[str], None] = lambda line: None,
        log_warning: Callable[[str], None] | None = None,
        screen: Screen | None = None,
    ):
        self.root, self.settings, self.snapshot, self.run_id = root, settings, snapshot, run_id
        self.until = settings.loops if until is None else min(until, settings.loops)
        self.store = ArtifactStore(root / "artifacts", in_process, settings.compute.execution)
        self.heads = Heads(root, snapshot, settings, self.store)
        self.arithmetic = settings.compute.arithmetic
        self._log, self._log_warning, self._screen = log, log_warning, screen
        self._backbone: Part | None = None

    @property
    def identity(self) -> str:
        """`<snapshot>/<settings digest>`, its name in the audit and on the command line."""
        return f"{self.snapshot}/{self.settings.digest}"

    @property
    def dataset(self) -> str:
        """Read from the snapshot's name: what was made outlives its landing."""
        return self.snapshot.rpartition("-")[0]

    def landing(self) -> Landing:
        """The landing zone."""
        return Landing(self.root, self.settings)

    def make(
        self,
        key: str,
        stage: str,
        spec: Spec,
        inputs: Inputs,
        caches: Caches = MappingProxyType({}),
        stands_for: str | None = None,
    ) -> Artifact:
        """Make or reuse the artifact of an asset, and let the asset's key, or `stands_for`, stand for it."""
        artifact = self.store.make(
            key,
            stage,
            spec,
            inputs,
            progress=self.progress(stands_for or key),
            run_id=self.run_id,
            adopt=partial(self.heads.set, key=stands_for),
            caches=caches,
        )
        if artifact.reused:
            self._log(f"{stands_for or key}: reused {artifact.version}")
        return artifact

    def progress(self, label: str) -> Reporter:
        """A listener for long work."""
        return Reporter(label, self._log, screen=self._screen, log_warning=self._log_warning)

    def backbone(self) -> Part:
        """The model folder under the reward models: the settings' own, or fine-tuned when `sft` is on."""
        if self._backbone is None:
            tuned = self.settings.sft
            self._backbone = self.heads.get(keys.BACKBONE).part("model") if tuned else self.pretrained()
        return self._backbone

    def pretrained(self) -> Part:
        """The model folder of the settings, before any training of ours."""
        return backbone(self.settings.backbone, self.store, self.progress(keys.BACKBONE))

    def tokens(self, role: str) -> Part:
        """The tokens of the pairs of one role."""
        return self.heads.get(keys.ENCODED_PAIRS).part(f"{role}/{ENCODED_NAME}")

    def states(self, role: str) -> Path:
        """Where the states of the pairs of one role after the frozen layers are cached, if they are."""
        return self.states_of(self.tokens(role))

    def states_of(self, tokens: Part) -> Path:
        """Where those of a table of tokens are."""
        trunk = version_of("trunk", self._trunk(), {"backbone": self.backbone()})
        return states_folder(self.root, trunk, tokens.digest)

    def fill_states(self, role: str) -> bool:
        """Pass the pairs of one role through the frozen layers, once for all reward models.

        Where they are kept is said. Without disk space for them the run goes on: whatever needs them computes them.
        """
        folder = self.states(role)
        paths = {"encoded": self.tokens(role).path, "backbone": self.backbone().path}
        passes = count_passes(self.settings, role, self.heads.get(keys.ENCODED_PAIRS).summary["seed"])
        inputs = paths | {"earlier": earlier_states(folder), "passes": passes}
        job = Job.of("trunk", self._trunk(), inputs, folder, self.store.execution)
        progress = self.progress(f"states/{role}")
        try:
            kept = fill_states(job, self.store.launcher, progress)
            if self.arithmetic.device == "cpu":
                self._log(f"states/{role}: kept {kept}")
            else:
                progress.say(f"kept {kept}")
            return True
        except NoRoomError as error:
            progress.warn(f"{error}: the states are not kept, and the run takes longer.")
            return False

    def _trunk(self) -> TrunkSpec:
        return TrunkSpec(arithmetic=self.arithmetic, top=self.settings.reward_model.lora.top)

    def pairs(self, role: str) -> Part:
        """The table of the pairs of one role that fit the tokenizer; of seed, calibration and test with their label."""
        return self.heads.get(keys.ENCODED_PAIRS).part(f"{role}.parquet")

    def find(self, key: str, *, look: bool = False) -> Artifact | None:
        """What an asset's key stands for, or None; a damaged artifact counts as not made, and that is said once.

        `look` is as in `Heads.find_whole`.
        """
        return self.heads.find_whole(key, lambda note: self.progress(key)(0, 1, "artifacts", note), look=look)

    def gate(self) -> Gate:
        """Whether the seed RM is shown to be better than a coin, and if not, what would show it."""
        return describe_gate(self._seed_accuracy(), self.seed_data())

    def seed_data(self) -> SeedData:
        """What the seed RM was trained on, and what was kept from it."""
        splits, seed = self.heads.get(keys.SPLITS).summary, self.heads.get(keys.SEED_RM).summary
        return SeedData(
            labels=seed["n_human"],
            held_back=splits["vault"],
            left_out=splits["beyond_max_pairs"],
            not_scored=splits["beyond_heldout_max"],
            first_loss=seed["first_loss"],
            last_loss=seed["last_loss"],
        )

    def gate_is_closed(self) -> bool:
        """Whether it ends with the seed RM: not shown to be better than a coin, and nobody wants it anyway."""
        return not self.settings.anyway and not is_shown(self._seed_accuracy())

    def why_skipped(self, what: str) -> str:
        """A line for the log of what a closed gate skips."""
        return f"no {what}: the seed RM is {self.gate().words}. `ser run --anyway` goes on."

    def _seed_accuracy(self) -> dict[str, Any]:
        """The seed RM's accuracy on the calibration pairs."""
        summary = self.heads.get(keys.heldout_of(keys.SEED_RM)).summary
        accuracy: dict[str, Any] = summary["metrics"]["calibration"]["accuracy"]
        return accuracy

    def converged_in(self) -> int | None:
        """The loop that found nothing more to learn; None if none of those up to `until` has."""
        loops = range(1, self.until + 1)
        return next((k for k in loops if self.heads.get(keys.status_report(k)).summary["ends"]), None)

    def is_ended(self) -> bool:
        """Whether no loop is left to be run after `until`; before that nothing is promoted."""
        return self.gate_is_closed() or self.until == self.settings.loops or self.converged_in() is not None

    def trained_loops(self) -> list[int]:
        """The loops that end with a reward model, the seed as 0: those behind an open gate and before convergence.

        It follows the gate and the status reports, never the mere presence of a model: one of an earlier execution
        may be there.
        """
        last = 0 if self.gate_is_closed() else (self.converged_in() or self.until + 1) - 1
        return list(range(last + 1))

    def require_model(self, loop: int) -> None:
        """Check that a reward model is trained in `loop`, whatever an earlier execution has left there.

        Raises:
            SerError: it is not; says why.
        """
        if self.gate_is_closed():
            raise SerError(
                f"loop {loop} has no reward model: the seed RM is {self.gate().words}.\n"
                "Run with `ser run --anyway` (the setting anyway) to go on in spite of that."
            )
        if loop not in self.trained_loops():
            why = f"converged in loop {end}" if (end := self.converged_in()) else f"has {self.until} loops"
            raise SerError(f"loop {loop} has no reward model: the evolution {why}. Choose an earlier loop.")

    def members(self, model: Artifact) -> list[Part]:
        """The folders of a reward model's members; of one alone its own."""
        n = model.summary.get("members", 1)
        return [model.part("rm")] if n == 1 else [model.part(f"rm/member_{member}") for member in range(n)]

    def promoted_model(self) -> Artifact:
        """The reward model that `evolved_rm` stands for."""
        return self.heads.get(keys.model_of(self.heads.get(keys.EVOLVED_RM).summary["promoted_loop"]))

    def record(self) -> EvolutionRecord:
        """What the audit database needs to know of it: its artifacts, as far as it came.

        A damaged one is left out, and that is said: it may be one that was made on demand, and no run would mend it.
        Of pruned pairs no table is left; the rows that the database has of them stay as they are.
        """
        artifacts: dict[str, Artifact] = {}
        for key in self.heads.made():
            artifact = self.find(key)
            if artifact is not None and not (artifact.pruned and key == keys.LANDED_PAIRS):
                artifacts[key] = artifact
        about = self.heads.about()
        name, at = about.get("name"), about.get("executed_at")
        return EvolutionRecord(self.identity, name, at, self.snapshot, self.dataset, self.settings, artifacts)
