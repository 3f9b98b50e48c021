"""Both sides of `bench.graph`.

python -m bench.graph_sides land|run|plain FOLDER
"""

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.graph import calls_file, read_calls


def land() -> None:
    """Land the sample."""
    from resources.landing.zone import Landing
    from resources.settings import ROOT, data_root, load_settings

    Landing(data_root(), load_settings()).land([ROOT / "data" / "sample" / "pairs.jsonl"], "sample")


def run(folder: Path) -> None:
    """`ser run --no-policy`, with a note of every stage that it calls."""
    from resources import evolution
    from resources.launchers import in_process
    from ser_dagster.commands.run import run

    calls: list[dict[str, Any]] = []

    def noting(
        module: str, spec: Any, inputs: Mapping[str, Any], out: Path, progress: Any, **how: Any
    ) -> dict[str, Any]:
        texts = {
            name: [str(one) for one in part] if isinstance(part, list) else str(part) for name, part in inputs.items()
        }
        calls.append({"module": module, "kind": type(spec).__name__, "spec": spec.model_dump(), "inputs": texts})
        return in_process(module, spec, inputs, out, progress, **how)

    evolution.in_process = noting
    run("sample", policy=False)
    calls_file(folder).write_text(json.dumps(calls))


def plain(folder: Path) -> None:
    """The same stages on the same inputs, and nothing else."""
    from ser.progress import silent
    from ser.stages import specs

    for number, call in enumerate(read_calls(folder)):
        out = folder / "plain" / str(number)
        out.mkdir(parents=True)
        spec = getattr(specs, call["kind"]).model_validate(call["spec"])
        inputs = {
            name: [Path(one) for one in part] if isinstance(part, list) else Path(part)
            for name, part in call["inputs"].items()
        }
        import_module(call["module"]).run(spec, inputs, out, silent)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    {"land": land, "run": lambda: run(where), "plain": lambda: plain(where)}[what]()
    sys.stdout.flush()
    os._exit(0)  # as `ser` ends, without the teardown of DuckDB's bindings
