"""An ASGI application that notes what reaches it, and requests as a server would hand them over."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Sequence[tuple[str, str]]


@dataclass
class Inner:
    """What stands behind the layer: it accepts everything."""

    reached: list[Scope] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                self.received.append(message.get("text"))
            return
        self.received.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"unsafe-url")]})
        await send({"type": "http.response.body", "body": b"inner"})


@dataclass
class Answer:
    """What the application has sent."""

    messages: list[Message]

    @property
    def status(self) -> int:
        return next((one["status"] for one in self.messages if one["type"] == "http.response.start"), 0)

    @property
    def body(self) -> str:
        return b"".join(one.get("body", b"") for one in self.messages).decode()

    @property
    def kinds(self) -> list[str]:
        return [one["type"] for one in self.messages]

    def header(self, name: str) -> list[str]:
        return [value.decode() for key, value in self.messages[0]["headers"] if key.decode().lower() == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    app: ASGIApp,
    target: str = "/",
    method: str = "GET",
    headers: Headers = (("Host", "127.0.0.1:3000"),),
    body: bytes = b"",
    websocket: Sequence[str | bytes] | None = None,
) -> Answer:
    """The answer to an HTTP request, or to the messages of a websocket."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3000),
        "http_version": "1.1",
    }
    if websocket is None:
        scope |= {"type": "http", "method": method}
        waiting: list[Message] = [
            {"type": "http.request", "body": body[:5], "more_body": True},
            {"type": "http.request", "body": body[5:], "more_body": False},
        ] if len(body) > 5 else [{"type": "http.request", "body": body}]  # fmt: skip
        waiting.append({"type": "http.disconnect"})
    else:
        scope |= {"type": "websocket", "scheme": "ws", "subprotocols": ["graphql-ws"]}
        texts = [{"text": one} if isinstance(one, str) else {"bytes": one} for one in websocket]
        waiting = [{"type": "websocket.receive", **text} for text in texts]
        waiting.append({"type": "websocket.disconnect", "code": 1000})
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Answer(sent)
