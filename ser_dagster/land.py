"""`ser land`: files, or a published data set, through the one door for pairs and labels."""

import argparse
import json
from pathlib import Path
from typing import Any

from resources.landing.hub.catalogue import HUB_DATASETS

LIMIT = 10_000
"""Pairs that are taken from the hub unless another number is asked for."""

_ONLY_HUB = ("subset", "split", "limit", "revision")


def add_parser(commands: Any) -> None:
    """Add `land` to the subcommands of `ser`."""
    land = commands.add_parser("land", help="land files of preference pairs, or a published data set")
    land.add_argument("files", nargs="*", type=Path, metavar="FILE", help=".jsonl, .jsonl.gz, .csv or .parquet")
    land.add_argument("--dataset", help="the dataset; made if it is new; with --hub, by default its name")
    land.add_argument("--json", action="store_true", help="print one JSON document")
    hub = land.add_argument_group("from the Hugging Face hub, in place of files")
    hub.add_argument("--hub", choices=sorted(HUB_DATASETS), help="a published data set")
    hub.add_argument("--subset", help="a subset, for stackexchange a site; default: all, Stackoverflow.com")
    hub.add_argument("--split", help="a published split; default: the one for training")
    hub.add_argument("--limit", type=whole_number, metavar="N", help=f"at most so many pairs; default {LIMIT:,}")
    hub.add_argument("--revision", metavar="R", help="a commit or branch in place of the pinned commit")
    land.set_defaults(command=land_command, wrong_use=land.error)


def land_command(parsed: argparse.Namespace) -> None:
    """Land, register the snapshot, and say what came of it."""
    _check_use(parsed)
    from dataclasses import asdict

    from resources.settings import data_root, load_settings
    from resources.workshop import landing
    from ser_dagster.home import instance, register

    zone = landing(data_root(), load_settings())
    dataset = parsed.dataset or parsed.hub
    with instance() as current:  # before anything lands: what is wrong with it must not seem to be a failed landing
        fetched = _fetch(parsed, zone.folder(dataset)) if parsed.hub else None
        landed = zone.land([zone.folder(dataset) / fetched.file] if fetched else parsed.files, dataset)
        register(current, landed.snapshot)
    if parsed.json:
        print(json.dumps(asdict(landed) | ({"hub": asdict(fetched)} if fetched else {})))
        return
    if fetched:
        _print_fetched(fetched)
    print(f"{landed.dataset}: read {landed.read:,} rows: {landed.landed:,} landed, {landed.duplicates:,} duplicates, "
          f"{landed.quarantined:,} quarantined; {landed.labels_added:,} labels added to known pairs.")  # fmt: skip
    fraction = zone.seed_fraction(landed.dataset)
    shown = "" if fraction is None else f"; seed fraction {fraction:g}"
    print(
        f"snapshot {landed.snapshot}: {landed.labelled:,} labelled and {landed.unlabelled:,} unlabelled pairs{shown}."
    )
    if landed.quarantined:
        print(f"Quarantined rows with their reasons: {data_root() / 'quarantine' / landed.dataset}")


def _check_use(parsed: argparse.Namespace) -> None:
    """End with exit code 2 if the arguments do not go together."""
    if bool(parsed.files) == bool(parsed.hub):
        parsed.wrong_use("name either FILEs or a data set of the hub (--hub)")
    if parsed.files and not parsed.dataset:
        parsed.wrong_use("the following arguments are required: --dataset")
    stray = [f"--{name}" for name in _ONLY_HUB if getattr(parsed, name) is not None]
    if parsed.files and stray:
        parsed.wrong_use(f"{', '.join(stray)}: only with --hub")


def _fetch(parsed: argparse.Namespace, folder: Path) -> Any:
    from resources.landing.hub.fetch import fetch
    from resources.reporter import Reporter

    return fetch(
        HUB_DATASETS[parsed.hub],
        folder,
        subset=parsed.subset,
        split=parsed.split,
        revision=parsed.revision,
        limit=parsed.limit or LIMIT,
        progress=Reporter(parsed.hub, lambda line: None, terminal=True),
    )


def _print_fetched(fetched: Any) -> None:
    skipped = "".join(f"; {count:,} skipped: {reason}" for reason, count in fetched.skipped.items())
    print(f"{fetched.repository} at {fetched.revision[:12]}, split {fetched.split}: "
          f"{fetched.pairs:,} pairs of {fetched.rows:,} rows{skipped}.")  # fmt: skip


def whole_number(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above zero")
    return number
