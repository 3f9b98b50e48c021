"""The arguments of the commands about what leaves and what goes: `export`, `prune`."""

from pathlib import Path

from ser_dagster.arguments.completion import files, offer
from ser_dagster.arguments.options import FALLS_BACK, add_dataset, add_evolution, add_json
from ser_dagster.arguments.parser import Parser


def export(parser: Parser) -> None:
    """`ser export`, with its kinds."""
    kinds = {
        "rm": ("the promoted reward model, for transformers, PEFT and TRL", _rm),
        "policy": ("the policy, for transformers and PEFT", _policy),
        "labels": ("the kept machine labels, as JSON lines in TRL's preference format", _labels),
    }
    parser.add_commands("KIND", {"Kinds": kinds})


def prune(parser: Parser) -> None:
    """`ser prune`."""
    parser.usage = "%(prog)s --keep N [options]"
    parser.add_argument(
        "--keep", type=int, required=True, metavar="N", help="snapshots with a promoted model to keep of each dataset"
    )
    parser.add_argument("--yes", action="store_true", help="remove them; without it they are only listed")
    add_json(parser)
    parser.calls("ser_dagster.commands.prune:prune_command")


def _rm(parser: Parser) -> None:
    parser.add_argument("--loop", type=int, metavar="K", help="the reward model of loop K instead; 0 is the seed's")
    parser.add_argument(
        "--member",
        type=int,
        metavar="N",
        help="of a reward model that is the mean of several, the one to export, from 0",
    )
    _add_common(parser, "DIR")
    parser.calls("ser_dagster.commands.export:rm_command")


def _policy(parser: Parser) -> None:
    _add_common(parser, "DIR")
    parser.calls("ser_dagster.commands.export:policy_command")


def _labels(parser: Parser) -> None:
    _add_common(parser, "FILE.jsonl or DIR")
    parser.calls("ser_dagster.commands.export:labels_command")


def _add_common(parser: Parser, place: str) -> None:
    """Add what all kinds have."""
    parser.usage = "%(prog)s --to PLACE [options]"
    add_dataset(parser)
    add_evolution(parser, FALLS_BACK)
    to = parser.add_argument("--to", required=True, type=Path, metavar=place, help="where to; made if it is new")
    offer(to, files)
    add_json(parser)
