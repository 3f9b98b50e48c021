"""What runs a stage: this process; later others, and other machines, by `python -m ser.stages JOB.json`."""

from collections.abc import Callable
from typing import Any

from resources.machine import processor_name
from ser.progress import Progress
from ser.specs import ModelSpec, Spec
from ser.stages.job import Job

Launcher = Callable[[Job, Progress], dict[str, Any]]
"""Runs a job and returns the summary of its stage."""


def in_process(job: Job, progress: Progress) -> dict[str, Any]:
    """Run the stage here."""
    return job.run(progress)


def device_names(spec: Spec) -> list[str]:
    """The devices that a stage with this spec computes on here, as their makers call them."""
    if isinstance(spec, ModelSpec) and spec.arithmetic.device == "cuda":
        import torch

        return [torch.cuda.get_device_name()]  # this launcher computes on the current one alone
    return [processor_name()]
