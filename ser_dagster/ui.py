"""`make ui`: the Dagster UI and its daemon on the instance that `ser` uses."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from resources.settings_file import ROOT
from ser.errors import SerError
from ser_dagster.dagster_instance import instance

SENSOR_SECONDS = "3600"
"""A large file lands inside a sensor's evaluation, and Dagster would give up waiting for it after a minute."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Replace this process by `dagster dev`; further arguments, for instance `--port 3001`, are passed on.

    It listens on this machine only, unless an argument `--host` says otherwise: the UI asks nobody who they are.
    """
    for name in ("SER_DATA", "SER_CONFIG"):  # what is relative is meant from here, as `ser` takes it
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).resolve())
    try:
        with instance():
            pass  # whatever is wrong with the settings or Dagster's configuration is said before anything starts
    except SerError as error:
        sys.exit(f"ser: {error}")
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", SENSOR_SECONDS)
    os.environ.setdefault("DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD", "60")
    command = Path(sys.executable).with_name("dagster")
    os.chdir(ROOT)
    asked = sys.argv[1:] if arguments is None else arguments
    # Of an option that is given twice, the last one counts.
    os.execv(command, [str(command), "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1", *asked])


if __name__ == "__main__":
    main()
