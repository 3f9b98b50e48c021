"""Models as folders that transformers and PEFT load without any code of ours."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ser.errors import SerError
from ser.export.scoring_template import scoring_template
from ser.models.adapters import load_adapter
from ser.models.backbone import DTYPES, load_model
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic

MERGED, ADAPTER, BACKBONE = "merged", "adapter", "backbone"
"""What an export consists of; the backbone only where no hub has it."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "generation_config.json")


@dataclass(frozen=True)
class Base:
    """Where an adapter finds its backbone: a hub id with its commit, or (without one) the folder of a copy."""

    name: str
    revision: str | None = None


def write_reward_model(backbone: Path, adapter: Path, dtype: str, base: Base, out: Path) -> None:
    """Write a reward model as `out/merged`, a sequence classifier with one label, and `out/adapter`.

    Both have the arithmetic `dtype` of the run, a chat template that ends a conversation at the end token, and a
    padding token other than it: so the last token that is not padding, from which transformers reads the score, is
    the one that the reward model was trained to be read at.

    Raises:
        SerError: the tokenizer has no token to pad with.
    """
    tokenizer = _padding_tokenizer(backbone)
    tokenizer.chat_template = scoring_template(tokenizer)
    tokenizer.padding_side, tokenizer.truncation_side = "right", "left"
    model = RewardModel.load(backbone, adapter, Arithmetic(dtype=dtype), merged=True).classifier
    _write_merged(model, tokenizer, dtype, out / MERGED)
    _write_adapter(adapter, tokenizer, base, out / ADAPTER)
    if base.revision is None:
        one_label = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        _copy_backbone(backbone, tokenizer, dtype, out / BACKBONE, one_label)


def write_policy(backbone: Path, adapter: Path, dtype: str, base: Base, out: Path) -> None:
    """Write a policy as `out/merged`, a causal language model, and `out/adapter`.

    Raises:
        SerError: the tokenizer has no token to pad with.
    """
    tokenizer = _padding_tokenizer(backbone)
    tokenizer.padding_side = "left"
    plain = load_model(backbone, "causal_lm", Arithmetic(dtype=dtype))
    model: Any = load_adapter(plain, adapter, "CAUSAL_LM").merge_and_unload()
    model.config.use_cache = True
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    known = model.generation_config.eos_token_id
    if tokenizer.eos_token_id not in (known if isinstance(known, list) else [known]):
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    _write_merged(model, tokenizer, dtype, out / MERGED)
    _write_adapter(adapter, tokenizer, base, out / ADAPTER)
    if base.revision is None:
        _copy_backbone(backbone, tokenizer, dtype, out / BACKBONE)


def _padding_tokenizer(backbone: Path) -> PreTrainedTokenizerBase:
    tokenizer = load_tokenizer(backbone)
    if tokenizer.pad_token is None:
        raise SerError(
            f"{backbone}: the tokenizer has no special token besides {tokenizer.eos_token}, so nothing can pad a batch "
            "of an export.\nAdd one to the tokenizer (and a row to the embedding) and train on that backbone."
        )
    return tokenizer


def _write_merged(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dtype: str, out: Path) -> None:
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model.to(DTYPES[dtype]).save_pretrained(out)  # type: ignore[arg-type]
    _write_tokenizer(tokenizer, out)


def _write_adapter(adapter: Path, tokenizer: PreTrainedTokenizerBase, base: Base, out: Path) -> None:
    out.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(adapter / name, out / name)
    place = {"base_model_name_or_path": base.name, "revision": base.revision}
    _edit(out / "adapter_config.json", place)
    _write_tokenizer(tokenizer, out)


def _copy_backbone(
    backbone: Path, tokenizer: PreTrainedTokenizerBase, dtype: str, out: Path, more: Mapping[str, Any] | None = None
) -> None:
    """A copy of the weights whose configuration says how the adapter was trained over them, so that nobody has to."""
    out.mkdir()
    for pattern in _WEIGHTS:
        for path in backbone.glob(pattern):
            shutil.copyfile(path, out / path.name)
    shutil.copyfile(backbone / "config.json", out / "config.json")
    _edit(out / "config.json", {"dtype": dtype, "pad_token_id": tokenizer.pad_token_id, **(more or {})})
    _write_tokenizer(tokenizer, out)


def _write_tokenizer(tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    tokenizer.save_pretrained(out)
    # Not all tokenizers remember their sides. Where the backbone lay is nobody's business.
    sides = {"padding_side": tokenizer.padding_side, "truncation_side": tokenizer.truncation_side}
    _edit(out / "tokenizer_config.json", sides, drop=("name_or_path",))


def _edit(path: Path, changes: Mapping[str, Any], drop: tuple[str, ...] = ()) -> None:
    """Change and drop top-level keys of a JSON file."""
    content = json.loads(path.read_text()) | dict(changes)
    kept = {key: value for key, value in content.items() if key not in drop}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
