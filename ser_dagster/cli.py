"""The `ser` command: what can be typed after it, and how it ends."""

import argparse
import os
import pkgutil
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from resources.credentials import redact
from resources.redacted_errors import redact_logs, redacted
from ser.errors import SerError
from ser.terminal import guard_output, guarded_output
from ser_dagster.arguments import completion, data, evidence, evolutions, leaving
from ser_dagster.arguments.parser import Chapter, Parser
from ser_dagster.foreign_errors import INTERRUPTED_QUERY, in_two_lines

CONTENTS: Mapping[str, Chapter] = {
    "Data": {
        "land": ("land files of preference pairs, or a published data set", data.land),
        "quarantine": ("what did not land, why, and what would mend it", data.quarantine),
        "review": ("let people label the pairs that teach most", data.review),
        "forget": ("delete a dataset and all that was made of it", data.forget),
    },
    "Evolutions": {
        "plan": ("what a run would cost on some GPUs, and whether it fits", evolutions.plan),
        "run": ("run the chain on the current snapshot of a dataset", evolutions.run),
        "demo": ("the complete chain on the committed sample", evolutions.demo),
        "ui": ("the Dagster page: runs, assets, checks and automation", evolutions.ui),
        "status": ("what has landed and what was made of it", evolutions.status),
        "report": ("where the report of an evolution is", evolutions.report),
        "compare": ("put evolutions side by side", evolutions.compare),
        "promote": ("promote a loop by hand, with who and why in the audit", evolutions.promote),
    },
    "Evidence": {
        "audit": ("ask the audit database, with a named query or SQL", evidence.audit),
        "advise": ("whether loops are likely to pay, before a long run", evidence.advise),
        "study": ("run many evolutions that differ in one thing, and compare them", evidence.study),
    },
    "What leaves and what goes": {
        "export": ("write a reward model, a policy or labels for other tools", leaving.export),
        "prune": ("remove what nothing needs any more (dry run without --yes)", leaving.prune),
    },
}


GOES_ON = tuple(f"ser_dagster.commands.{name}:{name}_command" for name in ("run", "demo", "advise", "study"))
"""What continues where it was stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0 done, 1 failed, 2 wrong use.

    An error that is neither ours nor of the system and the libraries below is a fault of this program, and is raised.
    """
    redact_logs()
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars of libraries would break our own lines of progress
    # What libraries say to each other about their next versions is not for the people who run this one.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers", append=True)
    with guarded_output():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    debug = goes_on = False
    try:
        parsed = command_parser().parse_args((sys.argv[1:] if arguments is None else arguments) or ["--help"])
        debug, goes_on = parsed.debug, parsed.command in GOES_ON
        if debug:
            os.environ["SER_DEBUG"] = "1"
        pkgutil.resolve_name(parsed.command)(parsed)
        sys.stdout.flush()  # here, where it may fail
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SerError as error:
        if debug:
            traceback.print_exception(redacted(error))
        print(f"ser: {redact(str(error))}", file=sys.stderr)
        return 1
    except Exception as error:
        if isinstance(error, RuntimeError) and str(error) == INTERRUPTED_QUERY:
            return _stopped(goes_on)
        words = in_two_lines(error)
        if debug or words is None:
            shown = redacted(error)
            if shown is error:
                raise
            raise shown from shown.__cause__
        print(f"ser: {redact(words)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _stopped(goes_on)
    return 0


def _stopped(goes_on: bool) -> int:
    print("\nStopped. Run again: it continues here." if goes_on else "\nStopped.", file=sys.stderr)
    return 1


def entry() -> None:
    """The console script: end at once, without Python's teardown.

    DuckDB's bindings print a page about leaks when they are torn down in a process that has used torch; everything
    of ours is flushed to disk by then.
    """
    if "_ARGCOMPLETE" in os.environ:
        completion.answer(command_parser())
    guard_output()  # also for what Python says of an error that nobody caught
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told and done the same
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def command_parser() -> Parser:
    parser = Parser(
        prog="ser",
        description="Self-evolved reward models: from a few human labels to an audited reward model.",
        epilog="A command explains itself: ser COMMAND --help",
    )
    parser.set_defaults(debug=False)
    parser.add_commands("COMMAND", CONTENTS)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of ser-dagster")
    parser.add_argument(
        "--show-completion",
        action=completion.ShowCompletion,
        choices=completion.SHELLS,
        metavar="SHELL",
        help="print what makes bash, zsh or fish complete `ser`; see docs/own-data.md",
    )
    return parser


class _Version(argparse.Action):
    """Argparse's own would look the version up at every start, which takes as long as all the rest of it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print it and end."""
        from importlib.metadata import version

        print(f"ser-dagster {version('ser-dagster')}")
        parser.exit()
