"""The same work as transformers and TRL do it, as fast as their documentation knows how."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerFast
from transformers.trainer_callback import PrinterCallback
from trl import RewardConfig, RewardTrainer

from bench.gpu.steps import Steps, Stopwatch, run_steps
from bench.gpu.timing import Clock
from bench.gpu.workload import Work
from ser.data.batches import plan
from ser.models.reward_model import TARGETS

_PAD = 0


class PlainScoring:
    """A sequence classifier over both sequences of every pair, sorted by their lengths, in padded batches.

    There is no mask: with padding on the right nothing that is read can see it, and PyTorch takes flash attention.
    A batch is of so many sequences, or of as many as fit into so many tokens, padding included.
    """

    def __init__(self, model: Any, work: Work, *, sequences: int | None = None, tokens: int | None = None):
        self._model, self._sequences = model, work.sequences
        lengths = [(len(one), f"{number:09}") for number, one in enumerate(self._sequences)]
        if tokens is not None:
            self._batches = plan(lengths, tokens)
        else:
            assert sequences is not None
            order = sorted(range(len(lengths)), key=lambda number: lengths[number])
            self._batches = [order[at : at + sequences] for at in range(0, len(order), sequences)]
        self.name = f"{sequences} sequences a batch" if tokens is None else f"{tokens:,} padded tokens a batch"

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        """Rewards [N, 2]."""
        rewards = torch.cat([self._rewards(batch) for batch in self._batches]).cpu()
        result = torch.empty(len(self._sequences))
        result[[number for batch in self._batches for number in batch]] = rewards
        return result.view(-1, 2)

    def _rewards(self, batch: Sequence[int]) -> torch.Tensor:
        ids = pad_sequence([torch.tensor(self._sequences[one]) for one in batch], True, _PAD).to(self._model.device)
        return self._model(input_ids=ids, use_cache=False).logits[:, 0].float()


@dataclass(frozen=True)
class Manner:
    """How TRL's trainer makes a step: `parts` times `at_once` pairs, with activations kept or computed again."""

    parts: int
    at_once: int
    checkpointing: bool

    @property
    def pairs(self) -> int:
        """Of a step."""
        return self.parts * self.at_once

    def __str__(self) -> str:
        again = "checkpointing" if self.checkpointing else "no checkpointing"
        return f"{self.parts} × {self.at_once} pairs, {again}"


DEFAULTS = Manner(1, RewardConfig.per_device_train_batch_size, RewardConfig.gradient_checkpointing)
BEST = Manner(4, 4, checkpointing=False)


class _InOrder(RewardTrainer):
    """In the order of the pairs."""

    def _get_train_sampler(self, *_: Any, **__: Any) -> SequentialSampler:
        assert isinstance(self.train_dataset, Dataset)
        return SequentialSampler(self.train_dataset)


def train_with_trl(model: Any, work: Work, manner: Manner, warm_pairs: int, clock: Clock) -> Steps:
    """TRL's `RewardTrainer` with LoRA on all linear layers over all pairs but those that are too few for a step."""
    watch = Stopwatch(clock)
    with tempfile.TemporaryDirectory() as folder:
        args = RewardConfig(
            output_dir=folder,
            per_device_train_batch_size=manner.at_once,
            gradient_accumulation_steps=manner.parts,
            gradient_checkpointing=manner.checkpointing,
            num_train_epochs=1,
            max_length=None,
            bf16=model.dtype == torch.bfloat16,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not clock.on_gpu,
        )
        trainer = _InOrder(
            model=model,
            args=args,
            train_dataset=_preferences(work),
            processing_class=_tokenizer(),
            peft_config=LoraConfig(
                r=16, lora_alpha=32, target_modules=TARGETS, modules_to_save=["score"], task_type="SEQ_CLS"
            ),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        return run_steps(trainer, watch, clock, warm_pairs // manner.pairs, len(work) - warm_pairs)


def _preferences(work: Work) -> Dataset:
    sequences = work.sequences
    return Dataset.from_dict({"chosen_ids": sequences[::2], "rejected_ids": sequences[1::2]})


def _tokenizer() -> PreTrainedTokenizerFast:
    """One that is never asked: the trainer wants to know what padding is."""
    words = Tokenizer(WordLevel({"<pad>": _PAD, "<s>": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


class PlainGeneration:
    """transformers' `generate` over prompts that are padded on the left."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], response_tokens: int):
        self._model, self._prompts, self._tokens = model, prompts, response_tokens

    def run(self) -> list[list[int]]:
        """Sampled responses of just so many tokens."""
        sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
        return self._generate(self._prompts, self._tokens, **sampling)

    def likeliest(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """The likeliest responses."""
        return self._generate(prompts, tokens, do_sample=False)

    @torch.no_grad()
    def _generate(self, prompts: Sequence[Sequence[int]], tokens: int, **how: Any) -> list[list[int]]:
        rows = [torch.tensor(prompt) for prompt in prompts]
        ids = pad_sequence(rows, True, _PAD, padding_side="left").to(self._model.device)
        length = {"min_new_tokens": tokens, "max_new_tokens": tokens}
        out = self._model.generate(
            input_ids=ids, attention_mask=(ids != _PAD).long(), use_cache=True, pad_token_id=_PAD, **length, **how
        )
        responses: list[list[int]] = out[:, ids.shape[1] :].tolist()
        return responses
