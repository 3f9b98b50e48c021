"""The memory of encoding, passing the trunk and labelling, with the stages themselves over a tiny model.

python -m bench.labelling_steps PAIRS FOLDER MODEL      prints {step: {"seconds", "peak_bytes"}}
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from bench.bookkeeping import pair_file
from bench.bookkeeping_steps import Steps
from resources.landing.comparison import Row
from resources.landing.shapes.reader import ShapeReader
from ser.data import tables
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import encode_pair
from ser.data.pairs import Pair
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.progress import silent
from ser.specs import Arithmetic, Encoding, RewardTraining
from ser.stages import label, trunk
from ser.stages.label import LabelInputs, LabelSpec
from ser.stages.trunk import TrunkInputs, TrunkSpec

SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16,
}  # fmt: skip


def main() -> None:
    """Encode, pass and label the pairs of the file."""
    size, root, model = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    pair_file(root / "pairs.jsonl", size)
    tables.write(root / "pairs.parquet", tables.PAIRS, _pairs(root / "pairs.jsonl"))
    backbone = root / "model"
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model, **SHAPE)).save_pretrained(backbone)
    AutoTokenizer.from_pretrained(model).save_pretrained(backbone)
    RewardModel.new(backbone, RewardTraining().lora, Arithmetic(), random_seed=0).save(root / "rm")
    (root / "heldout.json").write_text(json.dumps({"temperature": 1.0}))
    for name in ("states", "labels"):
        (root / name).mkdir()
    steps = Steps()
    steps.step("tokens and trunk states", lambda: _states(root, backbone))
    pool = LabelInputs(
        backbone=backbone,
        reward_model=root / "rm",
        heldout=root / "heldout.json",
        encoded=root / "tokens" / ENCODED_NAME,
        states=root / "states",
        kept=[],
    )
    steps.step("labels", lambda: label.run(LabelSpec(arithmetic=Arithmetic()), pool, root / "labels", silent))
    print(json.dumps(steps.measured))


def _states(root: Path, backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    pairs = (Pair(**row) for row in tables.read(root / "pairs.parquet"))
    (root / "tokens").mkdir()
    write_encoded((encode_pair(tokenizer, pair, Encoding().max_length) for pair in pairs), root / "tokens")
    spec = TrunkSpec(arithmetic=Arithmetic(), top=RewardTraining().lora.top)
    trunk.run(spec, TrunkInputs(encoded=root / "tokens" / ENCODED_NAME, backbone=backbone), root / "states", silent)


def _pairs(file: Path) -> Iterator[dict[str, str]]:
    reader = ShapeReader()
    with file.open() as lines:
        for row in (row for line in lines for row in reader.read(json.loads(line))):
            assert isinstance(row, Row)
            yield {name: getattr(row.pair, name) for name in tables.PAIRS.names}


if __name__ == "__main__":
    main()
