"""Errors and log records without the credentials that libraries repeat in them: what Dagster records, it keeps."""

import logging
import traceback
from typing import Any

from resources.credentials import redact
from ser.errors import SerError

MOST = 50
"""Errors of a chain that are looked at: a loop of attempts makes one of any length."""


class RedactedError(Exception):
    """An error of a library, said without the credentials that stood in it."""


def redacted(error: BaseException) -> BaseException:
    """The error; where a credential stands in it or in what led to it, a chain of errors that says the same without.

    A chain of more than MOST errors is cut there.
    """
    errors = _chain(error)
    said = ["".join(traceback.format_exception_only(one)).strip() for one in errors]
    if len(errors) <= MOST and all(redact(text) == text for text in said):
        return error
    copies = {id(one): _copy(one, text) for one, text in zip(errors[:MOST], said, strict=False)}
    for one in errors[:MOST]:
        copy = copies[id(one)]
        copy.__cause__, copy.__context__ = copies.get(id(one.__cause__)), copies.get(id(one.__context__))
        copy.__suppress_context__ = one.__suppress_context__
    return copies[id(error)]


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what led to it, each once; at most one more than MOST."""
    errors = [error]
    for one in errors:
        group = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for other in (one.__cause__, one.__context__, *group):
            if other is not None and len(errors) <= MOST and all(other is not known for known in errors):
                errors.append(other)
    return errors


def _copy(error: BaseException, text: str) -> BaseException:
    copy = SerError(redact(str(error))) if isinstance(error, SerError) else RedactedError(redact(text))
    return copy.with_traceback(error.__traceback__)


def redact_logs() -> None:
    """Let no log of this process, whichever library writes it, have a credential in it: logs are files that stay."""
    logging.setLogRecordFactory(_RedactedRecord)


class _RedactedRecord(logging.LogRecord):
    """A record whose message and error are redacted; what is handed over as `extra` no format here shows."""

    def __init__(self, *about: Any, **more: Any) -> None:
        super().__init__(*about, **more)
        if isinstance(self.exc_info, tuple) and self.exc_info[1] is not None:
            try:
                error = redacted(self.exc_info[1])
            except Exception:  # noqa: BLE001 - it would break what logs: no handler catches it here
                error = RedactedError("an error that could not be read")
            self.exc_info = (type(error), error, error.__traceback__)

    def getMessage(self) -> str:  # noqa: N802 - the name of the library
        """The message, redacted."""
        return redact(super().getMessage())
