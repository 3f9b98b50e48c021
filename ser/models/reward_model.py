"""The reward model: a LoRA adapter and a scalar head over the backbone, saved as safetensors."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from ser.data.encoding import EncodedPair
from ser.data.packing import PackedBatch, unpack
from ser.errors import SerError
from ser.models.adapters import add_adapter, load_adapter, read_adapter, save_adapter
from ser.models.backbone import load_model
from ser.models.engines import Batch, batch_of, run_layers, states_at
from ser.models.lora import compute_in_backbone_type
from ser.models.model_config import PACKABLE, read_config
from ser.models.nf4 import is_in_four_bits
from ser.specs import Arithmetic, Lora

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora_config(lora: Lora, config: Any, **more) -> LoraConfig:
    """The PEFT configuration of an adapter on the linear layers above the trunk of a model with `config`.

    A model that cannot be packed has no trunk: all its linear layers are adapted.
    """
    if config.model_type in PACKABLE:
        layers = config.num_hidden_layers
        where: dict[str, Any] = {
            "target_modules": TARGETS,
            "layers_to_transform": list(range(lora.frozen_layers(layers), layers)),
        }
    else:
        where = {"target_modules": "all-linear"}
    return LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, **where, **more)


class RewardModel(nn.Module):
    """A scalar reward for each response of a packed pair.

    Attributes:
        model: the sequence classifier with its adapter (a `PeftModel`), or merged into a plain model.
        trunk: how many layers at the bottom are the backbone's own, and may be computed once per pair.
        checkpointing: whether a backward pass computes each layer again, for less memory.
    """

    checkpointing = False

    def __init__(self, model: Any, trunk: int):
        super().__init__()
        self.model: Any = model
        self.trunk = trunk

    @classmethod
    def new(cls, backbone: Path, lora: Lora, arithmetic: Arithmetic, random_seed: int) -> "RewardModel":
        """An untrained reward model: the adapter does nothing yet, and the head is small and random.

        What is random is drawn on the processor, so that it begins alike on every device.
        """
        return cls.over(load_model(backbone, "reward", arithmetic), lora, random_seed)

    @classmethod
    def over(cls, model: Any, lora: Lora, random_seed: int) -> "RewardModel":
        """The same over a backbone with a reward head that is loaded already, which becomes a part of it."""
        torch.manual_seed(random_seed)
        config = lora_config(lora, model.config, modules_to_save=["score"], task_type="SEQ_CLS")
        peft = get_peft_model(model, config)
        _to_float32(peft)
        compute_in_backbone_type(peft)
        for name, parameter in peft.named_parameters():
            if "score" in name and parameter.requires_grad:
                parameter.data.copy_(nn.init.normal_(torch.empty(parameter.shape), std=0.02))
        return cls(peft, first_adapted(config))

    @classmethod
    def load(
        cls, backbone: Path, adapter: Path, arithmetic: Arithmetic, *, trainable: bool = False, merged: bool = False
    ) -> "RewardModel":
        """A saved reward model. `merged` folds the adapter into the weights, in whatever type they are."""
        model: Any = load_model(backbone, "reward", arithmetic)
        model.score.float()  # before PEFT copies it and loads what was saved into the copy
        peft = load_adapter(model, adapter, "SEQ_CLS", trainable=trainable)
        _to_float32(peft)
        compute_in_backbone_type(peft)
        config: Any = peft.peft_config["default"]
        return cls(peft.merge_and_unload() if merged else peft, first_adapted(config)).eval()

    def save(self, folder: Path, state: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write the adapter and the head as a PEFT folder.

        `state` is the whole model's state dict, where what lies in its parameters is only a shard of them.
        """
        assert isinstance(self.model, PeftModel)
        own = state and {name.removeprefix("model."): value for name, value in state.items()}
        save_adapter(self.model, folder, state=own)

    @property
    def classifier(self) -> Any:
        """The sequence classifier without PEFT around it."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.classifier.score.weight.device

    def batch_of(self, pairs: Sequence[EncodedPair]) -> Batch:
        """Some pairs as the layers take them, where the model lies."""
        return batch_of(self.classifier, pairs, self.device)

    def trunk_states(self, batch: Batch) -> torch.Tensor:
        """Hidden states after the trunk: the same for every reward model over one backbone."""
        with torch.no_grad():
            return run_layers(self.classifier.model, batch, 0, self.trunk)

    def forward(self, batch: Batch, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Rewards [B, 2] of response a and response b, in float32: the one door to the model.

        `hidden` are the pairs' states after the trunk, if they are already known.
        """
        if self.classifier.config.model_type not in PACKABLE:
            assert isinstance(batch, PackedBatch)
            return self._plain_rewards(batch)
        if hidden is None:
            hidden = self.trunk_states(batch)
        how = {"checkpointing": self.checkpointing}
        ends = states_at(self.classifier.model, batch, self.trunk, batch.ends, hidden, **how)
        return self.classifier.score(ends.float()).view(-1, 2)

    def _plain_rewards(self, batch: PackedBatch) -> torch.Tensor:
        """The same from two plain sequences for every pair, through the model's own forward pass."""
        input_ids, ends = unpack(batch)
        hidden = self.classifier.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
        rows = torch.arange(len(ends), device=hidden.device)
        return self.classifier.score(hidden[rows, ends].float()).view(-1, 2)

    @torch.inference_mode()
    def score(self, pairs: Iterable[EncodedPair]) -> torch.Tensor:
        """Rewards [N, 2] of a few pairs in one batch."""
        return self(self.batch_of(list(pairs)))


