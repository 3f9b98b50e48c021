"""What a shell offers at a press of TAB: commands and options, and the names that are in the data root."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SHELLS = ("bash", "zsh", "fish")
Completer = Callable[..., Iterable[str]]
"""Gives values, or values with what they mean; those that do not begin as the word does are left out."""


def offer(action: argparse.Action, completer: Completer) -> None:
    """Have the values of an argument completed by `completer`."""
    action.completer = completer  # type: ignore[attr-defined]


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks in the environment, and end the process."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=argcomplete.SuppressCompleter())


def files(prefix: str, **_: object) -> Iterable[str]:
    """Files and folders."""
    from argcomplete.completers import FilesCompleter

    return FilesCompleter()(prefix)


def datasets(**_: object) -> Iterable[str]:
    """Datasets that have a folder."""
    from resources.landing.folders import dataset_folders
    from resources.settings_file import data_root

    return dataset_folders(data_root())


def evolutions(**_: object) -> dict[str, str]:
    """Evolutions: the names that people gave, and the full ones."""
    from resources.heads import known_evolutions
    from resources.settings_file import data_root
    from ser.terminal import one_line

    known = known_evolutions(data_root(), tell=lambda damage: None)
    # A shell shows what it is offered as it is.
    named = {one.name: one.identity for one in known if one.name and one_line(one.name) == one.name}
    return named | {one.identity: one.name or "" for one in known}


def presets(**_: object) -> list[str]:
    """The presets that come along."""
    from resources.preset_files import presets

    return presets()


def studies(prefix: str, **_: object) -> Iterable[str]:
    """The studies that come along, and files."""
    from resources.studies.plan import known_studies

    return [*known_studies(), *files(prefix)]


def named_queries(**_: object) -> dict[str, str]:
    """The named queries of the audit."""
    from resources.audit.queries import named_queries

    return {name: about for name, (about, _) in named_queries().items()}


class ShowCompletion(argparse.Action):
    """Print what makes a shell complete `ser`, from wherever it is called, and end."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Print it for the shell that is named."""
        from argcomplete import shellcode

        command = Path(sys.executable).with_name("ser")
        # Without `-o default`: bash would offer files wherever there is nothing to offer.
        print(shellcode(["ser"], shell=values, complete_arguments=["-o", "nospace"], argcomplete_script=str(command)))
        parser.exit()
