"""Credentials in addresses and texts are found and hidden; what only looks like one is left alone."""

import logging
import traceback

import fsspec
import pytest

from resources.credentials import HIDDEN, has_credentials, redact
from resources.redacted_errors import redact_logs, redacted
from ser.errors import SerError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPx"
WITH = [
    f"s3://AKIAEXAMPLE:{SECRET}@bucket/in",
    f"s3://AKIAEXAMPLE:7/{SECRET}@bucket/in",
    f"simplecache::s3://AKIAEXAMPLE:{SECRET}@bucket/in",
    f"zip://*.jsonl::https://me:{SECRET}@host/a.zip",
    f"https://host:8080/a@b,s3://key:{SECRET}@bucket",
    f"https://{SECRET.replace('/', '')}@host/in",
    f"HTTPS://:{SECRET}@host/in",
    f"https:\\\\me:{SECRET}@host",
    f"ftp://me:a@{SECRET}@host/in",
    f"sftp://me:{SECRET}@host/in",
    f"memory://key:{SECRET}@inbox",
    f"postgresql://dagster:{SECRET}@localhost/dagster",
    f"https://host/in?token={SECRET}",
    f"https://host/in?prefix=a&sig={SECRET}",
    f"https://host/in?X-Amz-Credential=AKIA&X-Amz-Signature={SECRET}",
    f"https://host/in?X-Goog-Signature={SECRET}",
    f"https://host/in#access_token={SECRET}",
    f"https://host/in;password={SECRET}",
    f"https://host/in?code={SECRET}",
    f"abfs://container@account.dfs.core.windows.net/in?sas_token={SECRET}",
    f"s3://bucket/in?key=AKIA&secret={SECRET}",
    f"DefaultEndpointsProtocol=https;AccountName=me;AccountKey={SECRET}==;EndpointSuffix=x",
]
WITHOUT = [
    "s3://bucket/prefix",
    "s3://bucket/team@company/a:b@c",
    "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/mine",
    "abfs://container@account.dfs.core.windows.net/in",
    "zip://*::abfs://container@account.dfs.core.windows.net/in.zip",
    "sftp://me@host/in",
    "webhdfs://me@namenode:50070/in",
    "hdfs://namenode:8020/data/me@company",
    "github://owner:repository@main/data",
    "hf://datasets/owner/name@main/data",
    "https://host:443/@scope/in",
    "https://host/in?prefix=keys/&author=me&keyword=x&monkey=1&max_tokens=5",
    "file:///srv/in",
    "/srv/in box/a:b@c",
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "pad_token='<pad>', 512 tokens: a basic understanding, partition_key='x', JSON: unexpected token: '}'",
]


@pytest.mark.parametrize("text", WITH)
def test_a_credential_is_found_and_hidden_wherever_it_stands(text: str) -> None:
    assert has_credentials(text)
    said = redact(f'Forbidden: "{text}" (in {text})')
    assert SECRET not in said and SECRET.replace("/", "") not in said and said.count(HIDDEN) >= 2


@pytest.mark.parametrize("text", ["s3://key%3Asecret@bucket", "https://host/in?%74oken=abc", "s3://key:se cret@bucket"])
def test_a_credential_that_is_written_otherwise_is_found(text: str) -> None:
    assert has_credentials(text)


@pytest.mark.parametrize("text", WITHOUT)
def test_what_is_no_credential_is_left_as_it_is(text: str) -> None:
    assert not has_credentials(text)
    assert redact(f"{text} cannot be read") == f"{text} cannot be read"


@pytest.mark.parametrize(
    "text",
    [
        f"TypeError: connect(secret='{SECRET}', timeout=3)",
        f'{{"aws_secret_access_key": "{SECRET}"}}',
        f"headers={{'Authorization': 'Bearer {SECRET}'}}",
        f"Authorization: Basic {SECRET}",
        f"<CIMultiDictProxy('Host': 'h', 'X-Amz-Security-Token': '{SECRET}', 'Set-Cookie': 'a={SECRET}; Path=/')>",
        f"Max retries exceeded with url: /in?a=1&token={SECRET} (Caused by",
    ],
)
def test_what_clients_print_of_their_requests_is_hidden(text: str) -> None:
    assert SECRET not in redact(text)


def test_what_this_process_knows_as_secret_is_hidden_in_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("SHORT_TOKEN", "on")
    monkeypatch.setitem(fsspec.config.conf, "ftp", {"username": "somebody", "password": "correct horse"})
    quoted = "wJalrXUtnFEMI%2FK7MDENG%2BbPx"
    said = redact(f"{SECRET!r}; /{quoted}/; somebody and correct horse are on")
    assert said == f"'{HIDDEN}'; /{HIDDEN}/; somebody and {HIDDEN} are on"


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
