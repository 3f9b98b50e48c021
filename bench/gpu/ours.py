"""The work as the product does it, through the doors that its stages use."""

import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback

from bench.gpu.steps import Stopwatch
from bench.gpu.timing import Clock
from bench.gpu.workload import Work
from ser.data.encoded import count_slices
from ser.models.decoding import Decoder
from ser.models.generation import generate
from ser.models.reward_model import RewardModel
from ser.models.scoring import read_scores, score_slices
from ser.models.states.pairs import EncodedStates, PairStates, States
from ser.models.token_budget import TokenBudget
from ser.progress import silent
from ser.slices import Slices
from ser.specs import Lora, RewardTraining
from ser.training import Example, PairTrainer, use_one_device

SETTINGS = RewardTraining()
ALL_LAYERS = Lora(top=1.0)


class Scoring:
    """Scores a table of pairs as the stage that labels does, its files included.

    `batch_tokens` is what the settings ask for; None leaves it to the memory of the GPU.
    """

    def __init__(self, model: RewardModel, encoded: Path, batch_tokens: int | None = None):
        self.model, self._encoded, self._tokens = model.eval(), encoded, batch_tokens

    def run(self, cache: States | None = None) -> torch.Tensor:
        """Rewards [N, 2] in the order of the identities."""
        pairs = PairStates(self._encoded, cache)
        with tempfile.TemporaryDirectory() as folder:
            slices = Slices(Path(folder), count_slices(self._encoded))
            score_slices(self.model, pairs, slices, silent, total=len(pairs), batch_tokens=self._tokens)
            scored = {one.pair_id: (one.reward_a, one.reward_b) for one in read_scores(pairs, slices)}
        return torch.tensor([scored[pair_id] for pair_id in sorted(scored)])


def examples(encoded: Path, work: Work, cache: States | None = None) -> list[Example]:
    """The pairs of `work`, which are those of a table, in their own order, response a preferred."""
    known: dict[str, EncodedStates] = {one.pair.pair_id: one for one in PairStates(encoded, cache).pairs()}
    return [Example(known[pair.pair_id], 1.0) for pair in work.pairs]


class _InOrder(PairTrainer):
    """In the order of the examples, so that every side sees the same pairs in a step."""

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self._examples)


@contextmanager
def trainer_of(model: RewardModel, pairs: Sequence[Example], clock: Clock, lora: Lora, tokens: int | None = None):
    """The product's trainer without checkpoints, and its stopwatch.

    `tokens` of a microbatch; None leaves them to the memory of the GPU.
    """
    lengths, watch = [len(one.encoded.pair) for one in pairs], Stopwatch(clock)
    step_tokens = SETTINGS.batch_size * sum(lengths) / len(lengths)
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=SETTINGS.batch_size,
            num_train_epochs=1,
            learning_rate=SETTINGS.learning_rate,
            lr_scheduler_type="linear",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not clock.on_gpu,
        )
        use_one_device(args)
        trainer = _InOrder(
            model,
            pairs,
            centering=0.0,  # as TRL has it by default, so that the losses are the same
            budget=TokenBudget.for_training(model, lora, tokens, max(lengths), step_tokens),
            args=args,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        yield trainer, watch


class Generation:
    """Continues prompts with the decoder that PPO uses."""

    def __init__(self, language_model: Any, prompts: Sequence[Sequence[int]], response_tokens: int):
        self._decoder, self._prompts, self._tokens = Decoder(language_model), prompts, response_tokens
        generator = torch.Generator().manual_seed(0)
        self._draws = torch.rand(len(prompts), response_tokens, generator=generator, dtype=torch.float64)

    def run(self) -> list[list[int]]:
        """Sampled responses; no token ends one."""
        return generate(self._decoder, self._prompts, self._tokens, -1, 1.0, self._draws).responses

    def likeliest(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """The likeliest responses."""
        return generate(self._decoder, prompts, tokens, -1).responses
