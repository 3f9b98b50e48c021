"""What the pairs of a snapshot are used for, in numbers: worked out once for each of the settings `[roles]`."""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from resources.code_version import code_version
from resources.disk import write_text
from resources.landing.snapshots import assign_snapshot, tables_version
from resources.landing.store import DatasetStore
from ser.data.role_assignment import Assignment
from ser.data.roles import Fractions, Labelled
from ser.specs import Roles


def known_roles(store: DatasetStore, snapshot: str, roles: Roles) -> Assignment:
    """The assignment of a snapshot, read where it is known, else drawn and kept.

    Raises:
        SerError: the snapshot is damaged.
    """
    drawn_by = tables_version(snapshot, code_version("ser.data.role_assignment"), roles.model_dump_json())
    path = store.folder / "roles" / f"{snapshot}-{drawn_by}.json"
    if (found := _read(path)) is not None:
        return found
    drawn = assign_snapshot(store, store.contents(snapshot)["parts"], roles)
    text = json.dumps(asdict(drawn))
    with suppress(OSError):  # on a full or read-only disk it is drawn again each time
        write_text(path, json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "assignment": text}))
    return drawn


def _read(path: Path) -> Assignment | None:
    """The assignment that was kept whole; None: there is none, and it can always be drawn again."""
    try:
        kept = json.loads(path.read_text())
        text = kept["assignment"]
        if hashlib.sha256(text.encode()).hexdigest() != kept["sha256"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    said = json.loads(text)
    return Assignment(**said | {"fractions": Fractions(**said["fractions"]), "labelled": Labelled(**said["labelled"])})
