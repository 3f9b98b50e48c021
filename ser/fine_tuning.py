"""Supervised fine-tuning of a language model with an adapter that is merged in the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from ser.checkpoints import last_checkpoint, save_every
from ser.data.batches import TOKENS
from ser.data.encoding import encode_prompt, encode_response, fits, truncate_prompt
from ser.models.backbone import read_model
from ser.models.device_memory import collect_garbage
from ser.models.reward_model import lora_config
from ser.progress import Progress
from ser.scratch import scratch_path
from ser.specs import Arithmetic, Training
from ser.training import CHECKPOINTS, StepProgress, use_one_device

_GPU_TOKENS = 4096
"""Padded tokens at once on a GPU, where nothing else is asked for."""


def fine_tune(
    backbone: Path,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    training: Training,
    arithmetic: Arithmetic,
    *,
    epochs: int,
    random_seed: int,
    out: Path,
    progress: Progress,
    batch_tokens: int | None = TOKENS,
) -> list[float]:
    """Train on encoded responses (of `encode_example`), write the model folder `out/model`, and return the losses.

    Only the tokens of the response count in the loss.
    """
    torch.manual_seed(random_seed)
    base = read_model(backbone, "causal_lm", arithmetic)
    model: Any = get_peft_model(base, lora_config(training.lora, base.config, task_type="CAUSAL_LM"))
    steps = steps_of(len(rows), training, epochs)
    checkpoints = scratch_path(out, CHECKPOINTS)
    at_once = rows_at_once(training.batch_size, max(len(row["input_ids"]) for row in rows), batch_tokens or _GPU_TOKENS)
    told = StepProgress(progress, steps, len(rows) * epochs)
    trainer = SFTTrainer(
        model,
        args=_arguments(training, epochs, steps, random_seed, checkpoints, arithmetic, at_once),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
        callbacks=[told],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.processing_class = None  # a checkpoint needs no copy of the tokenizer
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    model.merge_and_unload().save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    del trainer, model, base
    collect_garbage()  # TRL's trainer would keep the whole backbone
    return losses


def _arguments(
    training: Training,
    epochs: int,
    steps: int,
    random_seed: int,
    checkpoints: Path,
    arithmetic: Arithmetic,
    at_once: int,
) -> SFTConfig:
    args = SFTConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=training.batch_size // at_once,
        num_train_epochs=epochs,
        learning_rate=training.learning_rate,
        completion_only_loss=True,
        max_length=None,
        bf16=False,
        gradient_checkpointing=arithmetic.device == "cuda",  # its logits are not counted beforehand
        seed=random_seed,
        data_seed=random_seed,
        logging_steps=1,
        save_steps=save_every(steps),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=arithmetic.device == "cpu",
    )
    use_one_device(args)
    return args


def rows_at_once(batch_size: int, longest: int, batch_tokens: int) -> int:
    """The most rows of `longest` tokens that fit into `batch_tokens` and share out a batch without a rest."""
    fitting = [rows for rows in range(1, batch_size + 1) if batch_size % rows == 0 and rows * longest <= batch_tokens]
    return max(fitting, default=1)


def steps_of(examples: int, training: Training, epochs: int) -> int:
    """Optimiser steps of a training."""
    return -(-examples // training.batch_size) * epochs


def encode_example(
    tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], max_length: int
) -> tuple[dict[str, list[int]], int] | None:
    """A preferred response after its prompt, and how many tokens of the prompt were cut; None if it does not fit."""
    response = encode_response(tokenizer, row[f"response_{row['preferred']}"])
    if not fits(len(response), max_length):
        return None
    whole = encode_prompt(tokenizer, row["prompt"])
    prompt = truncate_prompt(tokenizer, whole, len(response), max_length)
    example = {
        "input_ids": prompt + response,
        "completion_mask": [0] * len(prompt) + [1] * len(response),
    }
    return example, len(whole) - len(prompt)
