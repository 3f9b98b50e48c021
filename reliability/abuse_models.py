"""Model folders that are damaged or hostile: each is refused by name, within the limits of time and memory."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reliability.abuse import Case

Change = Callable[[Path], object]
_LAYER = "model.layers.3.self_attn.q_proj.weight"
_ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
_TEXTS = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def use(folder: Path, root: Path) -> str:
    """Find a model and load it as a run does; say what it is refused with."""
    from ser.errors import SerError

    try:
        load(folder, root)
    except SerError as error:
        text = str(error)
        if len(text.splitlines()) > 2:
            raise AssertionError(f"more than two lines: {text}") from error
        return f"refused: {text.replace(str(folder), '…')[:160]}".replace("|", "¦").replace("\n", " ")
    raise AssertionError("it was loaded")


def load(folder: Path, root: Path) -> str:
    """The same of a folder that must load."""
    from resources.artifacts import ArtifactStore
    from resources.backbones import backbone
    from resources.launchers import in_process
    from resources.settings import Backbone
    from ser.progress import silent
    from ser.specs import Arithmetic

    found = backbone(Backbone(model=str(folder)), ArtifactStore(root / "artifacts", in_process), silent).path
    from ser.models.backbone import load_model  # after the trial, whose memory torch would be added to
    from ser.models.tokenizer import load_tokenizer

    load_tokenizer(found)
    load_model(found, "reward", Arithmetic())
    load_model(found, "causal_lm", Arithmetic())
    return "loaded"


def model(change: Change) -> Callable[[Path], None]:
    """A maker of the tiny model with something done to it."""

    def make(folder: Path) -> None:
        from tests.tiny import write_backbone

        write_backbone(folder)
        change(folder)

    return make


def configured(**values: Any) -> Change:
    """Other values in config.json."""
    return lambda folder: _edit(folder / "config.json", values)


def tokenizer(**values: Any) -> Change:
    """Other values in tokenizer.json."""
    return lambda folder: _edit(folder / "tokenizer.json", values)


def _edit(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def template(text: str) -> Change:
    """Another chat template."""
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def weights(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """Other weights."""

    def change(folder: Path) -> None:
        from safetensors.numpy import load_file, save_file

        path = folder / "model.safetensors"
        save_file(edit(load_file(path)), path, {"format": "pt"})

    return change


def header(data: bytes, length: int | None = None) -> Change:
    """A file of weights with this for a header, which says that it has `length` bytes."""
    text = struct.pack("<Q", len(data) if length is None else length) + data
    return lambda folder: (folder / "model.safetensors").write_bytes(text)


def _fifo(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def _elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to("../elsewhere.safetensors")


def _index(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": {_LAYER: name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


_CHANGES: dict[str, Change] = {
    "without a layer": weights(lambda held: {key: one for key, one in held.items() if ".layers.3." not in key}),
    "under another prefix": weights(lambda held: {f"module.{key}": one for key, one in held.items()}),
    "of NaN": weights(lambda held: {key: one * float("nan") for key, one in held.items()}),
    "of integers": weights(lambda held: held | {_LAYER: held[_LAYER].astype("int8")}),
    "of another shape": weights(lambda held: held | {_LAYER: held[_LAYER].reshape(64, 16)}),
    "without weights": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "with a header of a terabyte": header(b"{}", 2**40),
    "with a header nested a million deep": header(b'{"a":' + b"[" * 1_000_000),
    "with a pipe for weights": _fifo,
    "with weights elsewhere": _elsewhere,
    "with an index out of the folder": _index("../../x.safetensors"),
    "with a shard that is missing": _index("model-00001-of-00001.safetensors"),
    "with its weights under two names": weights(
        lambda held: held | {key.removeprefix("model."): one * 2 for key, one in held.items()}
    ),
    "with a tied head of its own": weights(
        lambda held: held | {"lm_head.weight": held["model.embed_tokens.weight"] * 2}
    ),
    "with a configuration elsewhere": configured(configuration_files=["../config.4.0.0.json"]),
    "with a tokenizer of another folder": lambda folder: _edit(
        folder / "tokenizer_config.json", {"fast_tokenizer_files": ["../tokenizer.4.0.0.json"]}
    ),
    "that computes no number": configured(rms_norm_eps=-1e30),
    "with a million layers": configured(num_hidden_layers=1_000_000),
    "with a thousand layers": configured(num_hidden_layers=1_000),
    "with a billion labels": configured(num_labels=10**9),
    "with a vocabulary of 10^12": configured(vocab_size=10**12),
    "a billion wide": configured(intermediate_size=10**9),
    "with attention from a hub": configured(attn_implementation="someone/attention"),
    "quantised unasked": configured(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "with a template without an end": template(_TEXTS + _ENDLESS),
    "with one for system messages": template(
        f"{{% if messages[0]['role'] == 'system' %}}{_ENDLESS}{{% endif %}}{_TEXTS}"
    ),
    "with a template of a terabyte": template("{{ 'x' * 10**12 }}"),
    "with a template of 600 MB": template(_TEXTS + "{{ 'x' * 600000000 }}"),
    "with a template that doubles": template(
        "{% set n = namespace(a='x') %}{% for i in range(60) %}{% set n.a = n.a + n.a %}{% endfor %}" + _TEXTS
    ),
    "with a template without an end after twenty turns": template(
        f"{{% if messages | length > 20 %}}{_ENDLESS}{{% endif %}}{_TEXTS}"
    ),
    "with a template of itself": template("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    "with a template that says nothing": template("You are kind."),
    "with a pattern without an end": tokenizer(
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    ),
    "with a letter that becomes a million": tokenizer(
        normalizer={"type": "Sequence", "normalizers": [_replace("a", "a" * 1000), _replace("a", "a" * 1000)]}
    ),
    "with a tokenizer that crashes": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA////"}),
    "with half a tokenizer": lambda folder: os.truncate(folder / "tokenizer.json", 9000),
}
"""What is done to a tiny model, by how the model is to be called then."""

CASES = [
    *(Case(f"a model {name}", model(change), use) for name, change in _CHANGES.items()),
    Case("a model as it was written", model(lambda folder: None), load),
]
