"""`ser land`: files, or a published data set, through the one door for pairs and labels."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from resources.landing.hub.catalogue import HUB_DATASETS
from resources.landing.shapes.mapping import ColumnMap, parse_columns, parse_values
from ser.errors import SerError
from ser_dagster.arguments.data import HUB_LIMIT

_ONLY_HUB = ("subset", "split", "limit", "revision")
_ONLY_FILES = ("map", "values", "unlabelled", "dry_run")


def land_command(parsed: argparse.Namespace) -> None:
    """Land, register the snapshot, and say what came of it."""
    _check_use(parsed)
    from resources.landing.zone import Landing
    from resources.settings_file import data_root, load_settings

    settings = load_settings()
    zone = Landing(data_root(), settings)
    dataset = parsed.dataset or parsed.hub
    if parsed.dry_run:
        from ser_dagster.commands.dry_run import show_preview

        show_preview(zone, settings, parsed.files, dataset or "preview", _mapping(parsed, zone, dataset), parsed.json)
        return
    from ser_dagster.dagster_instance import instance, register

    before = zone.roles(zone.current_snapshot(dataset)) if dataset in zone.datasets() else None
    with instance() as current:  # before anything lands: what is wrong with it must not seem to be a failed landing
        fetched = _fetch(parsed, zone.folder(dataset)) if parsed.hub else None
        files = [zone.folder(dataset) / fetched.file] if fetched else parsed.files
        done = zone.land(files, dataset, _mapping(parsed, zone, dataset))
        if done.snapshot is not None:
            register(current, done.snapshot)
    after = None if done.snapshot is None else zone.roles(done.snapshot)
    _print(parsed, done, before, after, fetched)
    if done.nothing:
        raise SerError(f"nothing landed in {dataset!r}. The reasons stand above.")


def _mapping(parsed: argparse.Namespace, zone: Any, dataset: str | None) -> ColumnMap:
    """What the columns are: the command line's words before those of the settings."""
    mapping: ColumnMap = zone.mapping(dataset) if dataset else ColumnMap()
    said = {
        "columns": parse_columns(parsed.map) if parsed.map else None,
        "values": parse_values(parsed.values) if parsed.values else None,
        "role": parsed.role,
        "unlabelled": parsed.unlabelled or None,
    }
    return replace(mapping, **{name: value for name, value in said.items() if value is not None})


def _print(parsed: argparse.Namespace, done: Any, before: Any, after: Any, fetched: Any) -> None:
    from ser_dagster.commands.landing_words import flip_line, landing_json, landing_lines, role_lines

    flip = None if after is None else flip_line(before, after)
    if parsed.json:
        print(json.dumps(landing_json(done, after) | ({"hub": asdict(fetched)} if fetched else {})))
        if flip:
            print(f"ser: {flip}", file=sys.stderr)
        return
    if fetched:
        _print_fetched(fetched)
    for line in landing_lines(done):
        print(line)
    if after is not None:
        print(f"snapshot {done.snapshot}: {done.labelled:,} labelled and {done.unlabelled:,} unlabelled pairs.")
        for line in role_lines(after):
            print(line)
    if flip:
        print(flip)


def _check_use(parsed: argparse.Namespace) -> None:
    """End with exit code 2 if the arguments do not go together."""
    if bool(parsed.files) == bool(parsed.hub):
        parsed.wrong_use("name either FILEs or a data set of the hub (--hub)")
    if parsed.files and not parsed.dataset and not parsed.dry_run:
        parsed.wrong_use("the following arguments are required: --dataset")
    for names, other, given in ((_ONLY_HUB, "--hub", parsed.files), (_ONLY_FILES, "FILEs", parsed.hub)):
        stray = [f"--{name.replace('_', '-')}" for name in names if getattr(parsed, name) not in (None, False)]
        if given and stray:
            parsed.wrong_use(f"{', '.join(stray)}: only with {other}")


def _fetch(parsed: argparse.Namespace, folder: Path) -> Any:
    from resources.landing.hub.fetch import fetch
    from resources.reporter import SCREEN, Reporter

    return fetch(
        HUB_DATASETS[parsed.hub],
        folder,
        subset=parsed.subset,
        split=parsed.split,
        revision=parsed.revision,
        limit=parsed.limit or HUB_LIMIT,
        progress=Reporter(parsed.hub, lambda line: None, screen=SCREEN),
    )


def _print_fetched(fetched: Any) -> None:
    skipped = "".join(f"; {count:,} skipped: {reason}" for reason, count in fetched.skipped.items())
    print(f"{fetched.repository} at {fetched.revision[:12]}, split {fetched.split}: "
          f"{fetched.pairs:,} pairs of {fetched.rows:,} rows{skipped}.")  # fmt: skip
