"""The five answers and the table of an evolution, for a terminal: what the first screen of its page says."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from resources.reporting.answers import Answer, helped, labelled, policy_answer, trusted
from resources.reporting.model_rows import HEADINGS, summary_rows
from resources.reporting.next_steps import next_steps
from resources.reporting.report_data import ReportData, gather

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table


def summary(path: Path, evolution: str) -> "Group":
    """What a terminal shows of an evolution.

    Raises:
        SerError: there is no audit database at `path`, or it does not know the evolution (`UnknownEvolution`).
    """
    from rich.console import Group

    data = gather(path, evolution)
    return Group(_table(data), *_answers(data))


def _table(data: ReportData) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for k, name in enumerate(HEADINGS):
        # Two lines of heading: the table has to fit into 80 columns.
        table.add_column("\n".join(name.rsplit(" ", 1)) if k else name, justify="right" if k else "left", no_wrap=True)
    rows = summary_rows(data)
    for k, row in enumerate(rows):
        promoted = row[0].startswith("promoted")
        table.add_row(
            *row,
            style="bold" if promoted else None,
            end_section=k == len(rows) - 2 and data.promoted is not None,
        )
    return table


def _answers(data: ReportData) -> "Iterator[RenderableType]":
    """A paragraph for each of the questions."""
    from rich.text import Text

    asked: dict[str, Answer | None] = {
        "Did self-training help?": helped(data),
        "May I trust it?": trusted(data),
        "Machine labels:": labelled(data),
        "Policy:": policy_answer(data),
    }
    for question, answer in asked.items():
        if answer is not None:
            yield Text(f"{question} {answer.headline}", style="bold")
            yield from (_indented(line, 2) for line in (*answer.lines, *answer.rest))
            yield ""
    yield Text("What to do next:", style="bold")
    for words, command in next_steps(data):
        yield _indented(words, 2)
        yield _indented(command, 4)
    yield ""


def _indented(words: str, by: int) -> "RenderableType":
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(words), (0, 0, 0, by))
