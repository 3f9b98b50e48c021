"""A model's tokenizer and chat template are tried in a process with limits, before this one uses them.

A template is a program, and a tokenizer has patterns: both may never end, or eat the memory of a machine.
"""

import json
import signal
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from ser.errors import SerError
from ser.models.model_config import read_config
from ser.python_process import module_command, module_environment

SECONDS = 20
"""Of processor time, after the imports. The tokenizers and templates that people publish take one or two."""

MEMORY = 850 * 2**20
"""Bytes of data of the process. The largest published tokenizers, of 256,000 tokens and 40 MB, take 700 MB."""

_WALL_SECONDS = 600


def probe(folder: Path) -> None:
    """Let another process read a model folder's tokenizer, and some conversations and texts with it.

    A process does this once while the files of the folder keep their sizes and times.

    Raises:
        SerError: the folder is not a plain model folder, or its tokenizer or chat template fails, takes too long or
            too much memory, or loses what it is given.
    """
    read_config(folder)
    files = sorted(path for path in (*folder.glob("*"), *(folder / "chat_templates").glob("*")) if path.is_file())
    _probe(folder, tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=64)
def _probe(folder: Path, marks: Any) -> None:
    environment = module_environment(TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    command = module_command("ser.models.probe_process", str(folder.absolute()), str(SECONDS), str(MEMORY))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        late = False
        try:
            out, _ = process.communicate(timeout=_WALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            late = True
            out, _ = process.communicate()
        except BaseException:
            process.kill()  # whoever waits no longer, nobody needs the answer
            raise
    said = [json.loads(line) for line in out.splitlines()]
    last = said[-1] if said else {"step": "starting a process for it"}
    if "error" in last:
        raise SerError(last["error"] if str(folder) in last["error"] else f"{folder}: {last['error']}")
    if "fine" not in last or process.returncode != 0:
        raise SerError(
            f"{folder}: {last.get('step')} {_how(process.returncode, late)}.\n"
            "Mend tokenizer.json or chat_template in the folder, or use another backbone."
        )


def _how(code: int, late: bool) -> str:
    if late:
        return f"did not end within {_WALL_SECONDS} seconds, on a machine that had little time for it"
    if -code == signal.SIGXCPU:
        return f"did not end within {SECONDS} seconds"
    if -code == signal.SIGKILL:
        return "was killed: the machine has too little memory, or somebody ended it"
    if -code in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        return f"crashed, or took more than {MEMORY // 2**20} MB of memory"
    return f"ended with {code}"
