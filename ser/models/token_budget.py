"""How many tokens pass through a model at once: what its device has memory for, and half as many when it had not."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ser.data.batches import TOKENS
from ser.errors import SerError
from ser.models.device_memory import collect_garbage
from ser.models.model_config import PACKABLE
from ser.models.reward_model import RewardModel
from ser.models.states.kept import room_on_gpu
from ser.planning.memory import (
    MOST_TOKENS,
    Microbatch,
    choose_microbatch,
    logit_bytes_a_token,
    training_bytes_a_token,
    working_bytes_a_token,
)
from ser.planning.shape import ModelShape
from ser.specs import Lora

Result = TypeVar("Result")
_FEWEST = 128
"""Tokens a batch below which halving is given up: a pair that does not fit alone is not halved."""
_USED = 2 / 3
"""Share of the free memory that is planned with: what a token takes is known within a fifth, what is allocated in parts
does not fit together without gaps, and more tokens at once would be hardly faster."""


class TokenBudget:
    """How many tokens a batch holds, or a single longer pair."""

    def __init__(self, tokens: int = TOKENS):
        self.tokens = tokens

    @classmethod
    def for_scoring(cls, model: RewardModel, asked: int | None) -> "TokenBudget":
        """As many as were asked for; otherwise, on a GPU, as many as its memory allows."""
        if asked is not None or not _is_planned(model.device, model.classifier):
            return cls(asked or TOKENS)
        a_token = working_bytes_a_token(*_sizes(model.classifier))
        return cls(max(_FEWEST, min(MOST_TOKENS, int(_USED * room_on_gpu(model.device) / a_token))))

    @classmethod
    def for_training(
        cls, model: RewardModel, lora: Lora, asked: int | None, longest: int, step_tokens: float
    ) -> "TokenBudget":
        """The same where there is a way back; layers are computed again on it where `model` would not fit otherwise.

        Args:
            longest: tokens of the longest pair.
            step_tokens: of the pairs of a step, roughly.
        """
        if asked is not None or not _is_planned(model.device, model.classifier):
            return cls(asked or TOKENS)
        shape, itemsize = _sizes(model.classifier)
        free = _USED * room_on_gpu(model.device)
        chosen = choose_microbatch(shape, lora, itemsize, free, longest, step_tokens) or Microbatch(longest, True)
        model.checkpointing = chosen.checkpointing
        return cls(max(_FEWEST, chosen.tokens))

    @classmethod
    def for_policy(cls, policy: Any, lora: Lora, asked: int | None, longest: int, on_cpu: int) -> "TokenBudget":
        """The same of a policy (`ser.ppo.policy`), whose tokens' logits are kept too; `on_cpu` on a processor.

        Args:
            longest: tokens of the longest prompt with its response.
        """
        model = policy.language_model
        if not _is_planned(policy.device, model):
            return cls(on_cpu)
        if asked is not None:
            return cls(asked)
        shape, itemsize = _sizes(model)
        free = _USED * room_on_gpu(policy.device)

        def fitting(checkpointing: bool) -> int:
            saved = training_bytes_a_token(shape, lora, itemsize, checkpointing)
            return int(free / (saved + logit_bytes_a_token(shape, itemsize)))

        policy.checkpointing = fitting(False) < longest
        return cls(max(longest, min(MOST_TOKENS, fitting(policy.checkpointing))))

    def run(self, work: Callable[[int], Result], give_way: Callable[[], bool] = lambda: False) -> Result:
        """The result of `work` with so many tokens at once; whenever the GPU is out of memory, with half as many.

        `work` is begun anew each time. `give_way` is asked first, and says whether it has made room otherwise.

        Raises:
            SerError: not even a few fit.
        """
        while True:
            try:
                return work(self.tokens)
            except torch.OutOfMemoryError:
                pass  # and out of this block: until its traceback is gone, nothing of what it held is free
            collect_garbage()
            if not give_way():
                self._halve()

    def _halve(self) -> None:
        if self.tokens < 2 * _FEWEST:
            raise SerError(
                f"the GPU has not enough memory for {self.tokens} tokens at once beside the model.\n"
                "Set encoding.max_length lower or compute.weights to nf4, or use a GPU with more memory (`ser plan`)."
            )
        self.tokens //= 2
        warnings.warn(f"the GPU is out of memory: on with {self.tokens:,} tokens a batch", stacklevel=3)


def _is_planned(device: torch.device, model: Any) -> bool:
    """Whether it is a GPU's memory that decides, and how much a token takes of it is known."""
    return device.type == "cuda" and model.config.model_type in PACKABLE


def _sizes(model: Any) -> tuple[ModelShape, int]:
    """The shape of a model of transformers, and the bytes of one of its numbers."""
    return ModelShape.from_config(model.config.to_dict()), model.dtype.itemsize
