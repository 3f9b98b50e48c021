"""The arguments of the commands about evolutions: those of the chapter of that name in `ser --help`."""

from ser_dagster.arguments.completion import evolutions, offer, presets
from ser_dagster.arguments.options import (
    FALLS_BACK,
    add_dataset,
    add_evolution,
    add_json,
    positive,
    positive_number,
    share,
)
from ser_dagster.arguments.parser import Parser


def plan(parser: Parser) -> None:
    """`ser plan`."""
    parser.usage = "%(prog)s --gpus CARDS (--pairs N | --dataset NAME) [options]"
    parser.add_argument("--gpus", required=True, metavar="CARDS", help="such as 1xH100-80GB or 8xA100-80GB")
    parser.add_argument("--pairs", type=positive, metavar="N", help="unlabelled pairs, which are the pool")
    about = "labelled pairs, from which seed, calibration and test are drawn; default: a seed of 15 %% of --pairs"
    parser.add_argument("--labelled", type=positive, metavar="N", help=about)
    add_dataset(parser, "its pairs and their lengths, in place of --pairs and --tokens")
    about = "mean tokens of a prompt with both its responses (default 210)"
    parser.add_argument("--tokens", type=positive, metavar="N", help=about)
    about = "share of its pool that a loop keeps, 0 to 1 (default 0.5 and then 0.2)"
    parser.add_argument("--kept", type=share, metavar="S", help=about)
    about = "of a card and hour, in US dollars (default: a list price)"
    parser.add_argument("--price", type=positive_number, metavar="P", help=about)
    offer(parser.add_argument("--preset", metavar="NAME", help="the model with its settings"), presets)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable"
    )
    add_json(parser)
    parser.calls("ser_dagster.commands.plan:plan_command")


def run(parser: Parser) -> None:
    """`ser run`."""
    add_dataset(parser)
    parser.add_argument("--loops", type=int, metavar="K", help="stop after so many loops; a later run goes on")
    parser.add_argument("--recipe", metavar="NAME", help="the method: paper, robust, or one of [recipes]")
    about = "the model with its settings: one of those that come along, such as llama-3-8b, or a file of yours"
    offer(parser.add_argument("--preset", metavar="NAME", help=about), presets)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable"
    )
    parser.add_argument("--name", help="what you call this evolution")
    parser.add_argument("--no-policy", action="store_true", help="stop at the promoted reward model")
    parser.add_argument(
        "--anyway", action="store_true", help="run the loops although the seed model is not shown to beat a coin"
    )
    add_json(parser)
    parser.calls("ser_dagster.commands.run:run_command")


def demo(parser: Parser) -> None:
    """`ser demo`."""
    parser.calls("ser_dagster.commands.demo:demo_command")


def ui(parser: Parser) -> None:
    """`ser ui`."""
    parser.add_argument("--port", type=int, metavar="N", help="where it listens (default 3000); 0: at a free port")
    parser.add_argument("--host", metavar="H", help="what it listens on; by default this machine only")
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="URL",
        help="where else a browser opens it, such as http://box:3000; repeatable",
    )
    parser.add_argument("--read-only", action="store_true", help="for an audience: nothing can be changed there")
    parser.calls("ser_dagster.commands.ui:ui_command")


def status(parser: Parser) -> None:
    """`ser status`."""
    parser.add_argument("--store", action="store_true", help="also what the artifact store holds")
    add_json(parser)
    parser.calls("ser_dagster.commands.status:status_command")


def report(parser: Parser) -> None:
    """`ser report`."""
    add_dataset(parser)
    add_evolution(parser, FALLS_BACK)
    parser.add_argument("--open", action="store_true", help="open it in a browser")
    parser.calls("ser_dagster.commands.summary:report_command")


def compare(parser: Parser) -> None:
    """`ser compare`."""
    parser.usage = "%(prog)s EVOLUTION EVOLUTION … [options]"
    about = "at least two: full names, names you gave, or how a snapshot or a settings digest begins"
    offer(parser.add_argument("evolutions", nargs="+", metavar="EVOLUTION", help=about), evolutions)
    add_json(parser)
    parser.calls("ser_dagster.commands.compare:compare_command")


def promote(parser: Parser) -> None:
    """`ser promote`."""
    parser.usage = "%(prog)s LOOP --why TEXT [options]"
    parser.add_argument("loop", nargs="?", type=int, metavar="LOOP", help="the loop; 0 is the seed")
    parser.add_argument("--why", metavar="TEXT", help="the reason, for the audit")
    parser.add_argument("--by", metavar="NAME", help="who decides (default: the login name)")
    parser.add_argument("--undo", action="store_true", help="take it back: the rule decides again")
    add_dataset(parser)
    add_evolution(parser, "default: that of the settings of now")
    add_json(parser)
    parser.calls("ser_dagster.commands.promote:promote_command")
