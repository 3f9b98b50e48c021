"""What is measured on: pairs of a dataset as texts for the peers and as token ids for us, and the embedded model."""

import json
import random
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from resources.artifacts import ArtifactStore
from resources.backbones import backbone
from resources.landing.comparison import Row
from resources.landing.shapes.reader import ShapeReader
from resources.launchers import in_process
from resources.settings import Backbone
from resources.settings_file import ROOT, data_root
from ser.data.encoding import EncodedPair, encode_pair
from ser.data.pairs import Pair, prompt_messages
from ser.models.tokenizer import load_tokenizer
from ser.progress import silent
from ser.specs import Encoding

FILES = {
    "hh_harmless": ROOT.parent / "shared" / "data" / "hh_harmless.jsonl",
    "sample": ROOT / "data" / "sample" / "pairs.jsonl",
}
MAX_LENGTH = Encoding().max_length


@dataclass(frozen=True)
class Workload:
    """`size` pairs of a dataset that fit into the maximum length, drawn by the number of a round."""

    dataset: str
    size: int
    round: int = 0

    def of_round(self, number: int) -> "Workload":
        """As many pairs, drawn anew."""
        return replace(self, round=number)

    @cached_property
    def rows(self) -> list[Row]:
        """The pairs with their labels."""
        return random.Random(self.round).sample(fitting(self.dataset), self.size)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that ours and the peers use."""
        return _tokenizer()

    @cached_property
    def encoded(self) -> list[EncodedPair]:
        """The pairs as token ids."""
        return [encode_pair(self.tokenizer, row.pair, MAX_LENGTH) for row in self.rows]

    def texts(self, pair: Pair) -> tuple[str, str]:
        """Prompt with response a, and with response b, in the chat template, each closed by the end token."""
        return _texts(pair)


@cache
def fitting(dataset: str) -> list[Row]:
    """All pairs of a dataset that fit, with their labels, in the order of their identities."""
    reader = ShapeReader()
    parsed = [row for line in FILES[dataset].read_text().splitlines() for row in reader.read(json.loads(line))]
    known = {row.pair.pair_id: row for row in parsed if isinstance(row, Row)}
    fit = [row for row in known.values() if max(_lengths(row.pair)) <= MAX_LENGTH]
    return sorted(fit, key=lambda row: row.pair.pair_id)


@cache
def _tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(model_folder())


def _texts(pair: Pair) -> tuple[str, str]:
    prompt = _tokenizer().apply_chat_template(prompt_messages(pair.prompt), add_generation_prompt=True, tokenize=False)
    end = _tokenizer().eos_token
    return f"{prompt}{pair.response_a}{end}", f"{prompt}{pair.response_b}{end}"


def _lengths(pair: Pair) -> list[int]:
    return [len(ids) for ids in _tokenizer()(list(_texts(pair)), add_special_tokens=False)["input_ids"]]


def model_folder() -> Path:
    """The embedded model, converted once into the data root."""
    store = ArtifactStore(data_root() / "artifacts", in_process)
    return backbone(Backbone(), store, silent).path
