"""Stage: pass the encoded pairs of one role once through the frozen trunk."""

import shutil
from pathlib import Path

from ser.data.encoded import ENCODED_NAME, count_encoded
from ser.kept import keep_as, put_in_place
from ser.progress import Progress
from ser.specs import HERE, Execution, Lora, ModelSpec
from ser.stages.job import Inputs, Summary


class TrunkSpec(ModelSpec):
    """What the states depend on besides the tokens and the backbone."""

    top: float
    keep_states: bool = True
    """Without the states, every stage passes the tokens through the trunk again."""


class TrunkInputs(Inputs):
    """A folder with tokens, and the model folder."""

    encoded: Path
    backbone: Path


class TrunkSummary(Summary):
    """How many pairs passed."""

    pairs: int


def run(
    spec: TrunkSpec, inputs: TrunkInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> TrunkSummary:
    """Write the states of `inputs.encoded` (a folder with the tokens) over `inputs.backbone` into `out`."""
    from ser.models.reward_model import RewardModel
    from ser.models.states import write_states

    whole = keep_as(out, ENCODED_NAME)
    shutil.copyfile(inputs.encoded / ENCODED_NAME, whole)
    put_in_place(whole, out / ENCODED_NAME)
    if spec.keep_states:
        model = RewardModel.new(inputs.backbone, Lora(top=spec.top), spec.arithmetic, random_seed=0).eval()
        write_states(model, out, progress)
    return TrunkSummary(pairs=count_encoded(out))
