"""The parser of `ser`, of its commands and of their steps: they say what is wrong alike, and name what was meant."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from resources.credentials import redact

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class Parser(argparse.ArgumentParser):
    """What argparse does, with errors of two lines, from the command that was called.

    The first line names what is wrong and the nearest option or command that there is, the second the usage. Options
    may be shortened, and `--debug` may stand anywhere.
    """

    def __init__(self, **about: Any) -> None:
        super().__init__(**{"usage": "%(prog)s [options]", **about})
        # Without a default: that of a command would overwrite what was given before the command.
        about_debug = "show the stack trace of an error"
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=about_debug)

    def add_commands(self, what: str, contents: "Mapping[str, Chapter]") -> None:
        """Let one of these commands follow, which help lists by chapter, and errors call `what`."""
        commands = self.add_subparsers(required=True, metavar=what, prog=self.prog, help=argparse.SUPPRESS)
        listed = [str(self.description)]
        for title, chapter in contents.items():
            for name, (about, define) in chapter.items():
                define(commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}."))
            lines = [f"  {name:12}{about}" for name, (about, _) in chapter.items()]
            listed.append("\n".join([f"{title}:", *lines]))
        self.usage = f"%(prog)s {what} [options]"
        self.description = "\n\n".join(listed)
        self.formatter_class = argparse.RawDescriptionHelpFormatter

    def calls(self, function: str) -> None:
        """Name the function that carries out the command, as `module:function`; it is imported when it is called.

        It takes what was parsed, where `wrong_use` ends with exit code 2 and the usage of this command.
        """
        self.set_defaults(command=function, wrong_use=self.error)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but know everything, or end: otherwise `ser` would answer for its commands."""
        given = sys.argv[1:] if args is None else list(args)
        for option in self._options_in(given):
            if not any(known.startswith(option) for known in self._option_string_actions):
                self.error(f"there is no option {option}.{_did_you_mean(option, self._option_string_actions)}")
        parsed, rest = super().parse_known_args(given, namespace)
        if rest:
            self.error(f"unexpected argument {rest[0]!r}.")
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """End with exit code 2, and these two lines on standard error."""
        self.exit(
            2, f"{self.prog}: error: {redact(message)}\n{self.format_usage().rstrip()}   (more: {self.prog} --help)\n"
        )

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End, after what was printed has gone out: here a reader that has left is noticed, at the very end no more."""
        sys.stdout.flush()
        super().exit(status, message)

    def _options_in(self, given: Sequence[str]) -> list[str]:
        """The options among the arguments of this command, without their values, and without those of a step of it."""
        mine = takewhile(_is_option if self._subparsers else lambda argument: argument != "--", given)
        return [argument.partition("=")[0] for argument in mine if _is_option(argument)]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            meant = _did_you_mean(str(value), known) or f" Choose from {', '.join(known)}."
            what = action.option_strings[0] if action.option_strings else str(action.metavar).lower()
            raise argparse.ArgumentError(None, f"there is no {what} {value!r}.{meant}")


Chapter = Mapping[str, tuple[str, Callable[[Parser], None]]]
"""Commands: name -> (what it is for, what adds its arguments)."""


def _is_option(argument: str) -> bool:
    """Whether argparse takes an argument for an option: negative numbers and sentences are values."""
    return len(argument) > 1 and argument[0] == "-" and " " not in argument and not _NUMBER.fullmatch(argument)


def _did_you_mean(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""
