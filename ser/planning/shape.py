"""The sizes of a decoder as its configuration says them: all that memory and arithmetic follow from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ser.errors import SerError
from ser.models.model_config import PACKABLE
from ser.specs import Lora


@dataclass(frozen=True)
class ModelShape:
    """A decoder of the Llama family.

    Attributes:
        tied: whether the language-model head is the embedding itself.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ModelShape":
        """The shape that a config.json, or `model.config.to_dict()`, says.

        Raises:
            SerError: it is of another family, or lacks a size.
        """
        if config.get("model_type") not in PACKABLE:
            raise SerError(
                f"a plan is not proven for model type {config.get('model_type')!r}, only for {', '.join(PACKABLE)}.\n"
                "Name a model of these types."
            )
        try:
            heads, hidden = config["num_attention_heads"], config["hidden_size"]
            return cls(
                layers=config["num_hidden_layers"],
                hidden=hidden,
                intermediate=config["intermediate_size"],
                heads=heads,
                kv_heads=config.get("num_key_value_heads") or heads,
                head_dim=config.get("head_dim") or hidden // heads,
                vocabulary=config["vocab_size"],
                tied=bool(config.get("tie_word_embeddings", False)),
            )
        except KeyError as error:
            raise SerError(
                f"the model's configuration has no {error.args[0]}.\nName a complete model folder."
            ) from error

    @property
    def linear_sizes(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the linear layers of one decoder layer: q, k, v, o, gate, up, down."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = ((self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden))
        wide = (self.hidden, self.intermediate)
        return (*attention, wide, wide, (self.intermediate, self.hidden))

    @property
    def layer_parameters(self) -> int:
        """Weights of the linear layers of one decoder layer."""
        return sum(inputs * outputs for inputs, outputs in self.linear_sizes)

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embedding, and of the language-model head where that has its own."""
        return self.vocabulary * self.hidden

    def adapter_parameters(self, lora: Lora) -> int:
        """Weights of a LoRA adapter: A [r, in] and B [out, r] for every linear layer that it is on."""
        adapted = self.layers - lora.frozen_layers(self.layers)
        return adapted * lora.r * sum(inputs + outputs for inputs, outputs in self.linear_sizes)
