"""The arguments of the commands about data: `land`, `quarantine`, `review`, `forget`."""

from pathlib import Path

from resources.landing.hub.catalogue import HUB_DATASETS
from ser_dagster.arguments.completion import datasets, files, offer
from ser_dagster.arguments.options import FALLS_BACK, add_dataset, add_evolution, add_json, positive
from ser_dagster.arguments.parser import Parser

FILES = "JSON, CSV, parquet or arrow, compressed or not, or a folder of datasets.save_to_disk"
HUB_LIMIT = 10_000
"""Pairs that are taken from the hub unless another number is asked for."""


def land(parser: Parser) -> None:
    """`ser land`."""
    parser.usage = "%(prog)s FILE… --dataset NAME [options]"
    offer(parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=FILES), files)
    add_dataset(parser, "the dataset; made if it is new; with --hub, by default its name")
    parser.add_argument("--map", metavar="FIELD=COLUMN,…", help="what the columns are, e.g. prompt=question+context")
    parser.add_argument("--values", metavar="FROM=TO,…", help="what the label column says, to a, b or tie")
    parser.add_argument(
        "--role", help="what every row that names no role is used for: seed, calibration, test, pool, unused or train"
    )
    parser.add_argument("--unlabelled", action="store_true", help="no labels, although a column looks like one")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show counts, reasons and two pairs")
    add_json(parser)
    hub = parser.add_argument_group("from the Hugging Face hub, in place of files")
    hub.add_argument("--hub", choices=sorted(HUB_DATASETS), help="a published data set")
    hub.add_argument("--subset", help="a subset, for stackexchange a site; default: all, Stackoverflow.com")
    hub.add_argument("--split", help="a published split; default: the one for training")
    hub.add_argument("--limit", type=positive, metavar="N", help=f"at most so many pairs; default {HUB_LIMIT:,}")
    hub.add_argument("--revision", metavar="R", help="a commit or branch in place of the pinned commit")
    parser.calls("ser_dagster.commands.land:land_command")


def quarantine(parser: Parser) -> None:
    """`ser quarantine`."""
    add_dataset(parser)
    add_json(parser)
    parser.calls("ser_dagster.commands.quarantine:quarantine_command")


def review(parser: Parser) -> None:
    """`ser review`, with its steps."""
    steps = {
        "export": ("write the queue: JSONL, CSV and a Label Studio project", _review_export),
        "import": ("take the answers back as human labels of the seed", _review_import),
    }
    parser.add_commands("STEP", {"Steps": steps})


def _review_export(parser: Parser) -> None:
    add_dataset(parser)
    add_evolution(parser, FALLS_BACK)
    parser.add_argument("--n", type=positive, default=200, help="how many pairs (default 200)")
    parser.add_argument("--skip-known", action="store_true", help="leave out pairs that have a human label already")
    to = parser.add_argument(
        "--to", type=Path, metavar="DIR", help="the folder; default: review/EVOLUTION in the data root"
    )
    offer(to, files)
    add_json(parser)
    parser.calls("ser_dagster.commands.review:export_command")


def _review_import(parser: Parser) -> None:
    parser.usage = "%(prog)s FILE… --annotator NAME [options]"
    answers = parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="queue.jsonl, queue.csv or .json")
    offer(answers, files)
    parser.add_argument("--annotator", required=True, metavar="NAME", help="who answered, where a row does not say")
    add_dataset(parser)
    add_json(parser)
    parser.calls("ser_dagster.commands.review:import_command")


def forget(parser: Parser) -> None:
    """`ser forget`."""
    parser.usage = "%(prog)s DATASET"
    offer(parser.add_argument("dataset", metavar="DATASET", help="which one; `ser status` lists them"), datasets)
    parser.calls("ser_dagster.commands.forget:forget_command")
