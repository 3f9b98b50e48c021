"""The `ser` command.

Data: land, quarantine, review, forget. Evolutions: run, demo, status, report, compare, promote. Evidence: audit. What
leaves and what goes: export, prune. The UI is no command of it: `make ui`.
"""

import argparse
import json
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import version

from resources.disk import FULL, is_full, is_of_the_disk
from ser.errors import SerError
from ser_dagster.commands import audit, compare, export, forget, land, promote, prune, quarantine, review


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0 done, 1 failed, 2 wrong use."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars of libraries would break our own lines of progress
    # What libraries say to each other about their next versions is not for the people who run this one.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers", append=True)
    parsed = _parser().parse_args(arguments)
    if parsed.debug:
        os.environ["SER_DEBUG"] = "1"
    try:
        parsed.command(parsed)
        sys.stdout.flush()  # here, where it may fail
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SerError as error:
        if parsed.debug:
            traceback.print_exc()
        print(f"ser: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from resources.settings_file import data_root

        full = is_full(error, data_root())
        if parsed.debug or not (full or is_of_the_disk(error)):
            raise
        print(f"ser: {FULL if full else next(iter(str(error).splitlines()), repr(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nser: stopped. Run the same command again to continue.", file=sys.stderr)
        return 1
    return 0


def entry() -> None:
    """The console script: end at once, without Python's teardown.

    DuckDB's bindings print a page about leaks when they are torn down in a process that has used torch; everything
    of ours is flushed to disk by then.
    """
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ser",
        description="Self-evolved reward models: from a few human labels to an audited reward model.",
    )
    parser.add_argument("--version", action="version", version=f"ser-dagster {version('ser-dagster')}")
    parser.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    land.add_parser(commands)
    quarantine.add_parser(commands)

    run = commands.add_parser("run", help="run the chain on the current snapshot of a dataset")
    run.add_argument("--dataset", help="needed when there is more than one")
    run.add_argument("--loops", type=int, metavar="K", help="stop after so many loops; a later run goes on")
    run.add_argument("--recipe", metavar="NAME", help="the method: paper, robust, or one of [recipes]")
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable")
    run.add_argument("--name", help="what you call this evolution")
    run.add_argument("--no-policy", action="store_true", help="stop at the promoted reward model")
    run.add_argument(
        "--anyway", action="store_true", help="run the loops although the seed model is not shown to beat a coin"
    )
    run.add_argument("--json", action="store_true", help="print one JSON document")
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="what has landed and what was made of it")
    status.add_argument("--json", action="store_true", help="print one JSON document")
    status.set_defaults(command=_status)

    audit.add_parser(commands)

    report = commands.add_parser("report", help="where the report of an evolution is")
    report.add_argument("--dataset", help="needed when there is more than one")
    report.add_argument("--evolution", metavar="NAME", help="as for audit (default: the last of the dataset)")
    report.add_argument("--open", action="store_true", help="open it in a browser")
    report.set_defaults(command=_report)
    compare.add_parser(commands)
    promote.add_parser(commands)

    review.add_parser(commands)
    prune.add_parser(commands)
    forget.add_parser(commands)
    export.add_parser(commands)

    demo = commands.add_parser("demo", help="the complete chain on the committed sample")
    demo.set_defaults(command=_demo)
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _run(parsed: argparse.Namespace) -> None:
    from ser_dagster.commands.run import run

    result = run(
        parsed.dataset,
        loops=parsed.loops,
        recipe=parsed.recipe,
        policy=not parsed.no_policy,
        anyway=parsed.anyway or None,
        name=parsed.name,
        assignments=parsed.set,
    )
    if parsed.json:
        print(json.dumps(result))
    else:
        from ser_dagster.commands.summary import print_summary

        print_summary(result["evolution"], result["seconds"])


def _status(parsed: argparse.Namespace) -> None:
    from ser_dagster.commands.status import print_status, status

    if parsed.json:
        print(json.dumps(status()))
    else:
        print_status(status())


def _report(parsed: argparse.Namespace) -> None:
    from ser_dagster.commands.summary import find_report

    path = find_report(parsed.dataset, parsed.evolution)
    print(path)
    if parsed.open:
        import webbrowser

        webbrowser.open(path.as_uri())


def _demo(parsed: argparse.Namespace) -> None:
    from ser_dagster.commands.demo import demo

    demo()
