"""Logins of addresses: `user:password@` and `token@` are credentials, `user@` where users have names is none."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

_WEB = "(?:https?|ftps?|wss?)"
_BEGIN = (
    rf"(?<![a-z0-9+._-])(?:{_WEB}:[/\\]{{2,}}+|[a-z0-9+._-]{{2,}}+:[/\\]{{2}}(?![/\\])"
    r"|(?<![/\\:@])[a-z0-9+._-]{2,}+:[/\\](?![/\\]))"
)
"""An address has two slashes, or any number on the web, where browsers take it so; of a path of Python's it is one."""
_ADDRESS = re.compile(rf"(?P<begin>{_BEGIN})(?P<rest>(?:(?!{_BEGIN})\S)*+)", re.I)
_AUTHORITY_ENDS = re.compile(r"[/\\?#]")
_NUMBER = re.compile(r"\[[^\]]*\]")
"""An IPv6 address, whose colons are not those of a login."""
_PORT = re.compile(r"\d{1,5}")

_WITHOUT_LOGINS = ("github", "git", "file", "local", "zip", "tar", "libarchive", "dbfs", "reference")
"""Schemes of fsspec for files and archives, and those that write owner and repository, or path and branch, there."""
_WITH_NAMES = (
    *("abfs", "abfss", "adl", "az", "wasb", "wasbs", "hf", "sftp", "ssh", "ftp", "ftps", "smb", "nfs"),
    *("hdfs", "webhdfs", "webdav", "webdavs", "memory", "postgresql", "postgres", "mysql"),
)
"""Schemes in which a user, a container or a model without a password is no credential; elsewhere it is a token."""
_BUCKETS = ("s3", "s3a", "s3n", "gs", "gcs", "oss")
"""Schemes whose addresses have no ports: what looks like one is the beginning of a key."""


def logins(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text the logins of addresses begin and end that are credentials."""
    for address in _ADDRESS.finditer(text):
        scheme, _, slashes = address["begin"].lower().partition(":")
        login = _login(scheme, address["rest"])
        if ":" in unquote(login) or (login and (len(slashes) > 1 or re.fullmatch(_WEB, scheme))):
            start = address.start("rest")
            yield start, start + len(login)


def _login(scheme: str, rest: str) -> str:
    """What stands before the `@` of an address, if it is a credential; else nothing.

    Keys of object stores contain `/` and `@`, so that a password ends with the last `@` of all.
    """
    authority = _AUTHORITY_ENDS.split(rest, maxsplit=1)[0]
    login, _, host = authority.rpartition("@")
    if scheme in _WITHOUT_LOGINS:
        return ""
    if ":" in unquote(login) or ("@" in rest[len(authority) :] and _begins_password(scheme, host)):
        return rest.rpartition("@")[0]
    return "" if any(part in _WITH_NAMES for part in scheme.split("+")) else login


def _begins_password(scheme: str, host: str) -> bool:
    """Whether what stands where a host should has a colon with no port behind it, since a password has a `/`."""
    _, colon, number = _NUMBER.sub("", host).partition(":")
    return bool(colon) and (scheme in _BUCKETS or not _PORT.fullmatch(number))
