"""The report on an evolution: one self-contained page."""

from pathlib import Path

from resources.reporting import answers, sections
from resources.reporting.checks import checks_of
from resources.reporting.model_rows import CONTROL_HEADINGS, LOOP_HEADINGS, control_rows, loop_rows
from resources.reporting.next_steps import next_steps
from resources.reporting.page import environment
from resources.reporting.report_data import ReportData, gather
from resources.reporting.report_queries import asked
from resources.reporting.watch import watch_section
from resources.reporting.words import decision_words, selection_words, suspicion_words


def render_report(path: Path, evolution: str) -> str:
    """The report on an evolution, as an HTML page that needs nothing else.

    Raises:
        SerError: there is no audit database at `path`, or it does not know the evolution (`UnknownEvolution`).
    """
    return render(gather(path, evolution))


def render(data: ReportData) -> str:
    """The page of these numbers."""
    evolution = data.evolution["evolution"]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            sql=lambda name: asked(name, evolution),
            helped=answers.helped(data),
            trusted=answers.trusted(data),
            labelled=answers.labelled(data),
            policy=answers.policy_answer(data),
            next_steps=next_steps(data),
            checks=checks_of(data),
            headings=LOOP_HEADINGS,
            loop_table=loop_rows(data),
            control_headings=CONTROL_HEADINGS,
            controls=control_rows(data),
            decided=decision_words(data),
            selection=selection_words(data.method),
            suspicions=suspicion_words(data),
            loops=[sections.loop_section(data, status) for status in data.statuses],
            watch=watch_section(data),
            sections=sections,
            measured_on=sorted({row["measured_on"] for row in data.rows["precision"]}),
        )
    )
