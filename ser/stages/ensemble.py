"""Stage: the members of an ensemble as one model folder."""

import json
import shutil
from pathlib import Path
from statistics import fmean

from ser.progress import Progress
from ser.specs import HERE, Execution, Spec
from ser.stages.job import Inputs, Summary


class EnsembleSpec(Spec):
    """Nothing to choose: how members are put together is a question of their scores (`ser.method.ensemble`)."""


class EnsembleInputs(Inputs):
    """The folders of the members, and the summaries of their trainings in the same order."""

    members: list[Path]
    summaries: list[Path]


class EnsembleSummary(Summary):
    """Of the members: the most labels of each kind that one learnt from, all their steps, their mean losses."""

    n_human: int
    n_pseudo: int
    random_seed: int
    members: int
    steps: int
    first_loss: float
    last_loss: float


def run(
    spec: EnsembleSpec, inputs: EnsembleInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> EnsembleSummary:
    """Write `rm/member_0`, `rm/member_1` …"""
    for number, member in enumerate(inputs.members):
        shutil.copytree(member, out / "rm" / f"member_{number}", dirs_exist_ok=True)
    trainings = [json.loads(path.read_text()) for path in inputs.summaries]
    return EnsembleSummary(
        n_human=max(one["n_human"] for one in trainings),
        n_pseudo=max(one["n_pseudo"] for one in trainings),
        random_seed=trainings[0]["random_seed"],
        members=len(trainings),
        steps=sum(one["steps"] for one in trainings),
        first_loss=fmean(one["first_loss"] for one in trainings),
        last_loss=fmean(one["last_loss"] for one in trainings),
    )
