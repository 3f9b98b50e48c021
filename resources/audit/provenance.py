"""Facts about how artifacts were made, from their manifests: by what, of what, and which pairs trained which model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from resources import asset_keys as keys
from resources.audit.record import AuditArtifact, EvolutionRecord, utc

Row = dict[str, Any]
_ROLES = {
    "seed.parquet": "seed",
    "calibration.parquet": "calibration",
    "test.parquet": "test",
    "vault.parquet": "vault",
}


def artifact_row(artifact: AuditArtifact) -> Row:
    """What made an artifact, and of what."""
    manifest = artifact.manifest
    commit = manifest.get("git_commit")
    devices = manifest.get("execution", {}).get("devices") or []
    return {
        "asset": manifest.get("key", artifact.key),
        "stage": manifest.get("stage"),
        "code": manifest.get("code"),
        "run_id": manifest.get("run_id"),
        "git_commit": commit and commit.removesuffix("+"),
        "dirty": None if commit is None else commit.endswith("+"),
        "device": ", ".join(devices) or None,
        **{name: _json(manifest.get(name)) for name in ("packages", "spec", "inputs", "files")},
        **{name: manifest.get(name) for name in ("seconds", "cpu_seconds", "peak_memory")},
        **{name: utc(manifest.get(name)) for name in ("started_at", "finished_at")},
    }


def training_rows(record: EvolutionRecord, model: AuditArtifact) -> list[Row]:
    """What a reward model was trained on: a row for each table of labels, in their order (none of an ensemble)."""
    inputs, spec = model.manifest["inputs"], model.manifest.get("spec", {})
    rows = [*_human(inputs), *_machine(record, inputs)]
    folds = {"folds": spec.get("folds"), "left_fold": spec.get("left_fold")}
    left_out = _halves(record, inputs)
    return [{"position": place, **row, **folds, "left_out": left_out} for place, row in enumerate(rows)]


def _human(inputs: Mapping[str, Any]) -> Iterator[Row]:
    for table in inputs.get("human", inputs.get("pairs", [])):
        yield {"kind": _ROLES[table["file"]], "source": table["version"], "loop": None}


def _machine(record: EvolutionRecord, inputs: Mapping[str, Any]) -> Iterator[Row]:
    for table in inputs.get("pseudo", []):
        chosen = _of_content(record, "kept.parquet", table["sha256"])
        if chosen is None:
            yield {"kind": "selected", "source": table["version"], "loop": None}
        elif chosen.key == keys.NAIVE_PAIRS:
            labels = record.artifacts.get(keys.self_labels(1))
            yield {"kind": "labelled", "source": labels.version if labels else table["version"], "loop": 1}
        elif chosen.key == keys.TRUE_LABELS:
            for one in _machine(record, {"pseudo": chosen.manifest["inputs"]["kept"]}):
                yield one | {"kind": "true_labels"}
        else:
            yield {"kind": "selected", "source": chosen.version, "loop": keys.loop_of(chosen.key)}


def _halves(record: EvolutionRecord, inputs: Mapping[str, Any]) -> str | None:
    """The version of the halves of the seed of which one is left out."""
    for table in inputs.get("left_out", []):
        if (halves := record.artifacts.get(keys.SEED_HALVES)) and table["sha256"] == _digest(
            halves, "left_out.parquet"
        ):
            return halves.version
    return None


def _of_content(record: EvolutionRecord, file: str, digest: str) -> AuditArtifact | None:
    """The artifact with this very file: the version that a manifest names may be another one of the same content."""
    return next((one for one in record.artifacts.values() if _digest(one, file) == digest), None)


def _digest(artifact: AuditArtifact, file: str) -> str | None:
    found: str | None = artifact.manifest.get("files", {}).get(file)
    return found


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
