"""What GraphQL requests ask for: only what belongs to the way on which they come is passed on."""

import json
from typing import Any

from graphql import GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse
from starlette.types import Message, Receive, Send

from ser_dagster.web.rules import RefusedError

LONGEST = 1_000_000
"""Bytes of a query; Dagster's own are a hundredth of it."""
MOST_TOKENS = 5_000
"""Names and signs of a query; the largest of Dagster's own page has about 700."""
POLICY_VIOLATION = 1008


async def require_query(receive: Receive) -> Receive:
    """Read a whole request, and return what gives it again.

    Raises:
        RefusedError: it is not a GraphQL request that only reads.
    """
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST:
            raise RefusedError(413, f"A query has at most {LONGEST:,} bytes.")
    if not _asks_only(_said(body), OperationType.QUERY):
        raise RefusedError(
            403, f"This page is for reading: it takes GraphQL queries of up to {MOST_TOKENS:,} tokens, no more."
        )
    again: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return again.pop() if again else await receive()

    return receive_again


def subscriptions_only(receive: Receive, send: Send) -> Receive:
    """What receives a websocket's messages, and ends it with the first that is more than a subscription."""

    async def receive_checked() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and not _subscribes(message.get("text")):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "subscriptions only"})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return message

    return receive_checked


def _subscribes(text: str | None) -> bool:
    if not text or len(text) > LONGEST:
        return False
    said = _said(text)
    if said.get("type") == "start":
        return _asks_only(said.get("payload"), OperationType.SUBSCRIPTION)
    return said.get("type") in ("connection_init", "connection_terminate", "stop")


def _said(text: str | bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _asks_only(request: Any, kind: OperationType) -> bool:
    """Whether all operations of a GraphQL request are of one kind; what is no GraphQL, or too long, is of none."""
    try:
        document = parse(request["query"], no_location=True, max_tokens=MOST_TOKENS)
    except (GraphQLSyntaxError, RecursionError, TypeError, KeyError):
        return False
    found = {part.operation for part in document.definitions if isinstance(part, OperationDefinitionNode)}
    return found == {kind}
