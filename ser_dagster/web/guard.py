"""The layer before Dagster's web server: an ASGI application that refuses what it does not know to be harmless."""

import hmac
import html
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from ser_dagster.web.address import Address
from ser_dagster.web.operations import POLICY_VIOLATION, require_query, subscriptions_only
from ser_dagster.web.rules import (
    GRAPHQL,
    READING,
    REPORTS,
    RefusedError,
    find_address,
    is_foreign,
    require_known_form,
    require_own_origin,
)

UNKNOWN = (
    "This page opens with the address that `ser ui` has printed; `ser ui` in another terminal prints it again. "
    "Programs send Authorization: Bearer TOKEN."
)
DAYS = 30
"""How long a browser keeps the token."""
SAFE_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
GO_ON = """<!doctype html>
<meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>Dagster</title>
<p>{line} <a href="{url}">Go on</a></p>
"""
"""Sends a browser on. It does not send a strict cookie along with a redirect when another page has led it here."""


class PageGuard:
    """Passes to an application what comes from its own page, or a program, with the token."""

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        own: Sequence[Address],
        named: Sequence[Address] = (),
        read_only: bool = False,
    ) -> None:
        """Guard an application.

        Args:
            app: what answers if the layer has nothing against it.
            token: what a browser or a program must have.
            own: the addresses that the page has on this machine.
            named: the addresses at which it is opened beside those.
            read_only: whether to refuse whatever would change something.
        """
        self._app = app
        self._token = token
        self._named = named
        self._addresses = (*named, *own)
        self._read_only = read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _with_safe_headers(send)
        try:
            answer = self._answer(HTTPConnection(scope))
            if answer is None:
                receive = await self._checked(scope, receive, send)
        except RefusedError as refused:
            answer = PlainTextResponse(f"{refused}\n", refused.status)
        if answer is None:
            if scope["path"] == GRAPHQL:
                scope = {**scope, "query_string": b""}  # what GraphQL asks for is in a body, never in a URL
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)  # before it is accepted: 403
        else:
            await answer(scope, receive, send)

    def _answer(self, connection: HTTPConnection) -> Response | None:
        """The answer of the layer itself; None for what has the token, and so is the application's to answer.

        Raises:
            RefusedError: it may not pass, whatever it has.
        """
        address = find_address(connection, self._addresses)
        require_own_origin(connection, address, self._named)
        if connection.scope["type"] == "http":
            require_known_form(connection)
        elif connection.scope["path"] != GRAPHQL:
            raise RefusedError(403, "There is no websocket here.")
        if self._bearer(connection):
            return None
        known = self._cookie(connection, address)
        tokens, _ = _query(connection)
        if connection.scope.get("method") == "GET" and tokens and (known or _same(tokens[0], self._token)):
            return self._opened(connection, address)
        if not known:
            return _unknown(connection)
        if connection.scope.get("method") not in READING and "origin" not in connection.headers:
            raise RefusedError(403, "A browser says which page asks. Programs send Authorization: Bearer TOKEN.")
        return None

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """What receives the rest of a request, as far as it may say anything.

        Raises:
            RefusedError: it may not.
        """
        if scope["type"] == "websocket":
            return subscriptions_only(receive, send)
        if not self._read_only or scope["method"] in READING:
            return receive
        if scope["path"].startswith(REPORTS):
            raise RefusedError(403, "This page is for reading: it takes no reports of assets.")
        return await require_query(receive)

    def _bearer(self, connection: HTTPConnection) -> bool:
        return _same(connection.headers.get("authorization", ""), f"Bearer {self._token}")

    def _cookie(self, connection: HTTPConnection, address: Address) -> bool:
        """Whether a cookie has the token; another one of the same name may come from another port of this machine."""
        wanted = f"{cookie_name(address)}={self._token}"
        sent = ";".join(connection.headers.getlist("cookie")).split(";")
        return any(_same(cookie.strip(), wanted) for cookie in sent)

    def _opened(self, connection: HTTPConnection, address: Address) -> Response:
        """Let the browser keep the token as a cookie, and go on to the same page without it in the URL."""
        response = _go_on(connection, "Welcome.", 200)
        response.set_cookie(
            cookie_name(address),
            self._token,
            max_age=DAYS * 24 * 3600,
            secure=address.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response


def cookie_name(address: Address) -> str:
    """A name for each port: browsers keep the cookies of all ports of a name together."""
    return f"ser-ui-{address.port}"


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that does not say where two texts differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _unknown(connection: HTTPConnection) -> Response:
    """401. A visit that another page has led here comes once more, from this page: then its cookie is sent along."""
    if is_foreign(connection):
        return _go_on(connection, UNKNOWN, 401)
    return PlainTextResponse(f"{UNKNOWN}\n", 401, {"WWW-Authenticate": "Bearer"})


def _go_on(connection: HTTPConnection, line: str, status: int) -> Response:
    path = quote(connection.scope["raw_path"].lstrip(b"/"), safe="/%:@!$&'()*+,;=~")  # `//` would be another host
    _, query = _query(connection)
    rest = quote(query, safe="/%:@!$&'()*+,;=~?")
    url = html.escape(f"/{path}?{rest}" if rest else f"/{path}")
    return HTMLResponse(GO_ON.format(url=url, line=html.escape(line)), status, {"Cache-Control": "no-store"})


def _query(connection: HTTPConnection) -> tuple[list[str], str]:
    """The tokens in a URL, and its query without them."""
    parts = connection.scope["query_string"].decode("latin-1").split("&")
    tokens = [part.removeprefix("token=") for part in parts if part.startswith("token=")]
    return tokens, "&".join(part for part in parts if not part.startswith("token="))


def _with_safe_headers(send: Send) -> Send:
    """Add the headers that keep other pages from framing, opening or embedding what is sent."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers.update(SAFE_HEADERS)
            headers.append("Content-Security-Policy", "frame-ancestors 'self'")  # beside a policy of Dagster's
            headers.setdefault("Cache-Control", "private, no-cache")
        await send(message)

    return send_safely
