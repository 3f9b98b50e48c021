"""A stage as a job: which stage, what it is told, what it reads, where it writes, and how it is run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from ser import stages
from ser.errors import SerError
from ser.progress import Progress
from ser.specs import HERE, Execution, ModelSpec, Spec


class Inputs(BaseModel):
    """Base of what a stage reads: files and folders by name; an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Summary(BaseModel):
    """Base of what a stage says of its work: `summary.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _JobFile(BaseModel):
    """A job as its file says it, before the stage's own types are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    spec: dict[str, Any]
    inputs: dict[str, Any]
    out: Path
    execution: Execution = HERE
    parent: int | None = None
    share: tuple[int, int] | None = None


@dataclass(frozen=True)
class Job:
    """One stage to be run.

    Attributes:
        parent: the process whose end ends it, when it is run by one of its own.
        share: (rank, world) of a process that makes its slices and no result; None makes the rest, and the result.
    """

    stage: str
    spec: Spec
    inputs: Inputs
    out: Path
    execution: Execution = HERE
    parent: int | None = None
    share: tuple[int, int] | None = None

    @classmethod
    def of(cls, stage: str, spec: Spec, inputs: Mapping[str, Any], out: Path, execution: Execution = HERE) -> "Job":
        """A job from named paths.

        Raises:
            SerError: the stage does not read what is given, or reads more.
        """
        return cls(stage, spec, _checked(stage, "inputs", dict(inputs)), out, execution)

    @classmethod
    def read(cls, path: Path) -> "Job":
        """The job in a JSON file: `stage`, `spec`, `inputs`, `out`, and if need be `execution`, `parent`, `share`.

        Raises:
            SerError: it cannot be read, there is no such stage, or the stage knows no such spec or inputs.
        """
        try:
            file = _JobFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise SerError(f"{path} cannot be read: {error.strerror}.\nName the JSON file of a job.") from error
        except ValueError as error:
            raise SerError(f"{path} is no job: {_first(error)}.\nIt needs stage, spec, inputs and out.") from error
        if file.stage not in NAMES:
            raise SerError(f"{path}: there is no stage {file.stage!r}.\nThe stages are {', '.join(NAMES)}.")
        if file.share is not None and (
            not hasattr(_module(file.stage), "fill") or not 0 <= file.share[0] < file.share[1]
        ):
            raise SerError(
                f"{path}: stage {file.stage} has no share {file.share}.\nLeave `share` out, or name rank < world."
            )
        spec, inputs = (_checked(file.stage, part, getattr(file, part)) for part in ("spec", "inputs"))
        return cls(file.stage, spec, inputs, file.out, file.execution, file.parent, file.share)

    def run(self, progress: Progress) -> dict[str, Any]:
        """Run the stage, or this share of it, in this process and return its summary; torch is imported now."""
        if isinstance(self.spec, ModelSpec):
            import torch

            torch.set_num_threads(self.execution.threads)
        how = (self.spec, self.inputs, self.out, progress, self.execution)
        if self.share is not None:
            rank, world = self.share
            _module(self.stage).fill(*how, rank, world)
            return {"rank": rank, "world": world}
        summary: Summary = _module(self.stage).run(*how)
        return summary.model_dump(exclude_unset=True)


NAMES = sorted(module.name for module in iter_modules(stages.__path__) if module.name not in ("job", "__main__"))


def module_of(stage: str) -> str:
    """The module of a stage."""
    return f"{stages.__name__}.{stage}"


def _module(stage: str) -> Any:
    return import_module(module_of(stage))


def _checked(stage: str, part: str, values: dict[str, Any]) -> Any:
    """`values` as the stage's own type of spec or inputs, which its `run` names."""
    kind = get_type_hints(_module(stage).run)[part]
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        known = ", ".join(kind.model_fields) or "nothing"
        raise SerError(f"stage {stage}: impossible {part}: {_first(error)}.\nIt takes {known}.") from error


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
