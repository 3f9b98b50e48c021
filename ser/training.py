"""Training a reward model on packed pairs: a subclass of TRL's `RewardTrainer`."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import RewardConfig, RewardTrainer

from ser.data.batches import plan
from ser.kept import keep_as, write_text
from ser.models.reward_model import RewardModel
from ser.models.states import EncodedStates, collate
from ser.progress import Progress
from ser.specs import Training

_SAVE_EVERY = 20
"""Steps between checkpoints, at most."""

CHECKPOINTS = "checkpoints"
FINISHED = "training.json"
"""Written last: where it is, the training is over."""


@dataclass(frozen=True)
class Example:
    """A labelled pair to train on; `weight` scales its part in the loss."""

    encoded: EncodedStates
    preferred: str
    weight: float = 1.0


class PairRewardTrainer(RewardTrainer):
    """`RewardTrainer` over packed pairs whose trunk states are known.

    Differs from its parent in what a batch is (examples of ours, by row number), in sample weights, and in that
    no pair is ever dropped for its length. The data order, optimiser, schedule and checkpoints are the parent's.
    """

    def __init__(self, reward_model: RewardModel, examples: Sequence[Example], **kwargs: Any):
        self._reward_model = reward_model
        self._centering = kwargs["args"].center_rewards_coefficient or 0.0
        rows = Dataset.from_dict({"row": list(range(len(examples)))})
        super().__init__(
            model=reward_model.model,
            train_dataset=rows,
            data_collator=lambda items: {"examples": [examples[item["row"]] for item in items]},
            **kwargs,
        )

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        return dataset

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Weighted mean of -log sigmoid(r_chosen - r_rejected), plus the pull of the mean reward to zero.

        Ouyang et al. (arXiv 2203.02155, eq. 1) and Eisenstein et al. (arXiv 2312.09244, eq. 2).
        """
        loss = torch.stack(list(self._losses(inputs["examples"]))).sum()
        return (loss, {}) if return_outputs else loss

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Go back through each part of the batch by itself: memory holds the graph of a part, whatever the batch.

        The gradients are those of `compute_loss`, because each part is divided by the weight of the whole batch.
        """
        model.train()
        told = torch.zeros((), device=self.accelerator.device)
        for loss in self._losses(inputs["examples"]):
            self.accelerator.backward(loss)
            told += loss.detach()
        return told

    def _losses(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """What each part of a batch, of pairs of similar length, adds to its loss: one long pair pads no others."""
        device = self.accelerator.device
        total = sum(example.weight for example in examples)
        for part in plan([(len(one.encoded.pair), one.encoded.pair.pair_id) for one in examples]):
            chosen, rejected = self._rewards([examples[i] for i in part]).unbind(1)
            losses = -logsigmoid(chosen - rejected) + self._centering * (chosen + rejected) ** 2
            weight = torch.tensor([examples[i].weight for i in part], device=device)
            yield (weight * losses).sum() / total

    def _rewards(self, examples: Sequence[Example]) -> torch.Tensor:
        """Rewards [B, 2] of the preferred and the other response of each example."""
        rewards = self._reward_model.rewards(*collate([one.encoded for one in examples], self.accelerator.device))
        preferred = torch.tensor([0 if one.preferred == "a" else 1 for one in examples], device=rewards.device)
        return torch.stack([rewards.gather(1, side[:, None]).squeeze(1) for side in (preferred, 1 - preferred)], 1)

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        return 0  # the parent counts tokens in tensors that a packed batch does not have


def train(
    model: RewardModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    settings: Training,
    *,
    epochs: int,
    random_seed: int,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train `model` in place on `examples` (in an order fixed by `random_seed`) and save it as `out/rm`.

    Checkpoints are kept in `out` (see `ser.kept`): a killed run continues from the last one and ends with the same
    bytes. Returns what it writes last, as `out/training.json`: `{"steps", "loss": [per step]}`.
    """
    folder = keep_as(out, CHECKPOINTS)
    steps = -(-len(examples) // settings.batch_size) * epochs
    args = RewardConfig(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        center_rewards_coefficient=settings.center_rewards_coefficient,
        disable_dropout=settings.lora.dropout == 0,
        max_length=None,
        bf16=False,
        gradient_checkpointing=False,
        seed=random_seed,
        data_seed=random_seed,
        logging_steps=1,
        save_steps=save_every(steps),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=model.device.type == "cpu",
    )
    steps_told = StepProgress(progress, steps, len(examples) * epochs)
    trainer = PairRewardTrainer(model, examples, args=args, processing_class=tokenizer, callbacks=[steps_told])
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which belongs to the caller
    trainer.processing_class = None  # a checkpoint needs no copy of the tokenizer
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    model.eval()
    model.save(out / "rm")
    result = {"steps": steps, "loss": losses}
    write_text(out / FINISHED, json.dumps(result) + "\n")
    return result


def is_trained(out: Path) -> bool:
    """Whether a killed run finished the training in `out`."""
    return (out / FINISHED).exists()


def save_every(steps: int) -> int:
    """Steps between the checkpoints of a training: what a kill costs, with the step in hand, is less than a tenth.

    Up to 20 steps, of which two are a tenth, it is the step in hand and the one before.
    """
    return max(1, min(_SAVE_EVERY, (steps - 1) // 10 - 1))


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint: its state file is written last, so a kill while saving leaves it out."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
            continue
        return str(checkpoint)
    return None


class StepProgress(TrainerCallback):
    """Tells our progress what the trainer's steps are."""

    def __init__(self, progress: Progress, steps: int, pairs: int):
        self.progress, self.steps, self.pairs = progress, steps, pairs

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            done = self.pairs * state.global_step // self.steps
            self.progress(done, self.pairs, "pairs", f"loss {logs['loss']:.3f}")
