"""A model folder that could be read in two ways, or only later found to be wrong, is refused when it is loaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser.errors import SerError
from ser.models.backbone import Head, load_model
from ser.models.tokenizer import check_window, load_tokenizer
from ser.specs import Arithmetic
from tests.models import backbone_of

TOKENS = torch.tensor([[5, 6, 7, 8]])
Weights = dict[str, torch.Tensor]


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path) -> Path:
    copy: Path = shutil.copytree(tiny_backbone, tmp_path / "model")
    return copy


def configure(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def add_weights(folder: Path, more: Weights) -> None:
    save_file(load_file(folder / "model.safetensors") | more, folder / "model.safetensors", {"format": "pt"})


def refused(folder: Path, words: str, head: Head = "reward") -> None:
    with pytest.raises(SerError, match=words) as error:
        load_model(folder, head, Arithmetic())
    assert str(folder) in str(error.value) and len(str(error.value).splitlines()) <= 2


@pytest.mark.parametrize(
    "rename", [lambda name: name.removeprefix("model."), lambda name: f"model.{name}", lambda name: f"model_{name}"]
)
def test_two_sets_of_weights_in_one_file_are_refused(folder: Path, rename: Any) -> None:
    held = load_file(folder / "model.safetensors")
    add_weights(folder, {rename(name): one * 2 for name, one in held.items()})
    refused(folder, r"there are two tensors for one weight: .*embed_tokens\.weight and .*embed_tokens\.weight")


@pytest.mark.filterwarnings("ignore:packing")
def test_two_sets_of_weights_of_another_type_are_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = backbone_of("gpt2", tiny_backbone, tmp_path)
    held = load_file(folder / "model.safetensors")
    assert load_model(folder, "reward", Arithmetic())
    add_weights(folder, {name.removeprefix("transformer."): one * 2 for name, one in held.items()})
    refused(folder, "there are two tensors for one weight: ")


def test_a_file_of_weights_beside_an_index_of_others_is_refused(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(held, "model.safetensors")}))
    assert load_model(folder, "reward", Arithmetic())
    save_file({name: one * 2 for name, one in held.items()}, folder / "other.safetensors", {"format": "pt"})
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(held, "other.safetensors")}))
    refused(folder, r"it has model\.safetensors and the files that model\.safetensors\.index\.json names")


def test_a_tied_head_that_is_another_is_refused(folder: Path) -> None:
    embedding = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    add_weights(folder, {"lm_head.weight": embedding * 3})
    refused(folder, "config.json says tie_word_embeddings, and the head in its weights is another one", "causal_lm")
    assert load_model(folder, "reward", Arithmetic())  # which has no use for it
    configure(folder / "config.json", tie_word_embeddings=False)
    model: Any = load_model(folder, "causal_lm", Arithmetic())
    assert torch.equal(model.lm_head.weight, embedding * 3)


@pytest.mark.parametrize("name", ["score.evil.weight", "lm_head.x.weight", "embed_out.z", "score.weight.x", "lm_headx"])
def test_a_weight_of_no_head_is_refused(folder: Path, name: str) -> None:
    add_weights(folder, {name: torch.zeros(3)})
    refused(folder, f"there are weights of another model: {name}")


@pytest.mark.parametrize("name", ["score.bias", "score.0.weight", "embed_out.weight", "output_projection.weight"])
def test_the_head_of_another_task_is_passed_over(folder: Path, name: str) -> None:
    add_weights(folder, {name: torch.zeros(3)})
    assert load_model(folder, "reward", Arithmetic()) and load_model(folder, "causal_lm", Arithmetic())


YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64}
LONG = {"rope_type": "longrope", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
FACTORS = {"short_factor": [1.0] * 4, "long_factor": [1.0] * 4}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rms_norm_eps": -1e30}, "not finite"),
        ({"rope_parameters": YARN | {"attention_factor": 1e30}}, "not finite"),
        ({"rope_parameters": YARN | {"attention_factor": "x"}}, "cannot be loaded"),
        ({"rope_parameters": LONG | FACTORS | {"long_factor": "x"}}, "cannot be loaded"),
        ({"rope_parameters": LONG | FACTORS | {"long_factor": []}}, "cannot be loaded"),
        ({"rope_parameters": LONG | FACTORS | {"short_factor": [1e-44] * 4}}, "not finite"),
        ({"rope_parameters": LINEAR | {"partial_rotary_factor": 0}}, "cannot be loaded"),
        ({"configuration_files": ["config.4.0.0.json"]}, "has configuration_files"),
    ],
)
def test_a_configuration_that_only_a_forward_pass_reads_is_tried(
    folder: Path, values: dict[str, Any], words: str
) -> None:
    configure(folder / "config.json", **values)
    refused(folder, words)
    refused(folder, words, "causal_lm")


@pytest.mark.parametrize("value", ["x", 0, 2.5, True, None, [], {"a": 1}])
@pytest.mark.parametrize("key", ["return_dict", "output_hidden_states"])
def test_what_a_forward_pass_returns_is_not_the_folders_to_say(folder: Path, key: str, value: Any) -> None:
    configure(folder / "config.json", **{key: value})
    try:
        model: Any = load_model(folder, "causal_lm", Arithmetic())
    except SerError:
        return
    assert model(TOKENS).logits.shape == (1, 4, 494) and model(TOKENS).hidden_states is None


@pytest.mark.parametrize(
    ("kind", "more"),
    [("dynamic", {"factor": 2.0}), ("longrope", {"factor": 2.0, "short_factor": [1.0] * 4, "long_factor": [3.0] * 4})],
)
def test_the_trial_of_a_model_leaves_no_trace(folder: Path, kind: str, more: dict[str, Any]) -> None:
    original = {"original_max_position_embeddings": 64}
    configure(folder / "config.json", rope_parameters={"rope_type": kind, "rope_theta": 1e4} | more | original)
    before = torch.get_rng_state()
    model: Any = load_model(folder, "causal_lm", Arithmetic())
    assert torch.equal(torch.get_rng_state(), before)
    rotary = model.model.rotary_emb
    assert torch.equal(rotary.inv_freq, rotary.original_inv_freq)


@pytest.mark.filterwarnings("ignore:packing")
@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
@pytest.mark.parametrize("value", ["flash_attention_2", "flex_attention", "eager", {"": "kernels_x"}])
def test_the_folder_does_not_choose_the_attention(tiny_backbone: Path, tmp_path: Path, key: str, value: Any) -> None:
    folder = backbone_of("gpt_neox", tiny_backbone, tmp_path)
    configure(folder / "config.json", **{key: value, "_experts_implementation": "sonicmoe"})
    model = load_model(folder, "reward", Arithmetic())
    assert model.config._attn_implementation == "sdpa" and model.config._experts_implementation != "sonicmoe"


def test_tensors_without_a_number_buy_no_layers(folder: Path) -> None:
    add_weights(folder, {f"model.layers.{n}.x": torch.zeros(0) for n in range(4, 900)})
    configure(folder / "config.json", num_hidden_layers=900)
    refused(folder, "config.json says 900 layers, and there are 38 tensors")
    configure(folder / "config.json", num_hidden_layers=1001)
    refused(folder, "num_hidden_layers in config.json is '1001', which is no number from 1 to 1,000")


def test_an_index_of_very_many_files_is_refused_before_they_are_looked_for(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(20_000)}}))
    refused(folder, "names 20,000 files")
    index.write_text(json.dumps({"weight_map": {}, "x": " " * 2**24}))
    refused(folder, "no model needs more than 16")


@pytest.mark.parametrize("value", ["4096", "x", [], [1], {}, {"a": 1}, True, 2.5, -1])
def test_a_window_that_is_no_number_is_refused(folder: Path, value: Any) -> None:
    configure(folder / "config.json", sliding_window=value)
    with pytest.raises(SerError, match=r"sliding_window in config\.json is .*, which is no number of tokens"):
        check_window(folder, 64)
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": value}
    configure(folder / "config.json", sliding_window=None, rope_parameters=rope)
    with pytest.raises(SerError, match=r"original_max_position_embeddings in config\.json is|cannot be loaded"):
        check_window(folder, 64)


@pytest.mark.parametrize(
    "names",
    [
        ["../elsewhere/tokenizer.4.0.0.json"],
        ["{elsewhere}/tokenizer.4.0.0.json"],
        ["tokenizer.json", "sub/tokenizer.4.0.0.json"],
        "../elsewhere/tokenizer.4.0.0.json",
        [3],
        ["..", "tokenizer.4.0.0.json"],
        ["tokenizer.4.0.0.json.bin"],
    ],
)
def test_a_tokenizer_is_read_from_the_folder_alone(folder: Path, names: Any) -> None:
    for place in (folder.parent / "elsewhere", folder / "sub"):
        place.mkdir()
        shutil.copy(folder / "tokenizer.json", place / "tokenizer.4.0.0.json")
    if isinstance(names, list):
        names = [str(name).format(elsewhere=folder.parent / "elsewhere") if name != 3 else 3 for name in names]
    configure(folder / "tokenizer_config.json", fast_tokenizer_files=names)
    with pytest.raises(SerError, match=r"tokenizer_config\.json names .*, which is no JSON file of the folder"):
        load_tokenizer(folder)


@pytest.mark.parametrize("kind", ["GPT2Tokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("key", ["vocab", "merges", "gguf_file"])
def test_no_file_that_a_tokenizer_names_is_opened(folder: Path, kind: str, key: str) -> None:
    elsewhere = folder.parent / "vocab.json"
    shutil.copy(folder / "tokenizer.json", elsewhere)
    (folder / "tokenizer.json").unlink()
    configure(folder / "tokenizer_config.json", tokenizer_class=kind, **{key: str(elsewhere)})
    with pytest.raises(SerError, match=rf"names the file .*vocab\.json' in {key}, which is never opened"):
        load_tokenizer(folder)


def test_places_of_the_writer_are_passed_over(folder: Path) -> None:
    keys = ("tokenizer_file", "vocab_file", "merges_file", "special_tokens_map_file", "name_or_path")
    configure(folder / "tokenizer_config.json", **dict.fromkeys(keys, "/root/.cache/huggingface/x.json"))
    assert load_tokenizer(folder).eos_token == "<|end|>"


def test_a_tokenizer_of_a_version_is_read_from_the_folder(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "tokenizer.4.0.0.json")
    configure(folder / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.0.json", "tokenizer.json"])
    assert load_tokenizer(folder).eos_token == "<|end|>"


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000])
def test_a_tokenizer_configuration_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "tokenizer_config.json").write_text(text)
    with pytest.raises(SerError, match=r"tokenizer_config\.json: "):
        load_tokenizer(folder)


def test_a_tokenizer_of_several_models_is_refused(folder: Path) -> None:
    configure(folder / "tokenizer_config.json", tokenizer_class="RagTokenizer")
    for part in ("question_encoder_tokenizer", "generator_tokenizer"):
        shutil.copytree(folder, folder.parent / part)
    for part in ("question_encoder_tokenizer", "generator_tokenizer"):
        shutil.move(folder.parent / part, folder / part)
        configure(folder / part / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    with pytest.raises(SerError, match="cannot be loaded"):
        load_tokenizer(folder)
