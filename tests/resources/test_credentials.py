"""Credentials in addresses and texts are found and hidden; what only looks like one is left alone."""

import time
from pathlib import Path

import fsspec
import pytest

from resources.credentials import HIDDEN, has_credentials, redact

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
    f"https://me@corp.com:{SECRET}@host/in",
    f"sftp://me@corp.com:{SECRET.replace('/', '')}@host/in",
    f"ftp://me%40corp.com:{SECRET}@host/in",
    f"sftp://me%3A{SECRET}@host/in",
    f"s3:/key:{SECRET}@bucket/in",
    f"s3://key:/{SECRET}@bucket/in",
    f"s3://key::{SECRET}@bucket",
    f"https:////me:{SECRET}@host",
    f"https://[::1]:{SECRET}@host",
    f"arrow_hdfs://me:{SECRET}@host",
    f"git+https://{SECRET.replace('/', '')}@host/r",
    *(
        f"https://host/in?{name}={SECRET}"
        for name in (
            "subscriptionkey",
            "authkey",
            "master-key",
            "x-functions-key",
            "pw",
            "DbPwd",
            "cred",
            "creds",
            "psk",
            "hmac",
            "assertion",
            "ticket",
            "a[token]",
            "id_token",
            "sasToken",
            "clientSecret",
            "p%61ssword",
            "secret_1",
            "jsessionid",
        )
    ),
    f"github://me:ghp_{SECRET.replace('/', '')}@owner/repository",
    f"hf://hf_{SECRET.replace('/', '')[:18]}@datasets/o/n",
    f"https://host/in/sk-ant-api03-{SECRET.replace('/', '')[:18]}",
    f"Server=h;User Id=me;Pwd={SECRET};",
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
    *(
        "C:\\me@company\\in",
        "C:/me@company/in",
        "file:///me@company/in",
        "file:/me@company/in",
        "/srv/me@company.com/in",
    ),
    *("dbfs:/me@company.com/in", "memory://a@b/in", "az://container@account/in", "s3:///me@x/in", "box:/me@company/in"),
    *("zip://me@x.jsonl::file:///srv/a.zip", "zip://x.jsonl::file:///srv/me@corp/a.zip", "tar://a@b::/srv/a:b@c.tar"),
    *("https://[::1]:8080/a@b", "https://host:8080?mail=me@x.com", "https://medium.com/@user/post", "mailto:me@x.com"),
    "https://host/in?country_code=de&zip_code=1&lang.code=de&sort_key=name&partition_key=name&sortKey=x&turkey=1",
    "https://host/in?tokenizer=gpt2&token_count=5&sessions=5&passed=1&signature_version=4&sacred=1&compass=n&a%20b=c%3D",
    "See https://wiki.example.com or ask bob@example.com",
    "See https://wiki.example.com:8080 or ask bob@example.com, at 5:30",
    "task-sk-learn-benchmark-2024-pairs, hf_internal_testing, risk-Aversion1234567890",
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


@pytest.mark.parametrize(
    "text",
    [
        "s3://key%3Asecret@bucket", "https://host/in?%74oken=abc", "s3://key:se cret@bucket",
        "s3:\t//key:secret@bucket",
        "s3://key%253Asecret%2540bucket",
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    "name",
    [
        "FTP_PASS",
        "DB_PWD",
        "GITHUB_PAT",
        "GCP_CREDENTIALS",
        "AWS_CREDS",
        "BASIC_AUTH",
        "SECRET_VALUE",
        "TOKEN_1",
        "X_APIKEY",
    ],
)
def test_a_variable_whose_name_says_so_has_a_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert redact(f"no login with {SECRET}") == f"no login with {HIDDEN}"
    assert has_credentials(f"loop of {SECRET}")  # as a name of an evolution


def test_what_stands_in_variables_of_other_names_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://dagster:{SECRET}@localhost/dagster")
    monkeypatch.setenv("FSSPEC_S3", f'{{"secret": "{SECRET[::-1]}"}}')
    monkeypatch.setitem(fsspec.config.conf, "https", {"client_kwargs": {"auth": ["somebody", "correct horse"]}})
    assert redact(f"{SECRET} {SECRET[::-1]} correct horse") == f"{HIDDEN} {HIDDEN} {HIDDEN}"
    assert redact("postgresql and dagster are on") == "postgresql and dagster are on"


def test_what_a_variable_says_otherwise_is_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "sometimes")
    monkeypatch.setenv("SORT_KEY", "created_at")
    assert redact(f"{tmp_path} is missing sometimes") == f"{tmp_path} is missing sometimes"
    assert not has_credentials("created_at")  # too short to be no coincidence


@pytest.mark.parametrize(
    "text", ["a" * 31 + ":/", "http://", "a://b:", "ab://" + "c" * 50 + ":", "?key", "a.", "'secret'  ", "%25", "a%"]
)
def test_a_long_text_takes_a_time_linear_in_its_length(text: str) -> None:
    started = time.perf_counter()
    redact(text * (400_000 // len(text)))
    assert time.perf_counter() - started < 3
