"""`ser status` for people: whole names, whatever the width of the terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from resources import asset_keys as keys
from resources.reporting.numbers import difference, percent
from resources.reporting.words import VERDICTS, name_of_loop
from ser.method.promotion import GATE_NOT_SHOWN
from ser.terminal import one_line
from ser_dagster.commands.landing_words import counts_line

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]

FIRST_STEPS = (
    "Nothing has landed yet. To begin:",
    "  ser demo                       the whole chain on the sample data, to look at",
    "  ser land FILE --dataset NAME   your own pairs; then: ser run --dataset NAME",
)


def print_status(found: Row) -> None:
    """Print what `status` found."""
    from resources.console import Terminal

    console = Terminal()
    for line in _lines(found):
        console.print(line, soft_wrap=True)
    if "store" in found:
        console.print(_store_table(found["store"]))


def _lines(found: Row) -> Iterator[str]:
    if not found["datasets"]:
        yield from FIRST_STEPS
    for row in found["datasets"]:
        yield from _dataset_lines(row)
    for row in found["unread"]:
        yield one_line(f"{row['dataset']}: {row['file']} was not read: {row['reason']}")
    for line in found["misplaced"]:
        yield one_line(f"Passed over: {line}")
    yield from found["damage"]
    for row in found["evolutions"]:
        yield from _evolution_lines(row)
    yield from found["unknown"]


def _dataset_lines(row: Row) -> Iterator[str]:
    if "damage" in row:
        yield row["damage"]
        return
    pairs, labelled, unlabelled = (f"{row[name]:,}" for name in ("pairs", "labelled", "unlabelled"))
    yield f"{row['dataset']}: {pairs} pairs, {labelled} labelled, {unlabelled} unlabelled"
    yield f"  snapshot {row['snapshot']}"
    yield f"  {counts_line(row['roles'])}"


def _evolution_lines(row: Row) -> Iterator[str]:
    yield f"evolution {row['evolution']}"
    called = [row["name"]] if row["name"] else []
    pruned = ["pruned"] if row["pruned"] else []
    yield "  " + ", ".join([*called, f"recipe {row['recipe']}", f"{len(row['made'])} artifacts", *pruned])
    yield f"  {_state(row)}"
    if row["promoted_loop"] is not None:
        yield f"  {_promotion(row)}"
    if (gain := row["gain"]) is not None:
        loop, change = row["promoted_loop"] or row["last_loop"], difference(gain["value"], gain["low"], gain["high"])
        yield f"  loop {loop} gains {change} points over the seed on test pairs (95 % interval)"
    if row["unlike_pool"] is not None:
        yield f"  {row['unlike_pool']}"
    if row["win_rate"] is not None:
        yield f"  win rate of the policy {percent(row['win_rate'])}"


def _state(row: Row) -> str:
    """How far the evolution came, and when."""
    begun = _time(row["executed_at"])
    moment = _time(row["ended_at"]) if row["ended_at"] else f"last execution begun {begun}"
    why = " ".join((row["why"] or "").split())
    match row["state"]:
        case "running":
            return f"running since {begun}" + (f", in {row['at']}" if row["at"] else "")
        case "done":
            failed = f", but the last execution failed{_at(row)}: {why}" if why else ""
            return f"done, {moment}{failed}"
        case "failed":
            return f"failed{_at(row)}, {moment}: {why}"
        case "stopped_as_asked":
            last = (keys.loop_of(row["at"]) or 1) - 1
            return f"stopped after {f'loop {last}' if last else 'the seed'}, as asked, {moment}"
        case _:
            return f"stopped{_at(row)}, {moment}"


def _at(row: Row) -> str:
    return f" at {row['at']}" if row["at"] else ""


def _promotion(row: Row) -> str:
    loop, verdict = row["promoted_loop"], row["verdict"]
    if verdict == GATE_NOT_SHOWN:
        return f"the gate is closed, {VERDICTS[verdict]}: the seed RM stays"
    told = f"the last loop is {VERDICTS[verdict]}" if row["last_loop"] else "no loop trained another"
    return f"promoted: {'the seed RM' if loop == 0 else name_of_loop(loop)}; {told}"


def _time(iso: str) -> str:
    """A time in UTC, as the audit and the reports give it, to the minute."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _store_table(store: dict[str, Any]) -> "Table":
    from rich.filesize import decimal
    from rich.table import Table

    table = Table("what", "number", "bytes", title="Store")
    for row in store["kinds"]:
        table.add_row(row["kind"], f"{row['artifacts']:,}", decimal(row["bytes"]))
    table.add_section()
    table.add_row("all artifacts", f"{store['artifacts']:,}", decimal(store["bytes"]))
    names = {
        "unreferred": "artifacts that no evolution refers to",
        "unfinished": "unfinished temporary folders",
        "damaged": "damaged, put aside",
        "pruned": "records of pruned artifacts",
        "caches": "caches of trunk states",
    }
    for name, words in names.items():
        number, size = store[name].values()
        table.add_row(words, f"{number:,}", decimal(size))
    return table
