"""Credentials in texts: found, so that settings with any are refused, and hidden from all that is recorded or shown."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
"""What stands where a credential stood."""

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}):[/\\]{1,3}(?P<user>[^\s/\\?#@:]{0,2000}+)"
    r"(?:@|:(?!:)(?P<password>(?:(?:[^\s@:]{1,2000}+|:(?!//)){0,50}+@){1,9}))",
    re.I,
)
"""Scheme, user and password of an address. Keys of object stores contain `/`, so that it may stand in a password."""
_NO_SECRET = ("github", "git")
"""Schemes of fsspec that write owner and repository, or path and branch, where others have user and password."""
_NAMED_USERS = (
    *("abfs", "abfss", "wasb", "wasbs", "hf", "sftp", "ssh", "git+ssh", "ftp", "ftps", "smb", "hdfs", "webhdfs"),
    *("postgres", "postgresql", "postgresql+psycopg2", "mysql"),
)
"""Schemes in which a user, a container or a model without a password is no credential; elsewhere it is a token."""
_BUCKETS = ("s3", "s3a", "s3n", "gs", "gcs", "oss")
"""Schemes whose addresses have no ports: what looks like one is the beginning of a key."""
_PORT = re.compile(r"\d{1,5}/")

_SECRET = (
    r"secret|passw|passphrase|credential|signature|authoriz|jwt|sas_?token|(?:auth|access|refresh|security|private)[_-]?token"
    r"|(?:api|access|account|shared|private)[_-]?key"
)
_PARAMETER = re.compile(
    rf"(?P<before>[?&;#](?:[\w.-]{{0,64}}(?:{_SECRET}|token(?!s)|oauth|session|pwd)[\w.-]{{0,64}}"
    r"|(?:[\w.-]{0,64}[._-])?(?:key|sig|sas|auth|pass|code))=)[^\s&#;'\"<>]+",
    re.I,
)
"""A parameter of an address that says a credential, by its name."""
_PAIR = re.compile(
    rf"(?P<before>(?<![\w.?&;#-])(?P<mark>['\"]?)(?:token|(?:set-)?cookie|[\w.-]{{0,64}}(?:{_SECRET})[\w.-]{{0,64}})(?P=mark)"
    r"(?:=|(?<=['\"])\s{0,9}:\s{0,9}))(?:'[^']+'|\"[^\"]+\"|[^\s,;&'\"<>)}\]]+)",
    re.I,
)
"""What a connection string, a call or a dictionary says under such a name."""
_HEADER = re.compile(
    r"(?P<before>\bauthorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?(?:\w{1,20}\s+)?|\bbearer\s+(?=\S{16}))[\w.~+/=-]+", re.I
)
"""What a request says of who it is from."""

_VARIABLE = re.compile(r"(token|secret|passw(or)?d|passphrase|key|sas|sig|authorization|connection_string)$", re.I)
_LEAST = 8
"""Characters: a shorter value would also stand where it means something else."""


def has_credentials(address: str) -> bool:
    """Whether a setting has a password, a key or a token in it, be it written plainly or with %-signs."""
    return any(_hide(text) != text for text in (address, unquote(address), "".join(address.split())))


def redact(text: str) -> str:
    """The text, with `***` for credentials of addresses, connection strings and headers, and for those known here.

    Known are the values of this process's environment variables and of fsspec's configuration whose names say that
    they are secret.
    """
    for secret in sorted(set(_known()), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _hide(text)


def _hide(text: str) -> str:
    text = _ADDRESS.sub(_hide_user, text)
    for pattern in (_PARAMETER, _PAIR, _HEADER):
        text = pattern.sub(rf"\g<before>{HIDDEN}", text)
    return text


def _hide_user(address: re.Match[str]) -> str:
    scheme, user, password = address["scheme"].lower(), address["user"], address["password"]
    is_port = password is not None and scheme not in _BUCKETS and _PORT.match(password)
    is_name = password is None and (scheme in _NAMED_USERS or not user)
    if is_port or is_name or scheme in _NO_SECRET or user == HIDDEN:
        return address[0]
    return f"{address['scheme']}://{HIDDEN}@"


def _known() -> Iterator[str]:
    """The secrets that this process was given, as they stand there and as an address writes them."""
    fsspec = sys.modules.get("fsspec.config")  # what was not imported has told nobody anything
    for value in (*_secrets(os.environ), *_secrets(getattr(fsspec, "conf", {}))):
        yield value
        yield quote(value, safe="")


def _secrets(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, str) and len(value) >= _LEAST and _VARIABLE.search(name):
            yield value
