"""`ser review`: pairs for people to label, out and back."""

import argparse
import json
import sys
from typing import Any

from ser.errors import SerError


def export_command(parsed: argparse.Namespace) -> None:
    """Write the queue of pairs for people to label."""
    from resources.review.queue import export_queue
    from ser_dagster.commands.choose_evolution import LABELLED, choose_evolution

    work = choose_evolution(parsed.dataset, parsed.evolution, LABELLED)
    known = _known(work, parsed.skip_known)
    written = export_queue(work, parsed.n, parsed.to, known or frozenset(), skip_known=parsed.skip_known)
    done = {"dataset": work.dataset} | written | ({"known": None} if known is None else {})
    if parsed.json:
        print(json.dumps(done))
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in done["reasons"].items())
    print(f"{done['folder']}: {done['n']:,} pairs of {done['snapshot']} ({reasons}).")
    if done["known"]:
        print(f"{done['known']:,} of them have a human label already; --skip-known leaves such pairs out.")
    print("Give people queue.csv, queue.jsonl or the Label Studio files; queue-why.csv would bias them.")
    print(f"Then: ser review import FILE --annotator NAME --dataset {work.dataset}")


def _known(work: Any, needed: bool) -> frozenset[str] | None:
    """The pairs that have a human label already; None, and why, if the audit cannot say and it is not `needed`."""
    from assets.audit import audit_path
    from resources.review.known_labels import pairs_with_a_label

    try:
        return pairs_with_a_label(audit_path(work.root), work.dataset)
    except SerError as error:
        if needed:
            raise
        print(f"ser: how many of the pairs have a human label already is not known: {error}", file=sys.stderr)
        return None


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
