"""`ser demo`: the complete chain on the committed sample."""

import argparse
import time

from resources.landing.zone import Landing
from resources.settings_file import ROOT, data_root, load_settings
from ser_dagster.commands.run import run
from ser_dagster.commands.summary import print_summary

SAMPLE = ROOT / "data" / "sample"


def demo_command(_: argparse.Namespace) -> None:
    """Land the sample and its judge labels, run, and print the summary, with the seconds of all that."""
    started = time.monotonic()
    landed = Landing(data_root(), load_settings()).land(
        [SAMPLE / "pairs.jsonl", SAMPLE / "judge_labels.jsonl"], "sample"
    )
    print(f"sample: {landed.labelled:,} simulated pairs, snapshot {landed.snapshot}")
    result = run("sample")
    print_summary(result["evolution"], time.monotonic() - started)
