"""Stage: pass the encoded pairs of one role once through the frozen trunk."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ser.data.encoded import ENCODED_NAME, count_encoded
from ser.kept import keep_as, put_in_place
from ser.models.reward_model import RewardModel
from ser.models.states import write_states
from ser.progress import Progress
from ser.specs import Lora
from ser.stages.specs import TrunkSpec


def run(spec: TrunkSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write the states of `inputs["encoded"]` (a folder with the tokens) over `inputs["backbone"]` into `out`."""
    whole = keep_as(out, ENCODED_NAME)
    shutil.copyfile(inputs["encoded"] / ENCODED_NAME, whole)
    put_in_place(whole, out / ENCODED_NAME)
    if spec.keep_states:
        model = RewardModel.new(inputs["backbone"], Lora(top=spec.top), spec.arithmetic, random_seed=0).eval()
        write_states(model, out, progress)
    return {"pairs": count_encoded(out)}
