"""Stage: supervised fine-tuning of the backbone on the preferred responses of the seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from ser.data import tables
from ser.data.encoding import encode_prompt, encode_response, fits, truncate_prompt
from ser.kept import keep_as
from ser.models.backbone import load_model, load_tokenizer
from ser.models.reward_model import lora_config
from ser.progress import Progress
from ser.stages.specs import SftSpec
from ser.training import CHECKPOINTS, StepProgress, last_checkpoint, save_every


def run(spec: SftSpec, inputs: Mapping[str, Any], out: Path, progress: Progress) -> dict[str, Any]:
    """Train an adapter on `inputs["seed"]`, merge it, and write a plain model folder `out/model`.

    Only the tokens of the response count in the loss.
    """
    torch.manual_seed(spec.random_seed)
    tokenizer = load_tokenizer(inputs["backbone"])
    base = load_model(inputs["backbone"], "causal_lm", spec.arithmetic)
    model: Any = get_peft_model(base, lora_config(spec.training.lora, base.config, task_type="CAUSAL_LM"))
    seed = tables.read(inputs["seed"])
    encoded = [_encoded(tokenizer, row, spec.encoding.max_length) for row in seed]
    rows, cut = zip(*(one for one in encoded if one is not None), strict=True)
    epochs, size = spec.epochs, spec.training.batch_size
    steps = -(-len(rows) // size) * epochs
    checkpoints = keep_as(out, CHECKPOINTS)
    args = SFTConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=size,
        num_train_epochs=epochs,
        learning_rate=spec.training.learning_rate,
        completion_only_loss=True,
        max_length=None,
        bf16=False,
        gradient_checkpointing=False,
        seed=spec.random_seed,
        data_seed=spec.random_seed,
        logging_steps=1,
        save_steps=save_every(steps),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=spec.arithmetic.device == "cpu",
    )
    told = StepProgress(progress, steps, len(rows) * epochs)
    trainer = SFTTrainer(
        model, args=args, train_dataset=Dataset.from_list(list(rows)), processing_class=tokenizer, callbacks=[told]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.processing_class = None  # a checkpoint needs no copy of the tokenizer
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    model.merge_and_unload().save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    return {
        "n_human": len(rows),
        "steps": steps,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "left_out": encoded.count(None),
        "prompts_cut": sum(tokens > 0 for tokens in cut),
        "tokens_cut": sum(cut),
    }


def _encoded(tokenizer, row: Mapping[str, Any], max_length: int) -> tuple[dict[str, list[int]], int] | None:
    """A preferred response after its prompt, and how many tokens of the prompt were cut; None if it does not fit."""
    response = encode_response(tokenizer, row[f"response_{row['preferred']}"])
    if not fits(len(response), max_length):
        return None
    whole = encode_prompt(tokenizer, row["prompt"])
    prompt = truncate_prompt(whole, len(response), max_length)
    example = {
        "input_ids": prompt + response,
        "completion_mask": [0] * len(prompt) + [1] * len(response),
    }
    return example, len(whole) - len(prompt)
