"""A model folder that is not what it says is refused by name, and one that people publish is not."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser.errors import SerError
from ser.models.backbone import load_model
from ser.specs import Arithmetic
from tests.models import backbone_of

Weights = dict[str, torch.Tensor]
Q = "model.layers.3.self_attn.q_proj.weight"


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path) -> Path:
    copy: Path = shutil.copytree(tiny_backbone, tmp_path / "model")
    return copy


def configured(**values: Any) -> Callable[[Path], None]:
    """Damage of config.json."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def weights(edit: Callable[[Weights], Weights | None]) -> Callable[[Path], None]:
    """Damage of the weights themselves."""

    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        held = load_file(path)
        save_file(edit(held) or held, path, {"format": "pt"})

    return change


def header(edit: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Damage of the header, with the same bytes after it."""

    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        content = json.loads(data[8 : 8 + length])
        changed = edit(content) or content
        text = (changed if isinstance(changed, str) else json.dumps(changed)).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])

    return change


def sharded(edit: Callable[[dict[str, Any]], Any] = lambda index: None) -> Callable[[Path], None]:
    """The weights in two files, and damage of their index."""

    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        held = load_file(path)
        names = sorted(held)
        index: dict[str, Any] = {"metadata": {"total_size": 1}, "weight_map": {}}
        for number, part in enumerate((names[:20], names[20:]), start=1):
            file = f"model-0000{number}-of-00002.safetensors"
            save_file({name: held[name] for name in part}, folder / file, {"format": "pt"})
            index["weight_map"] |= dict.fromkeys(part, file)
        path.unlink()
        text = edit(index)
        place = folder / "model.safetensors.index.json"
        place.write_text(text if isinstance(text, str) else json.dumps(index))

    return change


def filled(name: str, value: float) -> Callable[[Path], None]:
    def fill(held: Weights) -> None:
        held[name].view(-1)[0] = value

    return weights(fill)


def in_turn(*changes: Callable[[Path], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def moved(name: str, link: Callable[[Path], str]) -> Callable[[Path], None]:
    """A file of the folder out of it, with a link to it, or a name of it, in its place."""

    def change(folder: Path) -> None:
        elsewhere = folder.parent / "elsewhere"
        elsewhere.mkdir()
        (folder / name).rename(elsewhere / name)
        (folder / name).symlink_to(link(elsewhere / name))

    return change


def fifo(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def twice(folder: Path) -> None:
    first, second = sorted(folder.glob("*.safetensors"))
    save_file(load_file(second) | {"model.norm.weight": load_file(first).popitem()[1]}, second, {"format": "pt"})
    held = load_file(second)
    save_file(load_file(first) | {Q: held[Q]}, first, {"format": "pt"})


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a layer is missing": (
        weights(lambda held: {name: one for name, one in held.items() if ".layers.3." not in name}),
        r"weights are missing: model\.layers\.3\.input_layernorm\.weight, .* and 6 more",
    ),
    "another prefix": (
        weights(lambda held: {f"module.{name}": one for name, one in held.items()}),
        r"weights are missing: (lm_head\.weight, )?model\.embed_tokens\.weight, .* and \d+ more",
    ),
    "no weights": (weights(lambda held: {"x": torch.zeros(1)}), "config.json says 4 layers, and there are 1 tensors"),
    "an empty file": (lambda folder: (folder / "model.safetensors").write_bytes(b""), r"model\.safetensors: "),
    "unexpected": (
        weights(lambda held: held | {"model.layers.4.mlp.up_proj.weight": torch.zeros(64, 32)}),
        r"weights of another model: model\.layers\.4\.mlp\.up_proj\.weight",
    ),
    "a bias that nobody adds": (
        weights(lambda held: held | {Q.replace("weight", "bias"): torch.zeros(32)}),
        r"weights of another model: model\.layers\.3\.self_attn\.q_proj\.bias",
    ),
    "another shape": (
        weights(lambda held: held | {Q: torch.zeros(16, 32)}),
        r"other sizes than config.json says: .*q_proj\.weight \[16, 32\] where config.json says \[32, 32\]",
    ),
    "the same size in another shape": (
        weights(lambda held: held | {Q: torch.zeros(64, 16)}),
        r"other sizes than config.json says: .*q_proj\.weight \[64, 16\] where config.json says \[32, 32\]",
    ),
    "all NaN": (
        weights(lambda held: {name: one.fill_(float("nan")) for name, one in held.items()}),
        r"weights are not finite numbers: model\.embed_tokens\.weight, .* and 35 more",
    ),
    "one infinity": (filled(Q, float("-inf")), rf"weights are not finite numbers: {Q}\."),
    "one that float32 cannot hold": (
        weights(lambda held: held | {Q: held[Q].double().fill_(1e300)}),
        rf"weights are not finite numbers: {Q}\.",
    ),
    "integers": (weights(lambda held: held | {Q: held[Q].to(torch.int8)}), rf"quantised .*: {Q} \(I8\)"),
    "float8": (weights(lambda held: held | {Q: held[Q].to(torch.float8_e4m3fn)}), rf"quantised .*: {Q} \(F8_E4M3\)"),
    "complex": (weights(lambda held: held | {Q: held[Q].to(torch.complex64)}), rf"quantised or no .*: {Q} \(C64\)"),
    "offsets that overlap": (
        header(lambda content: content[Q].update(data_offsets=content["model.norm.weight"]["data_offsets"])),
        r"model\.safetensors: .*",
    ),
    "another type": (header(lambda content: content[Q].update(dtype="F16")), r"model\.safetensors: .*shape"),
    "a tensor twice": (
        header(lambda content: json.dumps(content)[:-1] + f', "{Q}": {json.dumps(content[Q])}}}'),
        rf"it has '{Q}' twice",
    ),
    "a deep header": (header(lambda content: '{"a":' + "[" * 50_000), r"model\.safetensors: it is nested too deep"),
    "a long header": (
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}"),
        r"its header has 1,099,511,627,776 bytes",
    ),
    "a cut file": (lambda folder: os.truncate(folder / "model.safetensors", 200_000), r"model\.safetensors: .*"),
    "a shard is missing": (
        in_turn(sharded(), lambda folder: (folder / "model-00002-of-00002.safetensors").unlink()),
        r"model-00002-of-00002\.safetensors, which model\.safetensors\.index\.json names, is missing",
    ),
    "a shard is cut": (
        in_turn(sharded(), lambda folder: os.truncate(folder / "model-00002-of-00002.safetensors", 9_000)),
        r"model-00002-of-00002\.safetensors: ",
    ),
    "a tensor in two shards": (in_turn(sharded(), twice), r"both have model\."),
    "an index that leaves the folder": (
        sharded(lambda index: index["weight_map"].update(x="../../x.safetensors")),
        r"names '\.\./\.\./x\.safetensors', which is no safetensors file of the folder",
    ),
    "an absolute index": (
        sharded(lambda index: index["weight_map"].update(x="/etc/x.safetensors")),
        r"names '/etc/x\.safetensors', which is no",
    ),
    "an index of a pickle": (
        sharded(lambda index: index["weight_map"].update(x="pytorch_model.bin")),
        r"names 'pytorch_model\.bin', which is no",
    ),
    "an index of numbers": (sharded(lambda index: index["weight_map"].update(x=3)), r"index\.json: "),
    "an index with a name twice": (
        sharded(lambda index: json.dumps(index)[:-2] + f', "{Q}": "a.safetensors"}}}}'),
        rf"it has '{Q}' twice",
    ),
    "an empty index": (sharded(lambda index: index["weight_map"].clear()), "is empty"),
    "an index without a map": (sharded(lambda index: "[]"), "it is no JSON object"),
    "a checkpoint of another layout": (
        lambda folder: (folder / "shard-00000-model-00001-of-00001.safetensors").touch(),
        "has a distributed checkpoint",
    ),
    "weights elsewhere": (moved("model.safetensors", str), r"model\.safetensors is a link that leads out"),
    "a tokenizer elsewhere": (
        moved("tokenizer.json", lambda path: f"../elsewhere/{path.name}"),
        r"tokenizer\.json is a link that leads out of the folder",
    ),
    "a link to nowhere": (lambda folder: (folder / "x.json").symlink_to("y.json"), r"x\.json is a link .* nowhere"),
    "a link to itself": (lambda folder: (folder / "x.json").symlink_to("x.json"), r"x\.json is a link .* nowhere"),
    "a pipe for weights": (fifo("model.safetensors"), r"model\.safetensors is neither a file nor a folder"),
    "a pipe for a template": (fifo("chat_template.jinja"), r"chat_template\.jinja is neither a file nor a folder"),
    "a large file": (
        lambda folder: os.truncate(folder / "generation_config.json", 2**40),
        r"generation_config\.json has 1,048,576 MB; no model needs more than 16",
    ),
    "a deep configuration": (
        lambda folder: (folder / "config.json").write_text('{"model_type":' + "[" * 100_000),
        "config.json: it is nested too deep",
    ),
    "a million layers": (configured(num_hidden_layers=1_000_000), "num_hidden_layers in config.json is '1000000'"),
    "a thousand layers": (configured(num_hidden_layers=1_000), "config.json says 1,000 layers, and there are 38"),
    "layers unsaid": (configured(num_hidden_layers=None), r"config\.json: it has no num_hidden_layers"),
    "layers in words": (configured(num_hidden_layers="4"), "num_hidden_layers in config.json is '4'"),
    "layers in truth": (configured(num_hidden_layers=True), "num_hidden_layers in config.json is 'True'"),
    "a layer too many": (configured(num_hidden_layers=5), r"weights are missing: model\.layers\.4\.input_layernorm"),
    "a layer too few": (configured(num_hidden_layers=3), r"weights of another model: model\.layers\.3\."),
    "a wide model": (configured(hidden_size=10**9), r"where config\.json says \[\d+, 1000000000\]|cannot be loaded"),
    "a large vocabulary": (configured(vocab_size=10**12), r"embed_tokens\.weight \[494, 32\] where config\.json says"),
    "no vocabulary": (configured(vocab_size=-5), "cannot be loaded"),
    "a wide feed-forward": (configured(intermediate_size=10**10), r"where config\.json says \[10000000000, 32\]"),
    "wide heads": (configured(head_dim=10**10), r"where config\.json says \[40000000000, 32\]"),
    "wide rotations": (
        configured(
            rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0, "partial_rotary_factor": 1e10}
        ),
        r"makes it compute [\d,]+ constants",
    ),
    "no number": (configured(rms_norm_eps=float("nan")), "rms_norm_eps in config.json is nan"),
    "no number within": (
        configured(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": float("nan")}),
        "factor in config.json is nan",
    ),
    "text for a number": (configured(hidden_size="32"), "cannot be loaded"),
    "a million labels": (configured(num_labels=10**9), "num_labels in config.json is '1000000000'"),
    "other weights": (configured(transformers_weights="x.safetensors"), "has transformers_weights"),
    "another fusion": (configured(fusion_config={"x": True}), "has fusion_config"),
    "other layers": (configured(per_layer_config={"0": {"hidden_size": 64}}), "has per_layer_config"),
    "quantised": (configured(quantization_config={"quant_method": "bitsandbytes"}), "has a quantization_config"),
    "quantised within": (
        configured(text_config={"quantization_config": {"quant_method": "fp8"}}),
        "has a quantization_config",
    ),
    "attention of a hub": (
        configured(attn_implementation="evil/attention"),
        "names 'evil/attention' in attn_implementation, which is code from elsewhere",
    ),
    "hidden attention of a hub": (
        configured(_attn_implementation={"": "evil/attention:f"}),
        "names 'evil/attention:f' in _attn_implementation",
    ),
    "experts of a hub": (configured(experts_implementation="evil/experts"), "'evil/experts' in experts_implementation"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_folder_that_is_not_what_it_says_is_refused(folder: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(folder)
    with pytest.raises(SerError, match=words) as error:
        load_model(folder, "reward", Arithmetic())
    assert str(folder) in str(error.value) and len(str(error.value)) < 700
    assert len(str(error.value).splitlines()) <= 2


def without_prefix(held: Weights) -> Weights:
    return {name.removeprefix("model."): one for name, one in held.items()}


def old_buffers(held: Weights) -> Weights:
    return held | {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": torch.ones(4) for n in range(4)}


def in_hub_cache(folder: Path) -> None:
    """The layout of the hub's cache: `folder` becomes a link to the snapshot, whose files are links to blobs."""
    repository = folder.parent / "models--org--name"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(repository / "blobs" / f"{number}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    folder.rmdir()
    folder.symlink_to(snapshot)


def in_shared_store(folder: Path) -> None:
    """The same, with a blob that is shared between models."""
    in_hub_cache(folder)
    blob = next((folder.parent / "models--org--name" / "blobs").iterdir())
    store = folder.parent / "blobs" / "ab"
    store.mkdir(parents=True)
    blob.rename(store / ("ab" * 32))
    blob.symlink_to(f"../../blobs/ab/{'ab' * 32}")


def beside(folder: Path) -> None:
    """What else published folders hold."""
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.00.pth").write_bytes(b"x")
    (folder / "pytorch_model.bin.index.json").write_text('{"metadata": {}, "weight_map": {"x": "pytorch_model-1.bin"}}')
    (folder / "pytorch_model-1.bin").write_bytes(b"x")
    (folder / "consolidated.safetensors").write_bytes(b"x")
    (folder / "params.json").write_text("{}")
    (folder / "LICENSE.txt").write_text("x")
    (folder / ".cache").mkdir()


HONEST: dict[str, Callable[[Path], Any]] = {
    "as written by AutoModel": weights(without_prefix),
    "of Llama 2, with its buffers": weights(old_buffers),
    "with its tied head written out": weights(
        lambda held: held | {"lm_head.weight": held["model.embed_tokens.weight"].clone()}
    ),
    "with a head of one label": weights(lambda held: held | {"score.weight": torch.ones(1, 32)}),
    "with a head of five labels": in_turn(
        weights(lambda held: held | {"score.weight": torch.ones(5, 32)}), configured(num_labels=5)
    ),
    "in shards": sharded(),
    "in float16": weights(lambda held: {name: one.half() for name, one in held.items()}),
    "in float64": weights(lambda held: {name: one.double() for name, one in held.items()}),
    "in the cache of the hub": in_hub_cache,
    "in the shared store of the hub": in_shared_store,
    "with other files beside it": beside,
    "with links inside": lambda folder: (
        (folder / "tokenizer.json").rename(folder / "t.json"),
        (folder / "tokenizer.json").symlink_to("t.json"),
    ),
    "with an older writer's keys": configured(
        torch_dtype="bfloat16", pretraining_tp=1, use_cache=True, attn_implementation="flash_attention_2",
        _attn_implementation="sdpa", rope_scaling=None, _name_or_path="org/name", quantization_config=None,
        transformers_version="4.31.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_a_folder_as_people_publish_them_loads(folder: Path, tiny_backbone: Path, name: str) -> None:
    HONEST[name](folder)
    tokens = torch.tensor([[5, 6, 7, 8]])
    wanted, found = (load_model(one, "causal_lm", Arithmetic())(tokens).logits for one in (tiny_backbone, folder))
    assert (found - wanted).abs().max() < (1e-2 if "float16" in name else 1e-6)
    reward: Any = load_model(folder, "reward", Arithmetic())
    assert reward.score.weight.shape == (1, 32)


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mistral"])
def test_a_head_that_is_not_tied_must_be_there(tiny_backbone: Path, tmp_path: Path, kind: str) -> None:
    folder = backbone_of(kind, tiny_backbone, tmp_path)
    assert load_model(folder, "causal_lm", Arithmetic()) and load_model(folder, "reward", Arithmetic())
    weights(lambda held: {name: one for name, one in held.items() if name != "lm_head.weight"})(folder)
    assert load_model(folder, "reward", Arithmetic())
    with pytest.raises(SerError, match=r"weights are missing: lm_head\.weight"):
        load_model(folder, "causal_lm", Arithmetic())


@pytest.mark.filterwarnings("ignore:packing")
def test_a_model_that_is_scored_in_plain_batches_must_be_whole_too(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = backbone_of("gpt_neox", tiny_backbone, tmp_path)
    assert load_model(folder, "reward", Arithmetic())
    weights(lambda held: {name: one for name, one in held.items() if ".layers.3." not in name})(folder)
    with pytest.raises(SerError, match=r"weights are missing: gpt_neox\.layers\.3\."):
        load_model(folder, "reward", Arithmetic())
