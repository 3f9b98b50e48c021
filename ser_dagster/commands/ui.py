"""`ser ui`: the Dagster page."""

import argparse

from ser_dagster.ui import HOST, PORT, ui


def ui_command(parsed: argparse.Namespace) -> None:
    """Open the page at the place that was asked for; it stays until it is told to end."""
    port = PORT if parsed.port is None else parsed.port
    ui(port, parsed.host or HOST, parsed.address, parsed.read_only)
