"""What earlier artifacts of an asset have that another one of it may use: what the same model says of a pair."""

from pathlib import Path

from resources.artifacts import ArtifactStore, Inputs, described, version_of
from resources.code_version import code_version
from resources.disk import file_digest
from resources.manifests import MANIFEST, DamagedArtifactError, read_manifest
from ser.specs import Spec
from ser.stages.job import module_of
from ser.stages.label import REWARDS_NAME

MODEL = ("backbone", "reward_model")
"""The inputs of a labelling that decide what a pair's rewards are."""


def earlier_rewards(store: ArtifactStore, key: str, spec: Spec, inputs: Inputs) -> list[Path]:
    """The rewards of other pools that the reward model in `inputs` has scored for an asset, by the same code.

    One that is damaged is of no use here; whoever needs its artifact will find it damaged and say so. Nor is that of
    this very pool: either it is whole, and nothing is made, or it is put aside first.
    """
    wanted = {
        "code": code_version(module_of("label")),
        "spec": spec.model_dump(),
        "inputs": {name: described(inputs[name])["sha256"] for name in MODEL},
    }
    found, own_version = [], version_of("label", spec, inputs)
    for manifest in sorted((store.root / key).glob(f"[!.]*/{MANIFEST}")):
        path = manifest.parent / REWARDS_NAME
        if manifest.parent.name == own_version:
            continue
        try:
            facts = read_manifest(manifest.parent, key)
        except DamagedArtifactError:
            continue
        inputs_then = facts.get("inputs", {})
        own = {name: facts.get(name) for name in ("code", "spec")}
        own["inputs"] = {name: inputs_then.get(name, {}).get("sha256") for name in MODEL}
        if own == wanted and path.exists() and file_digest(path) == facts["files"].get(REWARDS_NAME):
            found.append(path)
    return found
