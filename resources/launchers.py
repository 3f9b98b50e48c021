"""What runs a stage: this process, or one of its own; later other machines."""

import multiprocessing
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ser.progress import Progress, silent
from ser.specs import Execution, Spec

HERE = Execution()
Paths = Mapping[str, Path | list[Path]]


class Launcher(Protocol):
    """Runs the stage `module` on a spec and input paths, into the folder `out`, and returns its summary."""

    def __call__(self, module: str, spec: Spec, inputs: Paths, out: Path, progress: Progress) -> dict[str, Any]: ...


def in_process(
    module: str, spec: Spec, inputs: Paths, out: Path, progress: Progress, *, execution: Execution = HERE
) -> dict[str, Any]:
    """Run the stage here; torch and transformers are imported now, not before."""
    stage = import_module(module)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(execution.threads)
    return stage.run(spec, inputs, out, progress)


def in_own_process(
    module: str, spec: Spec, inputs: Paths, out: Path, progress: Progress, *, execution: Execution = HERE
) -> dict[str, Any]:
    """Run the stage in a process that ends with it, so that this one stays free of torch. It tells no progress."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return pool.submit(in_process, module, spec, inputs, out, silent, execution=execution).result()
