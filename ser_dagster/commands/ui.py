"""`ser ui`: the Dagster page."""

import argparse

from ser_dagster.ui import main


def ui_command(parsed: argparse.Namespace) -> None:
    """Open the page at the place that was asked for; it stays until it is told to end."""
    asked = (("--port", parsed.port), ("--host", parsed.host))
    main([word for option, value in asked if value is not None for word in (option, str(value))])
