"""`ser prune`: remove what neither the newest snapshots nor a promoted model needs; a dry run first."""

import argparse
import errno
import json
from typing import TYPE_CHECKING

from ser.errors import SerError

if TYPE_CHECKING:
    from resources.prune import Pruning


def prune_command(parsed: argparse.Namespace) -> None:
    """Remove, or list, what nothing needs any more."""
    from resources.prune import prune
    from resources.reporter import SCREEN, Reporter
    from resources.settings_file import data_root
    from ser.progress import silent

    progress = Reporter("prune", lambda line: None, screen=SCREEN) if parsed.yes else silent
    try:
        result = prune(data_root(), parsed.keep, remove=parsed.yes, progress=progress)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise SerError(
            f"the disk has no room even for a lock. Delete a report in {data_root() / 'reports'} and prune again."
        ) from error
    if parsed.json:
        print(json.dumps(result.as_dict(data_root())))
    else:
        _print(result)


def _print(result: "Pruning") -> None:
    """The outcome for a person."""
    from rich.filesize import decimal
    from rich.table import Table

    from resources.console import Terminal

    console = Terminal()
    groups: dict[tuple[str, str], list[int]] = {}
    for one in result.removed:
        groups.setdefault((one.stored.kind if one.stored else one.path.parent.name, one.why), []).append(one.bytes)
    table = Table("what", "why", "number", "bytes", title="Would go" if result.dry_run else "Removed")
    for (kind, why), sizes in sorted(groups.items(), key=lambda group: -sum(group[1])):
        table.add_row(kind, why, f"{len(sizes):,}", decimal(sum(sizes)))
    if groups:
        console.print(table)
    console.print(f"Kept whole: {', '.join(result.kept_snapshots) or 'no snapshot'}, and every promoted model.")
    for line in result.in_use:
        console.print(f"In use, left alone: {line}.")
    if not groups:
        console.print("There is nothing to remove.")
    elif result.dry_run:
        console.print(f"{decimal(result.bytes)} would be free. Nothing was removed: add --yes to remove it.")
    else:
        console.print(f"{decimal(result.bytes)} are free now. Manifests and labels stay: ser audit answers as before.")
