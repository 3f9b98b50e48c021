"""Manifests: what an artifact's folder holds, and how it shows that nobody has changed it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.disk import file_digest
from ser.errors import SerError

MANIFEST = "manifest.json"
SEAL = "sealed"
"""The digest of everything else that a manifest says."""

AGAIN = "A run that needs it makes it again."
"""What happens to a damaged artifact."""


class DamagedArtifactError(SerError):
    """A file of an artifact is missing or not what its manifest says."""


def read_manifest(place: Path, name: str) -> dict[str, Any]:
    """The manifest of the artifact, or of what is left of the artifact, in the folder `place`.

    Raises:
        DamagedArtifactError: it is not what was written.
    """
    try:
        manifest = json.loads((place / MANIFEST).read_text())
        seal = manifest.pop(SEAL, None)
    except (OSError, ValueError, AttributeError) as error:
        raise DamagedArtifactError(f"artifact {name} has no readable {MANIFEST}: {error}. {AGAIN}") from error
    if seal != digest_of(manifest):
        raise _damaged(name, MANIFEST)
    return manifest


def check_whole(place: Path, name: str) -> None:
    """Check that an artifact's folder is what its manifest says.

    Raises:
        DamagedArtifactError: names the first file that is not what was written.
    """
    expected, actual = read_manifest(place, name)["files"], file_digests(place)
    for file in sorted(expected.keys() | actual.keys()):
        if expected.get(file) != actual.get(file):
            raise _damaged(name, file)


def check_file(place: Path, name: str, file: str) -> None:
    """Check that one file of an artifact is what its manifest says; the others are not read.

    Raises:
        DamagedArtifactError: it is not what was written, or the manifest is not.
    """
    expected = read_manifest(place, name)["files"].get(file)
    if expected is None or not (place / file).is_file() or file_digest(place / file) != expected:
        raise _damaged(name, file)


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest that says `facts`, with what shows whether it was changed since."""
    return {**facts, SEAL: digest_of(facts)}


def _damaged(name: str, file: str) -> DamagedArtifactError:
    return DamagedArtifactError(f"artifact {name} is damaged: {file} is not what was written. {AGAIN}")


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in `folder` but the manifest, by relative name."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: file_digest(folder / name) for name in names if name != MANIFEST}


def digest_of(facts: Mapping[str, Any]) -> str:
    """sha256 of facts as JSON."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()
