"""The same work as the peers do it: transformers' pipeline and TRL's `RewardTrainer`, used as their docs show."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, pipeline
from trl import RewardConfig, RewardTrainer

from bench.workload import MAX_LENGTH, Workload, model_folder
from ser.backbone import DTYPES


class PipelineScorer:
    """`pipeline("text-classification")` over both responses of every pair."""

    def __init__(self, work: Workload, dtype: str, batch_size: int):
        model = AutoModelForSequenceClassification.from_pretrained(model_folder(), num_labels=1, dtype=DTYPES[dtype])
        model.config.pad_token_id = work.tokenizer.pad_token_id
        self._texts = [text for row in work.rows for text in work.texts(row.pair)]
        self._batch_size = batch_size
        self._pipeline = pipeline(
            "text-classification", model=model, tokenizer=work.tokenizer, function_to_apply="none", device="cpu"
        )

    def run(self) -> list[float]:
        """The rewards, two for every pair."""
        # The texts are in the chat template already, so the tokenizer must not add anything.
        scored = self._pipeline(
            self._texts, batch_size=self._batch_size, truncation=True, max_length=MAX_LENGTH, add_special_tokens=False
        )
        return [one["score"] for one in scored]


def train_with_trl(
    work: Workload, start: Path, dtype: str, *, batch_size: int, learning_rate: float, centering: float
) -> list[float]:
    """One epoch of TRL's `RewardTrainer` from the adapter `start`; the loss of every step."""
    base = AutoModelForSequenceClassification.from_pretrained(model_folder(), num_labels=1, dtype=DTYPES[dtype])
    model = PeftModel.from_pretrained(base, start, is_trainable=True)
    with tempfile.TemporaryDirectory() as folder:
        args = RewardConfig(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            num_train_epochs=1,
            learning_rate=learning_rate,
            lr_scheduler_type="linear",
            center_rewards_coefficient=centering,
            max_length=2 * MAX_LENGTH,
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            seed=0,
            data_seed=0,
        )
        trainer = RewardTrainer(
            model=model, args=args, train_dataset=_preferences(work), processing_class=work.tokenizer
        )
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _preferences(work: Workload) -> Dataset:
    rows: list[dict[str, str]] = []
    for row in work.rows:
        a, b = work.texts(row.pair)
        chosen, rejected = (a, b) if row.preferred == "a" else (b, a)
        rows.append({"chosen": chosen, "rejected": rejected})
    return Dataset.from_list(rows)


def tuned_batch_size(work: Workload, dtype: str, candidates: Sequence[int], seconds) -> int:
    """The batch size with which the pipeline is fastest, by `seconds(run)` once each."""
    return min(candidates, key=lambda size: seconds(PipelineScorer(work, dtype, size).run))
