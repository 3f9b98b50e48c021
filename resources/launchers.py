"""What runs a stage: in this process; later on other machines."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ser.progress import Progress
from ser.specs import Spec

Paths = Mapping[str, Path | list[Path]]


class Launcher(Protocol):
    """Runs the stage `module` on a spec and input paths, into the folder `out`, and returns its summary."""

    def __call__(self, module: str, spec: Spec, inputs: Paths, out: Path, progress: Progress) -> dict[str, Any]: ...


def in_process(module: str, spec: Spec, inputs: Paths, out: Path, progress: Progress) -> dict[str, Any]:
    """Run the stage here; torch and transformers are imported now, not before."""
    return import_module(module).run(spec, inputs, out, progress)
