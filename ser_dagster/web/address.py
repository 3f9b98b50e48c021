"""The addresses at which a browser may find the page."""

import ipaddress
import re
import socket
from dataclasses import dataclass

from ser.errors import SerError

_NAME, _PORT = r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)", r"(?::([0-9]{1,5}))?"
_URL, _HOST = re.compile(rf"(https?)://{_NAME}{_PORT}/?"), re.compile(_NAME + _PORT)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """What stands in a browser's address bar before the path: scheme, name (IPv6 in brackets) and port."""

    scheme: str
    name: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address that a URL without a path says.

        Raises:
            SerError: it says more, or less.
        """
        matched = _URL.fullmatch(url)
        try:
            if matched is None:
                raise ValueError
            scheme, name, port = matched.groups()
            number = int(port or _DEFAULT_PORTS[scheme])
            if not 0 < number < 65536:
                raise ValueError
            return cls(scheme, _as_browsers_send(name), number)
        except ValueError as error:
            raise SerError(
                f"{url!r} is not an address of a page: scheme, name and port as a browser shows them, and no path.\n"
                "For example: --address http://box.example:3000, or https://ser.example.com behind a proxy with TLS."
            ) from error

    def __str__(self) -> str:
        """The origin, in the form in which browsers send it: without a port that is the scheme's own."""
        shown = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.name}{shown}"

    def answers_to(self, host: str) -> bool:
        """Whether a `Host` header means this address."""
        matched = _HOST.fullmatch(host)
        if matched is None:
            return False
        name, port = matched.groups()
        return (name.lower(), int(port or _DEFAULT_PORTS[self.scheme])) == (self.name, self.port)


def _as_browsers_send(name: str) -> str:
    """A name or number in the one form in which browsers send it: `[2001:db8::1]`, `127.0.0.1`, lower case.

    Raises:
        ValueError: it has the signs of an IPv6 address, and is none.
    """
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name.strip('[]'))}]"
    try:
        return socket.inet_ntoa(socket.inet_aton(name))  # which knows 127.1 too
    except OSError:
        return name.lower()


def local_address(host: str, port: int) -> Address:
    """What a browser on this machine opens when a server listens on `host`.

    Raises:
        SerError: nothing can listen there.
    """
    try:
        name = _as_browsers_send(host)
    except ValueError as error:
        raise SerError(f"{host!r} is no name or number of this machine. Try: ser ui") from error
    return Address("http", {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name), port)


def own_addresses(host: str, port: int) -> list[Address]:
    """The addresses that a server has although nobody has named them: this machine's, and what it listens on."""
    return [local_address(name, port) for name in ("127.0.0.1", "localhost", "::1", host)]
