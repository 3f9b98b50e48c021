"""A reward model with its tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ser.data.batches import plan
from ser.data.encoding import EncodedPair, check_tokens, encode_pair
from ser.data.pairs import Pair
from ser.method.scored import Scored
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import check_window, load_tokenizer
from ser.specs import Arithmetic, Encoding, Lora


@dataclass(frozen=True)
class TextRewardModel:
    """A reward model with the tokenizer of its backbone: it scores texts."""

    tokenizer: PreTrainedTokenizerBase
    encoding: Encoding
    reward_model: RewardModel

    @classmethod
    def new(
        cls, backbone: Path, lora: Lora, encoding: Encoding, arithmetic: Arithmetic, random_seed: int
    ) -> "TextRewardModel":
        """An untrained reward model."""
        check_window(backbone, encoding.max_length)
        return cls(load_tokenizer(backbone), encoding, RewardModel.new(backbone, lora, arithmetic, random_seed))

    @classmethod
    def load(cls, backbone: Path, adapter: Path, encoding: Encoding, arithmetic: Arithmetic) -> "TextRewardModel":
        """A saved reward model, which can be trained on."""
        check_window(backbone, encoding.max_length)
        model = RewardModel.load(backbone, adapter, arithmetic, trainable=True)
        return cls(load_tokenizer(backbone), encoding, model)

    def encode(self, pair: Pair) -> EncodedPair:
        """The tokens of a pair, whose responses must fit into `encoding.max_length`."""
        encoded = encode_pair(self.tokenizer, pair, self.encoding.max_length)
        check_tokens(encoded, self.reward_model.classifier.get_input_embeddings().num_embeddings)
        return encoded

    def score(self, pairs: Sequence[Pair]) -> list[Scored]:
        """The rewards of pairs, in their order."""
        encoded = [self.encode(pair) for pair in pairs]
        rewards: dict[int, list[float]] = {}
        for rows in plan([(len(pair), pair.pair_id) for pair in encoded]):
            rewards.update(zip(rows, self.reward_model.score(encoded[row] for row in rows).tolist(), strict=True))
        return [Scored(pair.pair_id, *rewards[row]) for row, pair in enumerate(pairs)]

    def save(self, folder: str | Path) -> None:
        """Write the adapter and the head as a PEFT folder, for `load`."""
        self.reward_model.save(Path(folder))
