"""A run's workshop: where an asset finds what it is made from, and where what it makes is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

from resources.artifacts import Artifact, ArtifactStore, DiskFullError, Inputs, Part
from resources.audit.record import RunRecord
from resources.backbones import backbone
from resources.heads import Heads
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.reporter import Reporter
from resources.settings import Settings
from ser.specs import Spec
from ser.stages.heldout import HeldoutSpec
from ser.stages.trunk import TrunkSpec

_WITHOUT_STATES: set[tuple[Path, str, str]] = set()
"""Data root, run and key of the trunks that there was no room for: each asset of a run has a workshop of its own."""


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

    def make(self, key: str, stage: str, spec: Spec, inputs: Inputs) -> Artifact:
        """Make or reuse the artifact of an asset, and let the asset's key stand for it."""
        artifact = self.store.make(
            key, stage, spec, inputs, progress=self.progress(key), run_id=self.run_id, adopt=self.heads.set
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

    def trunk(self, role: str) -> Part:
        """The states of the pairs of one role after the frozen layers, computed once for all reward models."""
        return self._trunk(role).whole()

    def pairs(self, role: str) -> Part:
        """The table of the pairs of one role that fit the tokenizer; of seed, calibration and test with their label."""
        return self.heads.get("encoded_pairs").part(f"{role}.parquet")

    def _trunk(self, role: str) -> Artifact:
        """The artifact of the states of one role.

        Without disk space for them only the tokens are kept, until the end of the run: what is made from one table of
        tokens must not be made again because there was space later.
        """
        top = self.settings.reward_model.lora.top
        spec = TrunkSpec(arithmetic=self.arithmetic, top=top)
        inputs: Inputs = {"encoded": self.heads.get("encoded_pairs").part(role), "backbone": self.backbone()}
        key = f"trunk/{role}"
        this_run = (self.root, self.run_id, key)
        if this_run not in _WITHOUT_STATES:
            try:
                return self.make(key, "trunk", spec, inputs)
            except DiskFullError as error:
                if error.folder.exists():
                    shutil.rmtree(error.folder)
                _WITHOUT_STATES.add(this_run)
                self.progress(key).warn(f"{error} In this run the states are not kept: it takes longer.")
        return self.make(key, "trunk", spec.model_copy(update={"keep_states": False}), inputs)

    def heldout(self, reward_model: Artifact) -> Artifact:
        """Calibration and test scores of a reward model, its temperature and its metrics."""
        inputs: Inputs = {
            "backbone": self.backbone(),
            "reward_model": reward_model.part("rm"),
            "calibration": self.pairs("calibration"),
            "test": self.pairs("test"),
            "judge": self.heads.get("splits").part("judge.parquet"),
            "calibration_states": self.trunk("calibration"),
            "test_states": self.trunk("test"),
        }
        return self.make(f"{reward_model.key}.heldout", "heldout", HeldoutSpec(arithmetic=self.arithmetic), inputs)

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
