"""A run's workshop: where an asset finds what it is made from, and where what it makes is kept."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from resources.artifacts import Artifact, ArtifactStore, Caches, Inputs, Part, version_of
from resources.audit.record import RunRecord
from resources.backbones import backbone
from resources.caches import fill_states, states_folder
from resources.heads import Heads
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.reporter import Reporter
from resources.settings import Settings
from ser.data.encoded import ENCODED_NAME
from ser.specs import Spec
from ser.stages.heldout import HeldoutSpec
from ser.stages.job import Job
from ser.stages.trunk import TrunkSpec


class Workshop:
    """One snapshot under one set of settings.

    Args:
        root: the data root.
        settings: of this run.
        snapshot: what is worked on.
        run_id: of Dagster, recorded in manifests.
        log: where progress lines go.
        log_warning: where warnings go; by default as progress.
        terminal: whether progress also goes to standard error.
    """

    def __init__(
        self,
        root: Path,
        settings: Settings,
        snapshot: str,
        *,
        run_id: str = "",
        log: Callable[[str], None] = lambda line: None,
        log_warning: Callable[[str], None] | None = None,
        terminal: bool = False,
    ):
        self.root, self.settings, self.snapshot, self.run_id = root, settings, snapshot, run_id
        self.store = ArtifactStore(root / "artifacts", in_process, settings.compute.execution)
        self.heads = Heads(root, snapshot, settings, self.store)
        self.arithmetic = settings.compute.arithmetic
        self._log, self._log_warning, self._terminal = log, log_warning, terminal
        self._backbone: Part | None = None

    def make(self, key: str, stage: str, spec: Spec, inputs: Inputs, caches: Caches = MappingProxyType({})) -> Artifact:
        """Make or reuse the artifact of an asset, and let the asset's key stand for it."""
        artifact = self.store.make(
            key,
            stage,
            spec,
            inputs,
            progress=self.progress(key),
            run_id=self.run_id,
            adopt=self.heads.set,
            caches=caches,
        )
        if artifact.reused:
            self._log(f"{key}: reused {artifact.version}")
        return artifact

    def progress(self, label: str) -> Reporter:
        """A listener for long work."""
        return Reporter(label, self._log, terminal=self._terminal, log_warning=self._log_warning)

    def backbone(self) -> Part:
        """The model folder under the reward models: the settings' own, or fine-tuned when `sft` is on."""
        if self._backbone is None:
            self._backbone = self.heads.get("backbone").part("model") if self.settings.sft else self.pretrained()
        return self._backbone

    def pretrained(self) -> Part:
        """The model folder of the settings, before any training of ours."""
        return backbone(self.settings.backbone, self.store, self.progress("backbone"))

    def tokens(self, role: str) -> Part:
        """The tokens of the pairs of one role."""
        return self.heads.get("encoded_pairs").part(f"{role}/{ENCODED_NAME}")

    def states(self, role: str) -> Path:
        """Where the states of the pairs of one role after the frozen layers are cached, if they are."""
        return states_folder(self.root, version_of("trunk", *self._trunk(role)))

    def fill_states(self, role: str) -> bool:
        """Pass the pairs of one role through the frozen layers, once for all reward models.

        Without disk space for the states that is said, and the run goes on: whatever needs them computes them.
        """
        spec, inputs = self._trunk(role)
        paths = {name: part.path for name, part in inputs.items()}
        job = Job.of("trunk", spec, paths, self.states(role), self.store.execution)
        progress = self.progress(f"states/{role}")
        filled = fill_states(job, self.store.launcher, progress)
        if not filled:
            progress.warn(f"no disk space for {job.out}: the states are not kept, and the run takes longer.")
        return filled

    def _trunk(self, role: str) -> tuple[TrunkSpec, dict[str, Part]]:
        spec = TrunkSpec(arithmetic=self.arithmetic, top=self.settings.reward_model.lora.top)
        return spec, {"encoded": self.tokens(role), "backbone": self.backbone()}

    def pairs(self, role: str) -> Part:
        """The table of the pairs of one role that fit the tokenizer; of seed, calibration and test with their label."""
        return self.heads.get("encoded_pairs").part(f"{role}.parquet")

    def heldout(self, reward_model: Artifact) -> Artifact:
        """Calibration and test scores of a reward model, its temperature and its metrics."""
        inputs: Inputs = {
            "backbone": self.backbone(),
            "reward_model": reward_model.part("rm"),
            "calibration": self.pairs("calibration"),
            "test": self.pairs("test"),
            "judge": self.heads.get("splits").part("judge.parquet"),
            "calibration_encoded": self.tokens("calibration"),
            "test_encoded": self.tokens("test"),
        }
        caches: Caches = {f"{split}_states": self.states(split) for split in ("calibration", "test")}
        key, spec = f"{reward_model.key}.heldout", HeldoutSpec(arithmetic=self.arithmetic)
        return self.make(key, "heldout", spec, inputs, caches)

    def landing(self) -> Landing:
        """The landing zone."""
        return Landing(self.root, self.settings)

    def find(self, key: str) -> Artifact | None:
        """What an asset's key stands for, or None; a damaged artifact counts as not made, and that is said once."""
        return self.heads.find_whole(key, lambda note: self.progress(key)(0, 1, "artifacts", note))

    def record(self) -> RunRecord:
        """What the audit database needs to know of this run: its artifacts, as far as it came.

        A damaged one is left out, and that is said: it may be one that was made on demand, and no run would mend it.
        Of pruned pairs no table is left; the rows that the database has of them stay as they are. The dataset is read
        from the snapshot's name: what a run has made outlives its landing.
        """
        artifacts: dict[str, Artifact] = {}
        for key in self.heads.made():
            artifact = self.find(key)
            if artifact is not None and not (artifact.pruned and key == "landed_pairs"):
                artifacts[key] = artifact
        dataset = self.snapshot.rpartition("-")[0]
        return RunRecord(self.snapshot, dataset, self.settings.recipe, self.settings.digest, artifacts)
