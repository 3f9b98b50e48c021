"""`ser quarantine`: what did not land, why, and what would mend it."""

import argparse
import json
import textwrap
from typing import Any

from resources.landing.folders import dataset_folders, known_words, only_dataset
from resources.landing.quarantine import Quarantine, Reasons
from resources.landing.reasons import remedy
from resources.settings_file import data_root
from ser.errors import SerError
from ser.terminal import one_line

_WIDTH = 160


def quarantine_command(parsed: argparse.Namespace) -> None:
    """Show the reasons with their counts, a few rows of each, and what would mend them."""
    dataset = _only_dataset(parsed.dataset)
    held = Quarantine(data_root(), dataset)
    reasons = held.reasons()
    if parsed.json:
        print(json.dumps({"dataset": dataset, "folder": str(held.folder), "reasons": [_entry(one) for one in reasons]}))
        return
    if not reasons:
        print(f"Nothing of {dataset!r} is in quarantine.")
        return
    for one in reasons:
        what = "file" if one.whole_files else "row"
        print(one_line(f"{one.rows:,} {what}{'' if one.rows == 1 else 's'}: {one.reason}"))
        for row in one.examples:
            place = row["file"] if one.whole_files else f"{row['file']}, line {row['line']:,}"
            text = f"the first of {row['rows']:,} whose text was not kept" if "rows" in row else row["raw"]
            shown = textwrap.shorten(text or row.get("copy") or "", _WIDTH, placeholder=" …")
            print(one_line(f"    {place}: {shown}"))
        print(f"  {remedy(one.reason, one.whole_files)}")
    print(f"All of them, with their texts: {held.folder}")


def _entry(one: Reasons) -> dict[str, Any]:
    about = {"reason": one.reason, "files" if one.whole_files else "rows": one.rows}
    return about | {"remedy": remedy(one.reason, one.whole_files), "examples": one.examples}


def _only_dataset(named: str | None) -> str:
    """The dataset that was named, or else the only one with something in quarantine."""
    held = sorted(path.name for path in (data_root() / "quarantine").glob("*") if path.is_dir())
    known = sorted({*held, *dataset_folders(data_root())})
    if named is None:
        return only_dataset(held or known)
    if named not in known:
        raise SerError(f"unknown dataset {named!r}. {known_words(known)}")
    return named
