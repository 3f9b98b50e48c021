"""How a process of this Python is started that runs one module of the project, wherever it is started from."""

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module; nothing is imported from the folder that it is started in."""
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment(**more: str) -> dict[str, str]:
    """The environment for such a process: this one's, in which the project is found, and `more`.

    Of PYTHONPATH only what is absolute stays: the rest means the current folder, or one in it, where anything may lie.
    """
    entries = [str(_ROOT), *filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entries), **more}
