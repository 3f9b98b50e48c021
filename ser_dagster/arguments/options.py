"""Options that several commands have."""

import argparse
import math

from ser_dagster.arguments.completion import datasets, evolutions, offer
from ser_dagster.arguments.parser import Parser

FALLS_BACK = "default: that of the settings of now, else the last one, which is said"
"""How `--evolution` is explained where another may be taken."""


def add_dataset(parser: Parser, about: str = "needed when there is more than one") -> None:
    """Add `--dataset`."""
    offer(parser.add_argument("--dataset", metavar="NAME", help=about), datasets)


def add_evolution(parser: Parser, about: str) -> None:
    """Add `--evolution`."""
    offer(parser.add_argument("--evolution", metavar="NAME", help=about), evolutions)


def add_json(parser: Parser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = _number(text)
    if value is None or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def positive_number(text: str) -> float:
    """A finite number above zero."""
    value = _number(text)
    if value is None or not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)
