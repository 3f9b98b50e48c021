"""What an asset tells Dagster about what it made: its version, and metadata worth reading, in one order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from resources import asset_keys as keys
from resources.artifacts import Artifact, Part
from resources.evolution import Evolution
from ser.data import tables
from ser.method.stats import Gain, gain

SUMMARY = "summary"
"""The first row of every materialisation: a sentence with its numbers (`assets.summaries`)."""

Shown = Mapping[str, dg.MetadataValue]
"""Tables and pictures."""


def materialized(
    evolution: Evolution, artifact: Artifact, summary: str, shown: Shown | None = None, **numbers: Any
) -> dg.MaterializeResult:
    """The artifact as Dagster's result: its version is the data version."""
    return dg.MaterializeResult(
        metadata=described(evolution, artifact, summary, shown, **numbers),
        data_version=dg.DataVersion(artifact.version),
    )


def passed_through(evolution: Evolution, part: Part, summary: str) -> dg.MaterializeResult:
    """Something that is not ours as Dagster's result: its digest is the data version."""
    version = part.digest[:16]
    metadata = arranged(evolution, summary, path=place(evolution, part.path), version=version)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))


def described(
    evolution: Evolution, artifact: Artifact, summary: str, shown: Shown | None = None, **numbers: Any
) -> dict[str, Any]:
    """The metadata of an artifact: the sentence, tables and pictures, its numbers and more, and where it is from."""
    plain = {key: value for key, value in artifact.summary.items() if isinstance(value, int | float | str)}
    return arranged(
        evolution,
        summary,
        shown,
        plain | numbers,
        version=artifact.version,
        reused=artifact.reused,
        seconds=_rounded(artifact.manifest["seconds"]),
    )


def arranged(
    evolution: Evolution,
    summary: str,
    shown: Shown | None = None,
    facts: Mapping[str, Any] | None = None,
    **provenance: Any,
) -> dict[str, Any]:
    """Metadata in the order in which they are read: what plots stands before what only tells, provenance last."""
    numbers = {name: _rounded(value) for name, value in (facts or {}).items() if not isinstance(value, bool | str)}
    words = {name: value for name, value in (facts or {}).items() if name not in numbers}
    return {SUMMARY: summary, **(shown or {}), **numbers, **words, "evolution": evolution.identity, **provenance}


def measured(heldout: Artifact) -> dict[str, Any]:
    """The accuracy of a reward model with its interval, that of its baseline, and how far confidence is off."""
    calibration, test = (heldout.summary["metrics"][split] for split in ("calibration", "test"))
    return {
        "test_accuracy": test["accuracy"]["value"],
        "test_accuracy_low": test["accuracy"]["ci_low"],
        "test_accuracy_high": test["accuracy"]["ci_high"],
        "test_longer_wins": test["longer_wins"]["value"],
        "test_ece": test["ece"]["value"],
        "calibration_accuracy": calibration["accuracy"]["value"],
        "temperature": heldout.summary["temperature"],
    }


def gain_over_seed(evolution: Evolution, heldout: Artifact) -> Gain:
    """What a reward model gains over the seed on the test pairs."""
    seed = evolution.heads.get(keys.heldout_of(keys.SEED_RM))
    before, after = (tables.right(one.path / "heldout.parquet", "test") for one in (seed, heldout))
    tied = tables.groups(evolution.pairs("test").path)
    return gain([before[pair] for pair in after], list(after.values()), [tied[pair] for pair in after])


def gained(found: Gain) -> dict[str, float]:
    """A gain over the seed, as plottable numbers."""
    return {"gain_over_seed": found.value, "gain_over_seed_low": found.low, "gain_over_seed_high": found.high}


def place(evolution: Evolution, path: Path) -> str:
    """Where something lies in the artifact store, or in the data root, or else in whole.

    A path has no place to break: the page would cut the whole table at the right edge for a long one. That of the
    artifact of an asset is its key and version, which the page names anyway.
    """
    roots = (evolution.store.root, evolution.root)
    inside = (path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root))
    return next(inside, str(path))


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