def load_to_score(backbone: Path, adapter: Path, arithmetic: Arithmetic) -> RewardModel:
    """A saved reward model to score with: merged, which is faster, where that loses nothing.

    A bfloat16 weight has 8 bits, and others 4: of an update below half of their spacing nothing would be left.
    """
    exact = arithmetic.dtype == "float32" and arithmetic.weights == "full"
    return RewardModel.load(backbone, adapter, arithmetic, merged=exact)


def fold_in(peft: Any) -> Any:
    """The model under an adapter, with the adapter folded into its weights where that loses nothing."""
    if peft.dtype == torch.float32 and not is_in_four_bits(peft):
        return peft.merge_and_unload()
    compute_in_backbone_type(peft)
    return peft.get_base_model()


def trunk_layers(backbone: Path, lora: Lora) -> int:
    """How many layers at the bottom of a model folder such an adapter leaves as they are."""
    config = read_config(backbone)
    return lora.frozen_layers(config["num_hidden_layers"]) if config["model_type"] in PACKABLE else 0


def first_adapted(config: Any) -> int:
    """The lowest layer that an adapter with this PEFT configuration changes."""
    return min(config.layers_to_transform or [0])


def members_of(folder: Path) -> list[Path]:
    """The folders of an ensemble's members, `member_0`, `member_1` …; of a single reward model the folder itself."""
    members = sorted(folder.glob("member_*"), key=lambda path: int(path.name.removeprefix("member_")))
    return members or [folder]


def load_onto(model: PeftModel, adapter: Path, name: str) -> torch.Tensor:
    """Load the adapter of a saved reward model under `name` onto a PEFT language model over the same backbone.

    Returns the reward head's weight [1, H]: one backbone in memory serves the policy and the reward.
    """
    state, config = read_adapter(adapter, "SEQ_CLS")
    heads = {key: state.pop(key) for key in list(state) if ".score." in key}
    if [tuple(head.shape) for head in heads.values()] != [(1, model.config.hidden_size)]:
        raise SerError(f"the reward model in {adapter} has no head over states of {model.config.hidden_size} numbers.")
    add_adapter(model, adapter, state, config, name)
    return heads.popitem()[1].float()


def _to_float32(model: nn.Module) -> None:
    """Adapters and heads are small: keep them in float32 even over a bfloat16 backbone."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad or "lora_" in name or "score" in name:
            parameter.data = parameter.data.float()
