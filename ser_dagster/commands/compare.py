"""`ser compare`: evolutions side by side, from the audit database."""

import argparse
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from assets.audit import audit_path
from resources.audit.comparison import Row, compare_evolutions
from resources.audit.queries import find_evolution
from resources.reporting.numbers import DASH, difference, number, percent
from resources.reporting.words import VERDICTS, name_of_loop
from resources.settings_file import data_root

if TYPE_CHECKING:
    from rich.table import Table


def compare_command(parsed: argparse.Namespace) -> None:
    """Put the evolutions side by side."""
    path = audit_path(data_root())
    names = [find_evolution(path, wanted) for wanted in parsed.evolutions]
    if len(names) < 2 or len(set(names)) < len(names):
        parsed.wrong_use(f"give at least two different evolutions, not {', '.join(names)}.")
    found = compare_evolutions(path, names)
    if parsed.json:
        print(json.dumps(found, default=datetime.isoformat))
    else:
        _print(found)


def _print(found: Row) -> None:
    from resources.console import Terminal

    console = Terminal()
    names = [chr(ord("A") + k) for k in range(len(found["evolutions"]))]
    for name, one in zip(names, found["evolutions"], strict=True):
        called = f" ({one['name']})" if one["name"] else ""
        console.print(f"{name}  {one['evolution']}{called}", soft_wrap=True)
    console.print(_outcomes(names, found["evolutions"]))
    console.print(_settings(names, found["settings"]))
    console.print(_loops(names, found["loops"]))
    for name, gained, labels in zip(names[1:], found["gains"], found["labels"], strict=True):
        console.print(_gain_line(name, gained), soft_wrap=True)
        if labels:
            console.print(_labels(name, labels))


def _outcomes(names: Sequence[str], about: Sequence[Row]) -> "Table":
    table = _table("", *names)
    for title, cell in (("promoted", _promoted), ("verdict", _verdict), ("gain on test pairs", _test_gain)):
        table.add_row(title, *map(cell, about))
    return table


def _promoted(one: Row) -> str:
    return DASH if one["promoted_loop"] is None else name_of_loop(one["promoted_loop"])


def _verdict(one: Row) -> str:
    return VERDICTS[one["verdict"]] if one["verdict"] else "not finished"


def _test_gain(one: Row) -> str:
    return difference(one["gain_test"], one["gain_test_low"], one["gain_test_high"])


def _settings(names: Sequence[str], rows: Sequence[Row]) -> "Table":
    table = _table("setting that differs", *names)
    for row in rows:
        table.add_row(row["setting"], *(DASH if value is None else str(value) for value in row["values"]))
    return table


def _loops(names: Sequence[str], loops: Sequence[Sequence[Row]]) -> "Table":
    table = _table("loop", "", "status", "pairs kept", "label precision", "test accuracy", "95 % interval")
    for loop in sorted({row["loop"] for rows in loops for row in rows}):
        here = [(name, row) for name, rows in zip(names, loops, strict=True) for row in rows if row["loop"] == loop]
        for k, (name, row) in enumerate(here):
            accuracy = row["test_accuracy"]
            ends = DASH if accuracy is None else f"{100 * row['test_ci_low']:.1f} to {100 * row['test_ci_high']:.1f}"
            table.add_row(
                name_of_loop(loop) if k == 0 else "",
                name,
                row["status"] or DASH,
                number(row["n_kept"]),
                percent(row["label_precision"]),
                percent(accuracy),
                ends,
                style="bold" if row["promoted"] else None,
                end_section=k == len(here) - 1,
            )
    return table


def _gain_line(name: str, gained: Row | None) -> str:
    if gained is None:
        return f"{name} against A: no promoted models that were measured on the same test pairs."
    change = difference(gained["gain"], gained["ci_low"], gained["ci_high"])
    return (
        f"{name} against A, promoted models on {gained['n']:,} common test pairs: {percent(gained['before'])} to "
        f"{percent(gained['after'])}, {change} points (95 % interval of the paired difference)."
    )


def _labels(name: str, rows: Sequence[Row]) -> "Table":
    table = _table(
        f"labels, {name} against A", "common pairs", "another label", "kept by A", f"kept by {name}", "by both"
    )
    for row in rows:
        changed = f"{number(row['n_changed'])} ({percent(row['n_changed'] / row['n'])})"
        counts = (number(row[column]) for column in ("n_kept", "n_kept_other", "n_kept_by_both"))
        table.add_row(name_of_loop(row["loop"]), number(row["n"]), changed, *counts)
    return table


def _table(*headings: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k == 0 else "right")
    return table
