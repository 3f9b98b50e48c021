"""Errors and log records without the credentials that libraries repeat in them: what Dagster records, it keeps."""

import logging
import traceback
from typing import Any

from resources.credentials import redact
from ser.errors import SerError


class RedactedError(Exception):
    """An error of a library, said without the credentials that stood in it."""


def redacted(error: BaseException) -> BaseException:
    """The error; where a credential stands in it or in what led to it, a chain of errors that says the same without."""
    said = traceback.TracebackException.from_exception(error, lookup_lines=False)
    text = "".join(_messages(said))
    return error if redact(text) == text else _copy(said, error)


def _messages(said: traceback.TracebackException) -> list[str]:
    found = list(said.format_exception_only())
    for other in (said.__cause__, said.__context__, *(said.exceptions or ())):
        if other is not None:
            found += _messages(other)
    return found


def _copy(said: traceback.TracebackException, error: BaseException) -> BaseException:
    text = redact("".join(said.format_exception_only()).strip())
    copy = SerError(redact(str(error))) if isinstance(error, SerError) else RedactedError(text)
    cause, context = error.__cause__, error.__context__
    if cause is not None and said.__cause__ is not None:
        copy.__cause__ = _copy(said.__cause__, cause)
    if context is not None and said.__context__ is not None:
        copy.__context__ = _copy(said.__context__, context)
    copy.__suppress_context__ = error.__suppress_context__
    return copy.with_traceback(error.__traceback__)


def redact_logs() -> None:
    """Let no log of this process, whichever library writes it, have a credential in it: logs are files that stay."""
    logging.setLogRecordFactory(_RedactedRecord)


class _RedactedRecord(logging.LogRecord):
    """A record whose message and error are redacted."""

    def __init__(self, *about: Any, **more: Any) -> None:
        super().__init__(*about, **more)
        if isinstance(self.exc_info, tuple) and self.exc_info[1] is not None:
            error = redacted(self.exc_info[1])
            self.exc_info = (type(error), error, error.__traceback__)

    def getMessage(self) -> str:  # noqa: N802 - the name of the library
        """The message, redacted."""
        return redact(super().getMessage())
