"""`python -m bench.adapt POOL --backbone FOLDER --out FOLDER`: the backbone read into the texts first.

Language-model loss on both responses of the pairs of a pool (`pool.parquet` of the asset `splits`), without a label.
`OUT/model` is then a backbone like any other: `ser run --set backbone.model=OUT/model`. A study compared the two
(docs/results/README.md), and it is no setting of the product.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from resources.machine import Compute
from ser.data import tables
from ser.specs import Encoding, Lora, Training
from ser.stages import sft


def main() -> None:
    """Adapt a backbone to the texts of a pool."""
    parser = argparse.ArgumentParser(prog="python -m bench.adapt")
    parser.add_argument("pool", type=Path)
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--responses", type=int, default=2000)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.parquet"
        tables.write(texts, tables.LABELLED, _texts(parsed.pool, parsed.responses))
        spec = sft.SftSpec(
            arithmetic=Compute(device="cpu").arithmetic,
            training=Training(lora=Lora(), learning_rate=2e-4),
            encoding=Encoding(),
            epochs=1,
            random_seed=0,
        )
        inputs = sft.SftInputs(backbone=parsed.backbone, seed=texts)
        print(sft.run(spec, inputs, parsed.out, _tell).model_dump_json())


def _texts(path: Path, count: int) -> list[dict[str, str]]:
    """As many responses as asked for, drawn at random, each as if it were the preferred one of its pair."""
    every = [(pair, side) for pair in tables.read(path) for side in ("a", "b")]
    return [
        {"pair_id": f"{number}", "preferred": side}
        | {name: pair[name] for name in ("prompt", "response_a", "response_b")}
        for number, (pair, side) in enumerate(random.Random(0).sample(every, min(count, len(every))))
    ]


def _tell(done: int, total: int, unit: str, note: str = "", part: str = "") -> None:
    print(f"{done:,} of {total:,} {unit} {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
