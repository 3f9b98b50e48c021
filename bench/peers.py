"""The same work as the peers do it: transformers' pipeline and TRL's `RewardTrainer`, used as their docs show."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, pipeline
from trl import RewardConfig, RewardTrainer

from bench.workload import MAX_LENGTH, Workload, model_folder
from ser.models.backbone import DTYPES
from ser.specs import RewardTraining


class PipelineScoring:
    """`pipeline("text-classification")` over both responses of every pair."""

    def __init__(self, work: Workload, dtype: str, batch_size: int):
        model = AutoModelForSequenceClassification.from_pretrained(model_folder(), num_labels=1, dtype=DTYPES[dtype])
        model.config.pad_token_id = work.tokenizer.pad_token_id
        self._texts = [text for row in work.rows for text in work.texts(row.pair)]
        self.batch_size = batch_size
        build: Any = pipeline  # its overloads know neither this model class nor `function_to_apply`
        self._pipeline = build(
            "text-classification", model=model, tokenizer=work.tokenizer, function_to_apply="none", device="cpu"
        )
        self._score(self._texts[:batch_size])  # the first call of a pipeline pays for more than its work

    def run(self) -> list[float]:
        """The rewards, two for every pair."""
        return self._score(self._texts)

    def _score(self, texts: list[str]) -> list[float]:
        # The texts are in the chat template already, so the tokenizer must not add anything.
        options = {"truncation": True, "max_length": MAX_LENGTH, "add_special_tokens": False}
        return [one["score"] for one in self._pipeline(texts, batch_size=self.batch_size, **options)]


class TrlTraining:
    """One epoch of TRL's `RewardTrainer` over the pairs of a round of `work`, from the adapter in `start`.

    A step is of the batch size of `settings`, of which `at_once` pairs pass through the network together.
    """

    def __init__(self, work: Workload, dtype: str, settings: RewardTraining, start: Path, at_once: int | None = None):
        self._work, self._dtype, self._settings, self._start = work, dtype, settings, start
        self._at_once = at_once or settings.batch_size

    def prepare(self, number: int = 0) -> None:
        """Load the model and tokenize the round's pairs."""
        base = AutoModelForSequenceClassification.from_pretrained(
            model_folder(), num_labels=1, dtype=DTYPES[self._dtype]
        )
        model = PeftModel.from_pretrained(base, self._start, is_trainable=True)
        args = RewardConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=self._at_once,
            gradient_accumulation_steps=self._settings.batch_size // self._at_once,
            num_train_epochs=1,
            learning_rate=self._settings.learning_rate,
            lr_scheduler_type="linear",
            center_rewards_coefficient=self._settings.center_rewards_coefficient,
            max_length=MAX_LENGTH,
            bf16=self._dtype == "bfloat16",
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            seed=0,
            data_seed=0,
        )
        data = _preferences(self._work.of_round(number))
        self._trainer = RewardTrainer(model=model, args=args, train_dataset=data, processing_class=self._work.tokenizer)

    def run(self) -> list[float]:
        """The loss of every step."""
        self._trainer.train()
        return [entry["loss"] for entry in self._trainer.state.log_history if "loss" in entry]


def _preferences(work: Workload) -> Dataset:
    rows: list[dict[str, str]] = []
    for row in work.rows:
        a, b = work.texts(row.pair)
        chosen, rejected = (a, b) if row.preferred == "a" else (b, a)
        rows.append({"chosen": chosen, "rejected": rejected})
    return Dataset.from_list(rows)
