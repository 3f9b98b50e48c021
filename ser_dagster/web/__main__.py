"""`python -m ser_dagster.web`: serve Dagster's page behind the layer; `UI_TOKEN` has the token."""

import argparse
import os
import sys

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
from dagster_webserver.version import __version__

from resources.redacted_errors import redact_logs
from ser.errors import SerError
from ser_dagster.web.address import Address, own_addresses
from ser_dagster.web.guard import PageGuard
from ser_dagster.web.operations import LONGEST
from ser_dagster.web.tokens import TOKEN

POLL_MILLISECONDS = 2000
"""How often the page asks for what is new, as `dagster-webserver` lets it."""


def main() -> None:
    """Command line."""
    redact_logs()
    parser = argparse.ArgumentParser(prog="python -m ser_dagster.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--workspace", required=True, help="the file that says where the code location is")
    parser.add_argument("--address", action="append", default=[], metavar="URL", help="at which browsers open it")
    parser.add_argument("--read-only", action="store_true", help="refuse whatever would change something")
    arguments = parser.parse_args()
    token = os.environ.pop("UI_TOKEN", "")  # so that no process that this one starts has it
    if not TOKEN.fullmatch(token):
        sys.exit("UI_TOKEN has to be at least 32 letters, digits, - or _. For example: openssl rand -hex 32")
    try:
        named = [Address.parse(url) for url in arguments.address]
        own = own_addresses(arguments.host, arguments.port)
    except SerError as error:
        sys.exit(str(error))
    configure_loggers(log_level="WARNING")
    setup_interrupt_handlers()
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(
            instance, WorkspaceFileTarget([arguments.workspace]), __version__, arguments.read_only
        ) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MILLISECONDS)
            guarded = PageGuard(app, token, own, named, arguments.read_only)
            _serve(guarded, arguments.host, arguments.port)


def _serve(app: PageGuard, host: str, port: int) -> None:
    uvicorn.run(
        app,
        host=host,
        port=port,
        http="h11",  # it passes on a target that names another host, instead of dropping the name
        proxy_headers=False,  # what X-Forwarded-… say decides nothing here
        access_log=False,  # which would have the token in its URLs
        server_header=False,
        ws_max_size=LONGEST,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
