"""`ser demo`: the complete chain on the committed sample."""

import argparse
import time

from assets.graph import run_keys
from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.landing.zone import Landing
from resources.reporter import SCREEN
from resources.settings_file import ROOT, data_root, load_settings
from ser_dagster.commands.run import run
from ser_dagster.commands.run_costs import plan_run
from ser_dagster.commands.speed import estimate
from ser_dagster.commands.summary import print_summary

SAMPLE = ROOT / "data" / "sample"


def demo_command(_: argparse.Namespace) -> None:
    """Land the sample and its judge labels, run, and print the summary, with the seconds of all that."""
    started = time.monotonic()
    landed = Landing(data_root(), load_settings()).land(
        [SAMPLE / "pairs.jsonl", SAMPLE / "judge_labels.jsonl"], "sample"
    )
    print(f"sample: {landed.labelled:,} simulated pairs, snapshot {landed.snapshot}")
    assert landed.snapshot is not None  # the sample has pairs
    _announce(landed.snapshot)
    result = run("sample")
    print_summary(result["evolution"], time.monotonic() - started)


def _announce(snapshot: str) -> None:
    """Say how long it will take, unless nearly all of it has been made before."""
    settings = load_settings()
    evolution = Evolution(data_root(), settings, snapshot, screen=SCREEN)
    if evolution.find(keys.POLICY_EVALUATION) is None:
        steps, costs = plan_run(evolution, run_keys(settings, policy=True))
        print(estimate(costs, steps, settings.compute))
        print("Ctrl-C stops it at any time; run again, it continues where it was.", flush=True)
