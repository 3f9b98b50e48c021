"""Errors and log records are told without the credentials in them, whatever the errors are."""

import logging
import traceback

import pytest

from resources.redacted_errors import redact_logs, redacted
from ser.errors import SerError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPx"


def chain_of_errors() -> Exception:
    """A failure that was caused by one with a secret in its message, in a note, and in what it was raised during."""
    try:
        try:
            try:
                raise KeyError(f"?sig={SECRET}")
            except KeyError:
                error = OSError(5, "no answer", f"s3://key:{SECRET}@bucket")
                error.add_note(f"token={SECRET}")
                raise error  # noqa: B904 - the context is what is looked at
        except OSError as error:
            raise SerError("the inbox is closed") from error
    except SerError as error:
        return error


def test_an_error_with_a_secret_in_its_chain_is_told_without_it_and_with_its_stack() -> None:
    error = chain_of_errors()
    assert SECRET in "".join(traceback.format_exception(error))
    said = "".join(traceback.format_exception(redacted(error)))
    assert SECRET not in said
    assert "SerError: the inbox is closed" in said and "no answer: 's3://***@bucket'" in said
    assert said.count("in chain_of_errors") == 3


def test_an_error_without_a_secret_is_itself() -> None:
    error = ValueError("wrong")
    assert redacted(error) is error


def attempts(number: int) -> Exception:
    """The last error of a loop of attempts, the first of which says a secret."""
    error: Exception | None = None
    for attempt in range(number):
        last = OSError(f"attempt {attempt}" if attempt else f"https://h/?sig={SECRET}")
        last.__context__, error = error, last
    assert error is not None
    return error


@pytest.mark.parametrize(("number", "kept"), [(50, 50), (51, 50), (1_500, 50)])
def test_a_chain_of_any_length_is_told_as_far_as_it_is_looked_at(number: int, kept: int) -> None:
    said = "".join(traceback.format_exception(redacted(attempts(number))))
    assert said.count("RedactedError") == kept and f"attempt {number - 1}\n" in said and SECRET not in said


def test_a_circle_of_errors_and_a_group_are_told() -> None:
    error, other = ValueError("one"), OSError(f"https://h/?sig={SECRET}")
    error.__context__, other.__context__ = other, error
    for hostile in (error, ExceptionGroup("all", [ValueError("x"), ExceptionGroup("some", [other])])):
        said = "".join(traceback.format_exception(redacted(hostile)))
        assert SECRET not in said and type(hostile).__name__ in said


def test_no_error_breaks_what_logs_it(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    class NotesError(Exception):
        @property
        def __notes__(self) -> list[str]:
            raise RuntimeError

    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    redact_logs()
    logging.getLogger("dagster").error("failed", exc_info=NotesError())
    assert "an error that could not be read" in caplog.text


def test_no_log_has_a_secret(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    redact_logs()
    logging.getLogger("asyncio").error("never retrieved: %s", f"https://h/?sig={SECRET}", exc_info=chain_of_errors())
    assert SECRET not in caplog.text
    assert "never retrieved: https://h/?sig=***" in caplog.text and "the inbox is closed" in caplog.text
