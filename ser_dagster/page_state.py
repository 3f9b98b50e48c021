"""What the processes of the Dagster page answer when they are asked how they are."""

import json
import textwrap
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from ser_dagster.web.address import Address

PATIENCE = 1.0
"""Seconds to wait for an answer; whoever asks asks again."""

LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on PythonError { message cause { message } }
} } } } }"""


def code_server_answers(socket: Path) -> bool | None:
    """True when the code server has loaded the graph, or knows why it cannot; else None."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        try:
            HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=PATIENCE)
        except grpc.RpcError:
            return None
    return True


def page_answers(address: Address, token: str) -> bool | None:
    """True when the web server answers, else None."""
    return None if _answer(address, token, "GET", "/server_info") is None else True


def load_problem(address: Address, token: str) -> str | None:
    """Why the graph does not load, in one line; "" if it does, None if the web server does not answer."""
    answer = _answer(address, token, "POST", "/graphql", {"query": LOCATIONS})
    if answer is None:
        return None
    (entry,) = answer["data"]["workspaceOrError"]["locationEntries"]
    error = entry["locationOrLoadError"] or {}
    if not error:
        return ""
    message = (error["cause"] or error)["message"].removeprefix("ser.errors.SerError: ").strip()
    return textwrap.shorten(message.partition("\n")[0], 300, placeholder=" ...")


def _answer(address: Address, token: str, method: str, path: str, body: Any = None) -> Any:
    """The web server's answer, or None. No proxy is asked, as urllib would: it is on this machine."""
    connection = HTTPConnection(address.name.strip("[]"), address.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request(method, path, json.dumps(body), headers)
        return json.load(connection.getresponse())
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
