"""Both sides of `bench.graph`.

python -m bench.graph_sides land|run|plain FOLDER
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.graph import calls_file, read_calls
from ser.progress import Progress, silent
from ser.stages.job import Job


def land() -> None:
    """Land the sample."""
    from resources.landing.zone import Landing
    from resources.settings_file import ROOT, data_root, load_settings

    Landing(data_root(), load_settings()).land([ROOT / "data" / "sample" / "pairs.jsonl"], "sample")


def run(folder: Path) -> None:
    """`ser run --no-policy`, with a note of every stage that it calls."""
    from resources import evolution
    from resources.launchers import in_process
    from ser_dagster.commands.run import run

    calls: list[dict[str, Any]] = []

    def noting(job: Job, progress: Progress) -> dict[str, Any]:
        told = {"spec": job.spec.model_dump(), "inputs": job.inputs.model_dump(mode="json")}
        calls.append({"stage": job.stage, "execution": job.execution.model_dump()} | told)
        return in_process(job, progress)

    evolution.in_process = noting
    run("sample", policy=False)
    calls_file(folder).write_text(json.dumps(calls))


def plain(folder: Path) -> None:
    """The same stages on the same inputs, and nothing else."""
    for number, call in enumerate(read_calls(folder)):
        out, file = folder / "plain" / str(number), folder / "job.json"
        out.mkdir(parents=True)
        file.write_text(json.dumps(call | {"out": str(out)}))
        Job.read(file).run(silent)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    {"land": land, "run": lambda: run(where), "plain": lambda: plain(where)}[what]()
    sys.stdout.flush()
    os._exit(0)  # as `ser` ends, without the teardown of DuckDB's bindings
