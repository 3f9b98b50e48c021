"""Training a reward model on packed pairs: a subclass of `transformers.Trainer`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from ser.checkpoints import SaveInTime, last_checkpoint, save_every
from ser.data.batches import TOKENS, plan
from ser.data.transfer import to_device
from ser.losses import pairwise_loss
from ser.models.adapters import fill_adapter, read_weights
from ser.models.reward_model import RewardModel
from ser.models.states.pairs import EncodedStates, collate
from ser.models.token_budget import TokenBudget
from ser.planning.memory import ENOUGH_TOKENS
from ser.progress import Progress
from ser.scratch import scratch_path, write_text
from ser.specs import Training

CHECKPOINTS = "checkpoints"
FINISHED = "training.json"
"""Written last: where it is, the training is over."""


@dataclass(frozen=True)
class Example:
    """A pair to train on.

    `target` is the probability that response a is the better one (0 or 1 for a hard label), `weight` how much the
    example counts in the loss.
    """

    encoded: EncodedStates
    target: float
    weight: float = 1.0


class PairTrainer(Trainer):
    """`Trainer` whose batches are `Example`s, and whose step goes back through one microbatch after the other.

    Every process sees every batch and takes its share of it: N processes make the steps that one would make, with the
    same gradients. Optimiser, schedule, data order and checkpoints are the parent's. It is not TRL's `RewardTrainer`,
    which knows no targets or weights, tokenises for itself, and takes only models that it can save its own way.
    """

    def __init__(
        self,
        model: RewardModel,
        examples: Sequence[Example],
        *,
        centering: float,
        budget: TokenBudget,
        **kwargs: Any,
    ):
        self._examples: Any = examples
        self._reward_model = model
        self._centering, self._budget = centering, budget
        self._mean_weight = sum(example.weight for example in examples) / len(examples)
        super().__init__(model=model, train_dataset=examples, data_collator=lambda items: {"examples": items}, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """Whole batches for every process: `microbatches` shares them out, with no pair twice in the last one."""
        loader: DataLoader = DataLoader(
            self._examples,
            batch_size=self.args.per_device_train_batch_size,
            sampler=self._get_train_sampler(),
            collate_fn=self.data_collator,
        )
        alone: dict[str, Any] = {"num_processes": 1, "process_index": 0}
        return prepare_data_loader(loader, use_seedable_sampler=True, data_seed=self.args.data_seed, **alone)

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Add the gradients of the batch, and return its loss (with more processes, one whose mean over them is it).

        Memory holds the graph of a microbatch, whatever the batch. The gradients are those of the whole batch, because
        each microbatch is divided by the same W (`pairwise_loss`), and DDP and FSDP take the mean over processes.
        """
        model.train()
        examples: list[Example] = inputs["examples"]
        if self.accelerator.num_processes > 1:  # all of them need the same microbatches
            return self._step(model, examples, self._budget.tokens)
        return self._budget.run(lambda tokens: self._step(model, examples, tokens), self._compute_layers_again)

    def _step(self, model: torch.nn.Module, examples: Sequence[Example], tokens: int) -> torch.Tensor:
        processes = self.accelerator.num_processes
        scale = len(examples) * self._mean_weight / processes
        *others, last = microbatches(examples, processes, self.accelerator.process_index, tokens)
        loss = torch.zeros((), device=self.accelerator.device)
        model.zero_grad()  # a try that ran out of memory may have left a part
        for microbatch in others:
            with self.accelerator.no_sync(model):
                loss += self._go_back(model, microbatch, scale)
        return loss + self._go_back(model, last, scale)

    def _compute_layers_again(self) -> bool:
        """Trade time for memory before batches become too small; False if that is done already."""
        again = not self._reward_model.checkpointing and self._budget.tokens <= ENOUGH_TOKENS
        self._reward_model.checkpointing |= again
        return again

    def _go_back(self, model: torch.nn.Module, microbatch: Sequence[Example], scale: float) -> torch.Tensor:
        """Add the gradients of a microbatch; returns its part of the loss."""
        device = self.accelerator.device  # before the layers, for a GPU would be waited for after them
        target = to_device(torch.tensor([example.target for example in microbatch]), device)
        weight = to_device(torch.tensor([example.weight for example in microbatch]), device)
        rewards = model(*collate([example.encoded for example in microbatch], self._reward_model))
        loss = pairwise_loss(rewards, target, weight, scale, self._centering)
        self.accelerator.backward(loss)
        return loss.detach()

    def _save(self, output_dir: Any = None, state_dict: Any = None) -> None:
        """The adapter and the head alone, by the first process."""
        if self.args.should_save:
            self.accelerator.unwrap_model(self.model).save(Path(output_dir), state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        reward_model = self.accelerator.unwrap_model(model or self.model)
        fill_adapter(reward_model.model, Path(resume_from_checkpoint), read_weights(Path(resume_from_checkpoint)))


def microbatches(
    examples: Sequence[Example], processes: int, process: int, batch_tokens: int = TOKENS
) -> list[list[Example]]:
    """The microbatches of one of `processes`: pairs of similar length, so that one long pair pads no others.

    All processes get equally many, because a sharded model needs all of them at each; one that has fewer goes on with
    an example that weighs nothing.
    """
    order = sorted(examples, key=_length)
    plans = []
    for k in range(processes):
        share = order[k::processes]
        plans.append([[share[i] for i in rows] for rows in plan([_length(example) for example in share], batch_tokens)])
    missing = max(map(len, plans)) - len(plans[process])
    return plans[process] + missing * [[replace(order[0], weight=0.0)]]


def _length(example: Example) -> tuple[int, str]:
    return len(example.encoded.pair), example.encoded.pair.pair_id


def train(
    model: RewardModel,
    examples: Sequence[Example],
    settings: Training,
    *,
    epochs: int,
    random_seed: int,
    out: Path,
    progress: Progress,
    batch_tokens: int | None = TOKENS,
    steps: int | None = None,
) -> dict[str, Any]:
    """Train `model` in place on `examples` (in an order fixed by `random_seed`) and save it as `out/rm`.

    It takes `epochs`, or `steps` of the optimiser where these are given, over which the learning rate falls to zero.
    Checkpoints are kept in `out` (see `ser.scratch`): a killed run continues from the last one and ends with the same
    bytes, on a GPU up to rounding. Returns what it writes last, as `out/training.json`: `{"steps", "loss": [a step]}`.
    Every process of a distributed training calls it, and the first one writes.
    """
    folder = scratch_path(out, CHECKPOINTS)
    in_an_epoch = -(-len(examples) // settings.batch_size)
    steps = in_an_epoch * epochs if steps is None else steps
    lengths = [len(example.encoded.pair) for example in examples]
    step_tokens = settings.batch_size * sum(lengths) / len(lengths)
    if settings.lora.dropout == 0:
        _switch_dropout_off(model)
    trainer = PairTrainer(
        model,
        examples,
        centering=settings.center_rewards_coefficient,
        budget=TokenBudget.for_training(model, settings.lora, batch_tokens, max(lengths), step_tokens),
        args=_arguments(settings, steps, random_seed, folder, model.device),
        callbacks=[StepProgress(progress, steps, len(examples) * steps // in_an_epoch), *_savers(model.device, steps)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which belongs to the caller
    with trainer.accelerator.main_process_first():
        checkpoint = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=checkpoint)
    model.eval()
    trainer.save_model(str(out / "rm"))
    result = {"steps": steps, "loss": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]}
    if trainer.is_world_process_zero():
        write_text(out / FINISHED, json.dumps(result) + "\n")
    trainer.accelerator.wait_for_everyone()
    return result


def _arguments(
    settings: Training, steps: int, random_seed: int, folder: Path, device: torch.device
) -> TrainingArguments:
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        seed=random_seed,
        data_seed=random_seed,
        logging_steps=1,
        save_strategy="steps" if device.type == "cpu" else "no",  # else `SaveInTime` decides
        save_steps=save_every(steps),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        use_cpu=device.type == "cpu",
    )
    use_one_device(args)
    return args


def _savers(device: torch.device, steps: int) -> list[TrainerCallback]:
    return [] if device.type == "cpu" else [SaveInTime(save_every(steps))]


def use_one_device(args: TrainingArguments) -> None:
    """Let a process train on one device, whatever it sees.

    With more in sight, `Trainer` would put its `DataParallel` around the model, and TRL's refuses to begin.
    """
    args._n_gpu = min(args.n_gpu, 1)


def _switch_dropout_off(model: torch.nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0


def is_trained(out: Path) -> bool:
    """Whether a killed run finished the training in `out`."""
    return (out / FINISHED).exists()


class StepProgress(TrainerCallback):
    """Tells our progress what the trainer's steps are."""

    def __init__(self, progress: Progress, steps: int, pairs: int):
        self.progress, self.steps, self.pairs = progress, steps, pairs

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs and state.is_world_process_zero:
            done = self.pairs * state.global_step // self.steps
            self.progress(done, self.pairs, "pairs", f"loss {logs['loss']:.3f}")
