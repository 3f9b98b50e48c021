"""`ser review`: pairs for people to label, out and back."""

import argparse
import json
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add `review export` and `review import`."""
    review = commands.add_parser("review", help="let people label the pairs that teach most")
    steps = review.add_subparsers(required=True, metavar="STEP")

    export = steps.add_parser("export", help="write the queue: JSONL, CSV and a Label Studio project")
    export.add_argument("--dataset", help="needed when there is more than one")
    export.add_argument("--n", type=_positive, default=200, help="how many pairs (default 200)")
    export.add_argument("--to", type=Path, metavar="DIR", help="the folder; default: review/EVOLUTION in the data root")
    export.set_defaults(command=_export)

    take_back = steps.add_parser("import", help="take the answers back as human labels of the seed")
    take_back.add_argument("files", nargs="+", type=Path, metavar="FILE", help="queue.jsonl, queue.csv or .json")
    take_back.add_argument("--annotator", required=True, metavar="NAME", help="who answered, where a row does not say")
    take_back.add_argument("--dataset", help="needed when there is more than one")
    take_back.set_defaults(command=_import)
    for step in (export, take_back):
        step.add_argument("--json", action="store_true", help="print one JSON document")
        step.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few: it must be at least 1")
    return number


def _export(parsed: argparse.Namespace) -> None:
    from resources.landing.zone import Landing
    from resources.review.queue import export_queue
    from resources.settings_file import data_root, load_settings

    zone = Landing(data_root(), load_settings())
    dataset = zone.only_dataset(parsed.dataset)
    done = {"dataset": dataset} | export_queue(data_root(), zone.current_snapshot(dataset), parsed.n, parsed.to)
    if parsed.json:
        print(json.dumps(done))
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in done["reasons"].items())
    print(f"{done['folder']}: {done['n']:,} pairs of {done['snapshot']} ({reasons}).")
    print("Give people queue.csv, queue.jsonl or the Label Studio files; queue-why.csv would bias them.")
    print(f"Then: ser review import FILE --annotator NAME --dataset {dataset}")


def _import(parsed: argparse.Namespace) -> None:
    from dataclasses import asdict

    from resources.landing.zone import Landing
    from resources.review.import_answers import take_back
    from resources.settings_file import data_root, load_settings
    from ser_dagster.dagster_instance import instance, register

    zone = Landing(data_root(), load_settings())
    with instance() as current:  # before anything lands, as in `ser land`
        done = take_back(zone, zone.only_dataset(parsed.dataset), parsed.files, parsed.annotator)
        landed = done.landed
        register(current, zone.current_snapshot(landed.dataset))
    if parsed.json:
        print(json.dumps(asdict(landed) | {"unanswered": done.unanswered}))
        return
    print(f"{landed.dataset}: {landed.labels_added:,} labels added, {landed.duplicates:,} duplicates, "
          f"{landed.quarantined:,} quarantined, {done.unanswered:,} unanswered.")  # fmt: skip
    print(f"snapshot {landed.snapshot}. Train with the new labels: ser run --dataset {landed.dataset}")
    if landed.quarantined:
        print(f"Quarantined rows with their reasons: {data_root() / 'quarantine' / landed.dataset}")
