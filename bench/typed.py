"""`ser` as somebody types it: in a process of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from resources.settings_file import ROOT


def ser(environment: Mapping[str, str], *words: str | Path) -> str:
    """What `ser WORDS` prints on standard output.

    Raises:
        RuntimeError: it failed.
    """
    command = [str(Path(sys.executable).with_name("ser")), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout
