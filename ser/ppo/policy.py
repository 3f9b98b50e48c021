"""The policy and all that it is trained against, as adapters and heads over one backbone in memory."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import nn

from ser.models.adapters import save_adapter
from ser.models.backbone import load_model
from ser.models.decoding import Decoder
from ser.models.engines import Places, is_flat, run_layers, states_at
from ser.models.generation import Generated, generate
from ser.models.lora import compute_in_backbone_type
from ser.models.reward_model import first_adapted, load_onto, lora_config, members_of
from ser.ppo.layout import Layout
from ser.ppo.objective import entropy
from ser.ppo.sequences import Sequences
from ser.specs import Arithmetic, Lora, Scale

POLICY, REWARD = "policy", "reward"


@dataclass
class Evaluation:
    """What the policy thinks of responses, each [B, T]: log-probabilities, values and entropies of their tokens."""

    logprobs: torch.Tensor
    values: torch.Tensor
    entropy: torch.Tensor


@dataclass
class Survey:
    """What stays the same while the policy trains on a rollout; what is [B, T] is 0 outside the mask.

    Attributes:
        logprobs, values: [B, T] of the policy as it is now.
        reference: [B, T] log-probabilities under the reference policy, which is the backbone itself.
        rewards: [B] raw rewards.
        trunk: for each response its states [tokens, H] below the policy's first adapted layer; None when all layers are
            adapted.
    """

    logprobs: torch.Tensor
    values: torch.Tensor
    reference: torch.Tensor
    rewards: torch.Tensor
    trunk: list[torch.Tensor] | None


class Policy(nn.Module):
    """A language model with an adapter "policy" (trainable), one "reward_m" (frozen) a member, and a value head.

    The model is always in evaluation mode: dropout would make the ratio of two passes differ from 1 by chance.

    Attributes:
        trunk: how many layers at the bottom have no policy adapter.
        checkpointing: whether a backward pass computes each layer again, for less memory.
    """

    checkpointing = False

    def __init__(
        self, model: PeftModel, reward_heads: Sequence[torch.Tensor], scales: Sequence[Scale], temperature: float
    ):
        super().__init__()
        self.model = model
        self.value_head = nn.Linear(model.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        self.reward_heads = nn.Buffer(torch.stack(list(reward_heads)))
        self._members = [f"{REWARD}_{member}" for member in range(len(reward_heads))]
        self._scales = scales
        self.temperature = temperature
        self.to(model.device)
        self.trunk = first_adapted(model.peft_config[POLICY])
        self._reward_trunk = min(first_adapted(model.peft_config[name]) for name in self._members)
        model.set_adapter(POLICY)
        self._decoder = Decoder(self.language_model)
        self.eval()

    @classmethod
    def new(
        cls,
        backbone: Path,
        reward_model: Path,
        lora: Lora,
        arithmetic: Arithmetic,
        random_seed: int,
        temperature: float = 1.0,
        scales: Sequence[Scale] = (),
    ) -> "Policy":
        """A policy that acts like the backbone, on a device, to be trained against the reward model in a folder.

        Of an ensemble it is the mean of the members, which `scales` make comparable (`ser.method.ensemble.combine`).

        Its random start is drawn on the processor, so that it is the same on every device.
        """
        model = load_model(backbone, "causal_lm", arithmetic)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_seed)
            config = lora_config(lora, model.config, task_type="CAUSAL_LM")
            peft = get_peft_model(model, config, adapter_name=POLICY)
            members = members_of(reward_model)
            heads = [load_onto(peft, folder, f"{REWARD}_{member}") for member, folder in enumerate(members)]
            compute_in_backbone_type(peft)
            return cls(peft, heads, scales, temperature)

    @property
    def device(self) -> torch.device:
        """Where the models lie, and whatever is computed with them."""
        return self.reward_heads.device

    @property
    def language_model(self) -> Any:
        """The causal language model, through whichever adapter is on."""
        return self.model.get_base_model()

    def trainable(self) -> dict[str, nn.Parameter]:
        """The policy adapter's and the value head's parameters by name, and nothing else."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def generate(
        self, prompts: Sequence[Sequence[int]], response_tokens: int, end_token: int, draws: torch.Tensor
    ) -> Generated:
        """Sampled responses. How likely they were is not asked of these kernels, but of those that train: `survey`."""
        return generate(self._decoder, prompts, response_tokens, end_token, self.temperature, draws)

    def give_way(self) -> bool:
        """Free what the last generation left behind; whether that was anything."""
        return self._decoder.free()

    def evaluate(self, sequences: Sequences, trunk: Sequence[torch.Tensor] | None = None) -> Evaluation:
        """Run the policy over responses, with gradients. `trunk` are the states of a `Survey` of these rows."""
        layout = self._layout(sequences)
        hidden = None if trunk is None else layout.batch.join(trunk)
        logits, values = self._act(layout, hidden)
        with torch.no_grad():
            spread = entropy(logits)
        return Evaluation(*map(layout.spread, (_logprobs(logits, layout.tokens), values, spread)))

    @torch.no_grad()
    def survey(self, sequences: Sequences, parts: Iterable[torch.Tensor]) -> Survey:
        """Survey the sequences, the rows of each of `parts` at once.

        The last bits of a row depend on what is beside it. `evaluate` of the same parts repeats `logprobs` and
        `values` exactly, and an untrained policy's `logprobs` are exactly its `reference`.
        """
        mask, device = sequences.mask, self.device
        logprobs, values, reference = (torch.zeros(mask.shape, device=device) for _ in range(3))
        trunk: list[torch.Tensor] | None = [torch.empty(0)] * len(sequences) if self.trunk else None
        whole = Survey(logprobs, values, reference, torch.zeros(len(mask), device=device), trunk)
        for index in parts:
            part = sequences.rows(index)
            survey, outside = self._survey(part), ~part.mask
            steps = outside.shape[1]
            whole.logprobs[index, :steps] = survey.logprobs.masked_fill(outside, 0.0)
            whole.values[index, :steps] = survey.values.masked_fill(outside, 0.0)
            whole.reference[index, :steps] = survey.reference.masked_fill(outside, 0.0)
            whole.rewards[index] = survey.rewards
            if trunk is not None and survey.trunk is not None:
                for row, states in zip(index.tolist(), survey.trunk, strict=True):
                    trunk[row] = states
        return whole

    def _survey(self, sequences: Sequences) -> Survey:
        """One part of a survey. The layers below both adapters are run once for all."""
        decoder, layout = self.language_model.model, self._layout(sequences)
        at: dict[int, torch.Tensor | None] = {0: None}
        with self.model.disable_adapter():
            for low, high in pairwise(sorted({0, self.trunk, self._reward_trunk})):
                at[high] = run_layers(decoder, layout.batch, low, high, at[low])
            top = max(at)
            states = self._states(layout, layout.before, at[top], top)
        reference = _logprobs(self._logits(states), layout.tokens)
        rewards = self._rewards(layout, at[self._reward_trunk])
        trunk = at[self.trunk]
        logits, values = self._act(layout, trunk)
        return Survey(
            layout.spread(_logprobs(logits, layout.tokens)),
            layout.spread(values),
            layout.spread(reference),
            rewards,
            None if trunk is None else list(layout.batch.split(trunk)),
        )

    def _rewards(self, layout: Layout, hidden: torch.Tensor | None) -> torch.Tensor:
        """The ensemble's rewards [B], from the states below the lowest layer that a reward adapter changes."""
        rewards = []
        for name, head in zip(self._members, self.reward_heads, strict=True):
            with _adapter(self.model, name):
                ends = self._states(layout, layout.ends, hidden, self._reward_trunk)
            rewards.append(nn.functional.linear(ends.float(), head).flatten())
        if len(rewards) == 1:
            return rewards[0]
        scaled = [(one - scale.offset) / scale.temperature for one, scale in zip(rewards, self._scales, strict=True)]
        return torch.stack(scaled).mean(0)

    def save(self, out: Path) -> None:
        """Write `policy/`, a PEFT folder, and `value_head.safetensors` into `out`."""
        save_adapter(self.model, out, POLICY)
        head = {name: tensor.detach().cpu() for name, tensor in self.value_head.state_dict().items()}
        save_file(head, out / "value_head.safetensors")

    def _layout(self, sequences: Sequences) -> Layout:
        return Layout.of(sequences, flat=is_flat(self.language_model))

    def _act(self, layout: Layout, trunk: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The policy's logits [B, T, V] and values [B, T] where the response tokens are predicted, or flat ones."""
        states = self._states(layout, layout.before, trunk, self.trunk)
        return self._logits(states), self.value_head(states.float()).squeeze(-1)

    def _states(self, layout: Layout, places: Places, hidden: torch.Tensor | None, first: int) -> torch.Tensor:
        """The last states at `places`, from those before layer `first` if they are known, else from the tokens."""
        start = 0 if hidden is None else first
        how = {"checkpointing": self.checkpointing}
        return states_at(self.language_model.model, layout.batch, start, places, hidden, **how)

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        return self.language_model.lm_head(states).float() / self.temperature


@contextmanager
def _adapter(model: PeftModel, name: str) -> Iterator[None]:
    """Run with another adapter, frozen, and with the policy's afterwards."""
    model.set_adapter(name, inference_mode=True)
    try:
        yield
    finally:
        model.set_adapter(POLICY)


def _logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """log softmax(logits)[token], of the shape of `tokens`."""
    return torch.log_softmax(logits, dim=-1).gather(-1, tokens[..., None]).squeeze(-1)
