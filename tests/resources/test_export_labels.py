"""Exported labels are the kept ones with their provenance, as `datasets` and TRL read them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from resources.exports.labels import COLUMNS, KeptLabels, LoopLabels, write_file, write_lines
from resources.landing.parts import PARTS
from ser.data import tables
from ser.data.pairs import prompt_messages
from ser.errors import SerError
from tests.models import labelled_pairs

ODD = 'rice\u2028\r\n"salt" 🍚'
PAIRS = [pair for pair, _ in labelled_pairs(12)]


def landed_table(path: Path) -> None:
    names = PARTS["pairs"].names
    rows = [dict.fromkeys(names) | {"pair_id": one.pair_id, "source": f"s{n}"} for n, one in enumerate(PAIRS)]
    rows[0]["source"] = None
    tables.write(path, PARTS["pairs"], rows)


@pytest.fixture
def labels(tmp_path: Path) -> KeptLabels:
    """Twelve pool pairs; loop 1 keeps the first four and loop 2 the next three, with every second label `b`."""
    landed_table(tmp_path / "pairs.parquet")
    pool = [{"pair_id": p.pair_id, "prompt": p.prompt, "response_a": ODD if n == 1 else p.response_a,
             "response_b": p.response_b} for n, p in enumerate(PAIRS)]  # fmt: skip
    tables.write(tmp_path / "pool.parquet", tables.PAIRS, pool)
    loops = []
    for loop, kept in ((1, range(4)), (2, range(4, 7))):
        rows = [
            {"pair_id": one.pair_id, "preferred": "ab"[n % 2], "confidence": loop + n / 100, "rule": f"status_{loop}",
             "kept": n in kept, "reason": "x", "target": 1.0 - n % 2, "weight": 1.0}
            for n, one in enumerate(PAIRS)
            if loop == 1 or n not in range(4)
        ]  # fmt: skip
        nothing = dict.fromkeys(tables.SELF_LABELS.names, 0.0)
        scored = [{name: (nothing | row)[name] for name in tables.SELF_LABELS.names} for row in rows]
        decided = [{name: row[name] for name in tables.FILTERED.names} for row in rows]
        tables.write(tmp_path / f"self_{loop}.parquet", tables.SELF_LABELS, scored)
        tables.write(tmp_path / f"filtered_{loop}.parquet", tables.FILTERED, decided)
        loops.append(
            LoopLabels(loop, f"rm{loop - 1}", tmp_path / f"self_{loop}.parquet", tmp_path / f"filtered_{loop}.parquet")
        )
    return KeptLabels("tiny-0123", tmp_path / "pairs.parquet", tmp_path / "pool.parquet", loops)


def load(path: Path, cache: Path) -> Any:
    from datasets import load_dataset

    return load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))


def test_every_kept_label_is_there_once_with_who_gave_it(labels: KeptLabels, tmp_path: Path) -> None:
    assert write_lines(labels, tmp_path / "labels.jsonl") == 7
    number = {pair.pair_id: n for n, pair in enumerate(PAIRS)}
    rows = list(load(tmp_path / "labels.jsonl", tmp_path / "cache"))
    assert rows == [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().split("\n")[:-1]]
    assert sorted(number[row["pair_id"]] for row in rows) == list(range(7))
    assert rows == sorted(rows, key=lambda row: (row["loop"], row["pair_id"]))
    for row in rows:
        n = number[row["pair_id"]]
        pair, loop = PAIRS[n], 1 if n < 4 else 2
        responses = [ODD if n == 1 else pair.response_a, pair.response_b]
        chosen, rejected = responses if n % 2 == 0 else reversed(responses)
        assert tuple(row) == COLUMNS
        assert row == {
            "prompt": prompt_messages(pair.prompt),
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
            "pair_id": pair.pair_id, "loop": loop, "rm_version": f"rm{loop - 1}", "confidence": loop + n / 100,
            "rule": f"status_{loop}", "source": None if n == 0 else f"s{n}", "snapshot": "tiny-0123",
        }  # fmt: skip


def test_dpo_trains_on_it(labels: KeptLabels, tiny_backbone: Path, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    write_lines(labels, tmp_path / "labels.jsonl")
    data = load(tmp_path / "labels.jsonl", tmp_path / "cache")
    config = DPOConfig(
        output_dir=str(tmp_path / "dpo"), max_steps=1, per_device_train_batch_size=7, logging_steps=1, bf16=False,
        report_to="none", use_cpu=True, save_strategy="no", gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    trainer = DPOTrainer(str(tiny_backbone), args=config, train_dataset=data)
    trained: Any = trainer.train_dataset
    row, tokenizer = trained[0], trainer.processing_class
    assert data[0]["chosen"][0]["content"] in tokenizer.decode(row["chosen_ids"])
    assert data[0]["prompt"][0]["content"] in tokenizer.decode(row["prompt_ids"])
    trainer.train()
    # Before the first step the policy is its reference: -log sigmoid(0).
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)


def test_a_file_of_labels_is_replaced_and_any_other_is_refused(labels: KeptLabels, tmp_path: Path) -> None:
    path = tmp_path / "out" / "labels.jsonl"
    assert write_file(labels, path) == 7
    first = path.read_bytes()
    path.write_bytes(first[: len(first) // 2])
    assert write_file(labels, path) == 7
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.iterdir()] == ["labels.jsonl"]
    for other in ('{"prompt": "mine"}\n', "mine", ""):
        path.write_text(other)
        with pytest.raises(SerError, match="is no earlier export of labels"):
            write_file(labels, path)
        assert path.read_text() == other


def test_a_failed_write_leaves_the_earlier_file(
    labels: KeptLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / "labels.jsonl"
    write_file(labels, path)
    first = path.read_bytes()

    def full(self: KeptLabels) -> Any:
        yield {"half": "a row"}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptLabels, "rows", full)
    with pytest.raises(SerError, match="No space left on device"):
        write_file(labels, path)
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.iterdir()] == ["labels.jsonl"]
