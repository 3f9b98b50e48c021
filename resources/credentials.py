"""Credentials in texts: found, so that settings with any are refused, and hidden from all that is recorded or shown."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from resources.logins import logins
from resources.secret_names import says_secret, variable_says_secret

HIDDEN = "***"
"""What stands where a credential stood."""

_NAME = re.compile(r"(?<![\w.%\[\]-])(?P<name>[\w.%\[\]-]++)(?:=|\\{0,9}['\"]\s{0,9}[:=]\s{0,9})")
_VALUE = re.compile(r"\\{0,9}(?:'[^']*+'?|\"[^\"]*+\"?)|[^\s,;&'\"<>)}\]]+")
"""What a connection string, a call or a dictionary says under a name."""
_VALUE_IN_ADDRESS = re.compile(r"[^\s&#;'\"<>]+")
_HEADER = re.compile(
    r"(?:\bauthorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?(?:\w{1,20}\s+)?|\bbearer\s+(?=\S{16}))(?P<secret>[\w.~+/=-]+)",
    re.I,
)
"""What a request says of who it is from."""
_TOKEN = re.compile(
    r"(?<![A-Za-z\d])(?:(?:gh[opsur]_|github_pat_|glpat-|hf_|xox[a-z]-)(?=[a-z_-]*[A-Z\d])[\w-]{16,}"
    r"|sk-(?:\w{2,8}-){0,2}(?=[a-z]*[A-Z\d])[A-Za-z\d]{16,}[\w-]*|(?:AKIA|ASIA)[A-Z\d]{16})"
)
"""What begins as the tokens of GitHub, GitLab, Hugging Face, Slack, OpenAI, Anthropic and AWS do."""
_SPACED = re.compile(r"(?<=://)[^\s/\\?#@:]+:(?!\d{1,5}\b)(?=[^\s@:/][^\s@]{0,200} )[^@]{0,1000}@")
"""A password with a space in it: in an ordinary text, something else may follow an address."""

_LEAST = 8
"""Characters of a known secret: a shorter one would also stand where it means something else."""
_SURE = 16
"""Characters of a known secret that are no coincidence, so that a setting with it is refused."""


def has_credentials(setting: str) -> bool:
    """Whether a setting has a password, a key or a token in it, be it written plainly or with %-signs."""
    joined = re.sub(r"[\t\r\n]", "", setting)  # which browsers and clients pass over
    found = any(_hide(text) != text for text in (setting, joined)) or _SPACED.search(joined)
    return bool(found) or any(secret in setting for secret in _known() if len(secret) >= _SURE)


def redact(text: str) -> str:
    """The text, with `***` for credentials of addresses, connection strings and headers, and for those known here.

    Known are the values of this process's environment variables and of fsspec's configuration whose names say that
    they are secret, and the credentials that stand in any other of them.
    """
    for secret in sorted(set(_known()), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _hide(text)


def _hide(text: str) -> str:
    pieces, done = [], 0
    for start, end in sorted(_places(text)):
        if start >= done:
            pieces += [text[done:start], HIDDEN]
        done = max(done, end)
    return re.sub(r"\S++", _hide_quoted, "".join([*pieces, text[done:]]))


def _hide_quoted(word: re.Match[str]) -> str:
    """A word as it is, or nothing of it if its %-signs stand for a credential."""
    if "%" not in word[0]:
        return word[0]
    plain = unquote(unquote(unquote(word[0])))
    return HIDDEN if any(plain[start:end] != HIDDEN for start, end in _places(plain)) else word[0]


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where credentials begin and end, in any order."""
    yield from logins(text)
    for name in _NAME.finditer(text):
        in_address = name.start() > 0 and text[name.start() - 1] in "?&;#"
        if says_secret(name["name"], in_address):
            value = (_VALUE_IN_ADDRESS if in_address else _VALUE).match(text, name.end())
            if value:
                yield value.span()
    for header in _HEADER.finditer(text):
        yield header.span("secret")
    for token in _TOKEN.finditer(text):
        yield token.span()


def _known() -> Iterator[str]:
    """The secrets that this process was given, as they stand there and as an address writes them."""
    fsspec = sys.modules.get("fsspec.config")  # what was not imported has told nobody anything
    for name, value in (*os.environ.items(), *_texts(getattr(fsspec, "conf", {}))):
        for secret in _secrets(name, value):
            if len(secret) >= _LEAST:
                yield secret
                yield quote(secret, safe="")


def _texts(values: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration, with the name of what it belongs to."""
    if isinstance(values, str):
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _texts(value, str(key))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value, name)


@lru_cache(maxsize=1024)
def _secrets(name: str, value: str) -> tuple[str, ...]:
    """What is secret in a variable: all of it (unless it names a file), or credentials that stand in it."""
    if variable_says_secret(name) and not os.path.exists(value):  # noqa: PTH110 - it may be any text
        return (value,)
    found = [value[start:end].strip("\\'\"") for start, end in _places(value)]
    pairs = [secret.partition(":") for secret in found]  # a login's password is a secret by itself
    return (*found, *(password for user, _, password in pairs if password != user))
