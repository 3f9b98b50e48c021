"""Stage: encode the pairs of one part and pass them once through the frozen trunk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ser import tables
from ser.backbone import load_tokenizer
from ser.encoding import encode_pair
from ser.pairs import Pair
from ser.progress import Progress
from ser.reward_model import RewardModel
from ser.stages.specs import TrunkSpec
from ser.states import write_encoded, write_states


def run(spec: TrunkSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write the states of `inputs["pairs"]` (a table of pairs) over `inputs["backbone"]` into `out`."""
    torch.set_num_threads(spec.compute.threads)
    tokenizer = load_tokenizer(inputs["backbone"])
    columns = tables.PAIRS.names
    pairs = [
        encode_pair(tokenizer, Pair(**row), spec.encoding.max_length)
        for row in tables.read(inputs["pairs"], columns=columns)
    ]
    write_encoded(pairs, out)
    if spec.keep_states:
        model = RewardModel.new(inputs["backbone"], spec.lora, spec.compute.dtype, random_seed=0).eval()
        write_states(model, pairs, out, progress)
    cut = [pair.cut for pair in pairs if pair.cut]
    return {
        "pairs": len(pairs),
        "tokens": sum(map(len, pairs)),
        "prompts_cut": len(cut),
        "tokens_cut": sum(cut),
    }
