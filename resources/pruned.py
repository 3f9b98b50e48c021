"""What stays of an artifact that was pruned: its record, from which its provenance and its labels can be audited.

A record lies beside the place of the artifact under another name, so that the store, which looks at that place
only, makes the artifact anew when it is asked for.
"""

import shutil
from pathlib import Path

from resources.audit.record import TABLES
from resources.disk import replace
from resources.manifests import MANIFEST

PREFIX = ".pruned-"
KEPT = frozenset({MANIFEST, "summary.json", *TABLES})
"""The files of a record: the manifest, the summary, and whatever the audit database is made from."""


def record_place(place: Path) -> Path:
    """Where the record of the artifact at `place` is, if there is one."""
    return place.with_name(f"{PREFIX}{place.name}")


def set_aside(place: Path) -> Path:
    """Take an artifact out of the store in one step, which needs no disk space, and return where it is now."""
    record = record_place(place)
    if record.exists():  # of an earlier making of the same version; whatever it says, the artifact says too
        shutil.rmtree(record)
    replace(place, record)
    return record


def strip(record: Path) -> None:
    """Remove everything from a record that does not belong there; it may be a whole artifact."""
    for path in record.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
