"""`ser review`: pairs for people to label, out and back."""

import argparse
import json


def export_command(parsed: argparse.Namespace) -> None:
    """Write the queue of pairs for people to label."""
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


def import_command(parsed: argparse.Namespace) -> None:
    """Take the answers back."""
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
