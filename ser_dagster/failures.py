"""Why an execution failed, in the words of what failed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from resources.credentials import redact
from ser_dagster.foreign_errors import INTERRUPTED_QUERY, recorded_in_two_lines

OURS = ("SerError", "DamagedArtifactError", "DiskFullError", "AuditBusy")
NO_REASON = "see its log in the UI."
_INTERRUPTED = dg.DagsterExecutionInterruptedError.__name__
"""What Dagster makes of a signal that ends a process."""


@dataclass(frozen=True)
class Failure:
    """The first failure of an execution."""

    asset: str | None
    """The key of the asset that failed; None where the execution itself did."""
    message: str
    error: SerializableErrorInfo | None = None
    """The error with its stack and all that led to it, where there was one."""

    @property
    def words(self) -> str:
        """What failed and why."""
        return f"{self.asset or 'the run'} failed: {self.message}"

    @property
    def is_interruption(self) -> bool:
        """Whether a signal ended it: then it was stopped, and has not failed."""
        return any(
            error.cls_name == _INTERRUPTED or error.message.strip() == f"RuntimeError: {INTERRUPTED_QUERY}"
            for error in _chain(self.error)
        )


def first_failure(events: Iterable[dg.DagsterEvent]) -> Failure | None:
    """The first asset among an execution's events that failed, else the failure of the execution itself."""
    of_the_run = None
    for event in events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            return Failure(asset_of(event.step_key or ""), _message(error), error)
        if event.is_failure and of_the_run is None:
            error = getattr(event.event_specific_data, "error", None)
            of_the_run = Failure(None, _message(error) if error else event.message or NO_REASON, error)
    return of_the_run


def asset_of(step: str) -> str:
    """The key of the asset that a step makes."""
    return step.partition(".")[0].replace("__", "/")


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """An error and all that led to it."""
    while error is not None:
        yield error
        error = error.cause


def _message(error: SerializableErrorInfo | None) -> str:
    """The message of the first error of ours in Dagster's chain, which says what to do about those below it; or of
    the one at its bottom."""
    if error is None:
        return NO_REASON
    while error.cause is not None and error.cls_name not in OURS:
        error = error.cause
    message = redact(error.message.strip())
    if error.cls_name not in OURS:
        return recorded_in_two_lines(message) or message
    # Dagster prints the class before the message; of our own errors the message alone is meant for people.
    return message.split(": ", 1)[1] if ": " in message else message
