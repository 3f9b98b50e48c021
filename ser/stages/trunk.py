"""Stage: encode the pairs of one part and pass them once through the frozen trunk."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ser import tables
from ser.backbone import check_window, load_tokenizer
from ser.encoded import read_encoded, write_encoded
from ser.encoding import encode_pair
from ser.pairs import Pair
from ser.progress import Progress
from ser.reward_model import RewardModel
from ser.specs import Lora
from ser.stages.specs import TrunkSpec
from ser.states import write_states


def run(spec: TrunkSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Write the states of `inputs["pairs"]` (a table of pairs) over `inputs["backbone"]` into `out`."""
    torch.set_num_threads(spec.compute.threads)
    check_window(inputs["backbone"], spec.encoding.max_length)
    tokenizer = load_tokenizer(inputs["backbone"])
    rows = tables.read(inputs["pairs"], columns=tables.PAIRS.names)
    write_encoded((encode_pair(tokenizer, Pair(**row), spec.encoding.max_length) for row in rows), out)
    if spec.keep_states:
        model = RewardModel.new(inputs["backbone"], Lora(top=spec.top), spec.compute.dtype, random_seed=0).eval()
        write_states(model, out, progress)
    return summary(out)


def summary(folder: Path) -> dict[str, int]:
    """How many pairs and tokens there are, and what was cut from the left of prompts to make them fit."""
    counts = Counter(pairs=0, tokens=0, prompts_cut=0, tokens_cut=0)
    for row in read_encoded(folder):
        tokens = sum(len(row[name]) for name in ("prompt", "response_a", "response_b"))
        counts.update(pairs=1, tokens=tokens, prompts_cut=int(row["cut"] > 0), tokens_cut=row["cut"])
    return dict(counts)
