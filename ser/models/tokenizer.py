"""The tokenizer of a model folder, and how long the sequences of a model may be; neither needs torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.utils import logging

from ser.data.chat import end_of_turn
from ser.errors import SerError, shortened
from ser.models.folder_files import loading, read_json, unreadable
from ser.models.model_config import PACKABLE, read_config

GROWING = ("dynamic", "longrope")
"""Types of rotary embeddings that change with the longest sequence of a batch."""

_OPENED = ("vocab", "merges", "gguf_file")
"""What transformers takes from a tokenizer's configuration and opens, wherever that is, if it is a text."""

# A language model loaded with a new reward head is what we want, not something to be warned about.
logging.set_verbosity_error()
logging.disable_progress_bar()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder; its end token is the one with which the model ends what it says.

    Its padding token is a special one that is not the end token, or None where there is no such token.

    Raises:
        SerError: the folder is not a model, is damaged, holds code, or has no end token.
    """
    tokenizer = read_tokenizer(folder)
    choose_tokens(folder, tokenizer)
    return tokenizer


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder as it is there.

    Raises:
        SerError: the folder is not a model, is damaged or holds code.
    """
    read_config(folder)
    _refuse_other_files(folder)
    return loading(folder, lambda: _read_tokenizer(folder))


def _read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise TypeError(f"{type(tokenizer).__name__} is no tokenizer of one model")
    return tokenizer


def choose_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a tokenizer that was read from a folder the end token and the padding token of `load_tokenizer`.

    Raises:
        SerError: it has no end token, and its chat template writes none.
    """
    end = end_of_turn(tokenizer)
    if end is not None and end != tokenizer.eos_token:
        tokenizer.eos_token = end
    if tokenizer.eos_token_id is None:
        raise SerError(f"{folder}: the tokenizer has no end-of-sequence token. Use an instruct model's folder.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # Padding that looks like the end of a response would move the place where its reward is read. An ordinary
        # token would become a special one, which texts lose, wherever the tokenizer is saved and loaded again.
        special = [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special]
        tokens = [token for token in (tokenizer.unk_token, *special) if token not in (None, tokenizer.eos_token)]
        tokenizer.pad_token = next((token for token in tokens if _is_never_written(tokenizer, token)), None) or next(
            iter(tokens), None
        )


def _is_never_written(tokenizer: PreTrainedTokenizerBase, token: str) -> bool:
    """Whether no conversation has a token in it: Llama 3 has none for what is unknown, and begins with its first."""
    return token == tokenizer.unk_token or "pad" in token or "reserved" in token


def _refuse_other_files(folder: Path) -> None:
    """Refuse a tokenizer that tokenizer_config.json places elsewhere, where nobody has looked at it."""
    path = folder / "tokenizer_config.json"
    if not path.exists():
        return
    try:
        said = read_json(path)
    except (OSError, ValueError) as error:
        raise unreadable(folder, f"{path.name}: {shortened(error)}") from error
    versions = said.get("fast_tokenizer_files", [])
    for name in versions if isinstance(versions, list) else [versions]:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".json"):
            raise unreadable(folder, f"{path.name} names {str(name)[:100]!r}, which is no JSON file of the folder")
    for key in _OPENED:
        if isinstance(said.get(key), str):
            raise unreadable(folder, f"{path.name} names the file {said[key][:100]!r} in {key}, which is never opened")


def load_config(folder: Path, options: Mapping[str, Any] | None = None) -> PreTrainedConfig:
    """The configuration of a model folder as transformers understands it, with `options` in place of what it says.

    Raises:
        SerError: the folder is not a model, is damaged, holds code, or asks for what no setting asks for.
    """
    read_config(folder)
    config = loading(folder, lambda: AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
    for name, value in (options or {}).items():
        setattr(config, name, value)
    return config


def embedding_rows(folder: Path) -> int:
    """How many tokens the model in a folder knows: each is less than this.

    Raises:
        SerError: as `load_config`, and where the configuration does not say it.
    """
    rows = getattr(load_config(folder).get_text_config(), "vocab_size", None)
    if not isinstance(rows, int):
        raise unreadable(folder, "config.json says no vocab_size")
    return rows


def check_window(folder: Path, max_length: int) -> None:
    """Refuse a model that computes sequences of up to `max_length` tokens otherwise than shorter ones.

    A packed mask has no sliding window; and rotary embeddings that change with the longest sequence of a batch would
    make a reward depend on what it is scored beside.

    Raises:
        SerError: names the largest `max_length` that goes.
    """
    config = load_config(folder)
    if config.model_type not in PACKABLE:
        return
    window = _count(folder, "sliding_window", getattr(config, "sliding_window", None))
    if window and window < max_length:
        raise SerError(
            f"{folder}: its attention reaches back {window} tokens, which packed pairs of up to {max_length} do not "
            f"respect. Set encoding.max_length to at most {window}."
        )
    rope = getattr(config, "rope_parameters", None) or {}
    original = _count(folder, "original_max_position_embeddings", rope.get("original_max_position_embeddings"))
    trained = original or _count(folder, "max_position_embeddings", config.max_position_embeddings)
    if rope.get("rope_type") in GROWING and trained < max_length:
        raise SerError(
            f"{folder}: beyond {trained} tokens its {rope['rope_type']} rotary embeddings change with the length of "
            f"the batch. Set encoding.max_length to at most {trained}."
        )


def _count(folder: Path, key: str, value: Any) -> int:
    """A number of tokens, and 0 for none."""
    if value is not None and (type(value) is not int or value < 1):
        raise unreadable(folder, f"{key} in config.json is {str(value)[:40]!r}, which is no number of tokens")
    return value or 0
