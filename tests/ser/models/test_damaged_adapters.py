"""An adapter, a head or a checkpoint that is not what it says is refused by name."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file

from ser.errors import SerError
from ser.models.adapters import save_adapter
from ser.models.backbone import load_model
from ser.models.reward_model import RewardModel, load_onto, lora_config
from ser.ppo.judging import load_policy
from ser.ppo.policy import Policy
from ser.ppo.trainer import load_checkpoint, save_checkpoint
from ser.specs import Arithmetic, Lora
from tests.models import backbone_of, encoded_pairs, random_model

Weights = dict[str, torch.Tensor]
A = "base_model.model.model.layers.3.mlp.up_proj.lora_A.weight"
SCORE = "base_model.model.score.weight"


def weights(edit: Callable[[Weights], Weights | None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        held = load_file(folder / "adapter_model.safetensors")
        save_file(edit(held) or held, folder / "adapter_model.safetensors")

    return change


def configured(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def without(part: str) -> Callable[[Path], None]:
    return weights(lambda held: {name: one for name, one in held.items() if part not in name})


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a layer is missing": (without(".layers.3."), r"does not fit the backbone: it lacks .*layers\.3\..* and 11 more"),
    "one weight is missing": (without(A), r"it lacks .*layers\.3\.mlp\.up_proj\.lora_A"),
    "the head is missing": (without("score"), r"it has no .*score\.weight|has no head over states of 32 numbers"),
    "all is missing": (without("lora"), "has no adapter in it"),
    "unexpected": (
        weights(lambda held: held | {A.replace("layers.3", "layers.1"): held[A].clone()}),
        r"the model has no .*layers\.1\.mlp\.up_proj\.lora_A",
    ),
    "another rank": (weights(lambda held: held | {A: torch.zeros(7, 32)}), r"says r = 4, and .*lora_A.* has rank 7"),
    "another rank in words": (configured(r=8), "says r = 8, and .* has rank 4"),
    "a rank of a billion": (configured(r=10**9), "says r = 1,000,000,000, and .* has rank 4"),
    "no rank": (configured(r=0), r"in adapter_config\.json, r is 0"),
    "a rank in truth": (configured(r=True), r"in adapter_config\.json, r is True"),
    "another width": (weights(lambda held: held | {A: torch.zeros(4, 33)}), r"does not fit the backbone: .*33"),
    "another head": (
        weights(lambda held: held | {SCORE: torch.zeros(2, 32)}),
        r"size mismatch|has no head over states",
    ),
    "NaN": (
        weights(lambda held: {name: one.fill_(float("nan")) for name, one in held.items()}),
        "weights are not finite numbers: .* and 26 more",
    ),
    "quantised": (weights(lambda held: held | {A: held[A].to(torch.int8)}), r"quantised .*lora_A\.weight \(I8\)"),
    "a cut file": (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"\x08"), "cannot be loaded"),
    "no configuration": (lambda folder: (folder / "adapter_config.json").unlink(), r"adapter_config\.json: "),
    "no weights": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "has no adapter_model.safetensors"),
    "another method": (configured(peft_type="VERA"), r"peft_type is 'VERA'"),
    "another task": (configured(task_type="TOKEN_CLS"), r"task_type is 'TOKEN_CLS'"),
    "a pattern": (configured(target_modules="(a+)+$"), r"target_modules is '\(a\+\)\+\$'"),
    "layers in words": (configured(layers_to_transform=["3"]), r"layers_to_transform is \['3'\]"),
    "other scaling": (configured(use_rslora=True), "has use_rslora = True, which no adapter of this project has"),
    "a library": (configured(megatron_config={"a": 1}, megatron_core="os"), "has megatron_c"),
    "layers a billion times": (configured(layer_replication=[[0, 10**9]]), "has layer_replication"),
    "another start": (configured(init_lora_weights="pissa"), "has init_lora_weights = 'pissa'"),
    "no number": (configured(lora_alpha=float("nan")), "lora_alpha is nan"),
    "a number without end": (configured(lora_alpha=10**400), "lora_alpha is 1000"),
    "a scale that no float holds": (configured(lora_alpha=1e308), r"lora_alpha is 1e\+308"),
    "a scale below zero": (configured(lora_alpha=-1), "lora_alpha is -1"),
    "all linear layers of some": (configured(target_modules="all-linear"), "layers_to_transform.? cannot be used"),
    "layers below the first": (configured(layers_to_transform=[-1, 2, 3]), r"layers_to_transform is \[-1, 2, 3\]"),
    "a norm of the backbone": (
        weights(lambda held: held | {"base_model.model.model.norm.weight": torch.ones(32)}),
        r"weights that belong to no adapter: base_model\.model\.model\.norm\.weight\.",
    ),
    "a layer of the backbone": (
        weights(lambda held: held | {A.replace("lora_A", "base_layer"): torch.ones(64, 32)}),
        r"weights that belong to no adapter: .*up_proj\.base_layer\.weight\.",
    ),
    "a head with a bias": (
        weights(lambda held: held | {SCORE.replace("weight", "bias"): torch.ones(1)}),
        r"weights that belong to no adapter: .*score\.bias\.",
    ),
    "one that float32 cannot hold": (
        weights(lambda held: held | {A: held[A].double().fill_(1e300)}),
        r"weights are not finite numbers: .*lora_A\.weight\.",
    ),
    "numbers that grow beyond": (
        weights(lambda held: {name: one.fill_(3e38) for name, one in held.items()}),
        "what it computes for a few tokens is not finite",
    ),
    "weights elsewhere": (
        lambda folder: (
            (folder / "adapter_model.safetensors").rename(folder.parent / "x"),
            (folder / "adapter_model.safetensors").symlink_to("../x"),
        ),
        "is a link that leads out of the folder",
    ),
}


@pytest.fixture(scope="module")
def saved(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    random_model(tiny_backbone).save(folder)
    return folder


@pytest.fixture
def adapter(saved: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "rm"
    copy.mkdir()
    for path in saved.glob("adapter_*"):
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("name", DAMAGE)
def test_an_adapter_that_is_not_what_it_says_is_refused(tiny_backbone: Path, adapter: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(adapter)
    with pytest.raises(SerError, match=words) as error:
        RewardModel.load(tiny_backbone, adapter, Arithmetic())
    assert str(adapter) in str(error.value) and len(str(error.value).splitlines()) <= 2


POLICY_DAMAGE = [
    "one weight is missing", "the head is missing", "unexpected", "another head", "NaN", "a layer of the backbone",
    "all linear layers of some", "numbers that grow beyond",
]  # fmt: skip


@pytest.mark.parametrize("name", POLICY_DAMAGE)
def test_a_policy_is_not_trained_against_it(tiny_backbone: Path, adapter: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(adapter)
    with pytest.raises(SerError, match=words):
        Policy.new(tiny_backbone, adapter, Lora(r=4, top=0.5), Arithmetic(), random_seed=0)


@pytest.mark.parametrize("shape", [(10**12, 0), (0, 10**12)])
@pytest.mark.parametrize("held", ["all", "one"])
def test_a_rank_takes_no_more_memory_than_its_file(
    tiny_backbone: Path, adapter: Path, shape: tuple[int, int], held: str
) -> None:
    state = load_file(adapter / "adapter_model.safetensors")
    empty = {name: torch.zeros(shape) if "lora_A" in name else one for name, one in state.items()}
    save_file(empty if held == "all" else {A: empty[A]}, adapter / "adapter_model.safetensors")
    configured(r=10**12)(adapter)
    with pytest.raises(SerError, match=r"weights without a number: .*lora_A|has rank 0"):
        RewardModel.load(tiny_backbone, adapter, Arithmetic())
    with pytest.raises(SerError, match=r"weights without a number: .*lora_A|has rank 0"):
        Policy.new(tiny_backbone, adapter, Lora(r=4, top=0.5), Arithmetic(), random_seed=0)


def test_nothing_is_allocated_for_a_layer_that_its_file_lacks(tiny_backbone: Path, adapter: Path) -> None:
    rank = 2**22  # 32 columns of 28 layers in float32 are 15 GB
    save_file({A: torch.ones(rank, 1, dtype=torch.float16)}, adapter / "adapter_model.safetensors")
    configured(r=rank)(adapter)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SerError, match=r"does not fit the backbone: it lacks .*lora_A"):
        RewardModel.load(tiny_backbone, adapter, Arithmetic())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_an_adapter_in_16_bits_is_what_it_was_before_they_were_cut(tiny_backbone: Path, adapter: Path) -> None:
    weights(lambda held: {name: one.bfloat16() for name, one in held.items()})(adapter)
    state = load_file(adapter / "adapter_model.safetensors")
    for dtype in ("float32", "bfloat16"):
        model = RewardModel.load(tiny_backbone, adapter, Arithmetic(dtype=dtype), trainable=True)
        loaded = dict(model.model.named_parameters())
        for name, one in state.items():
            place = name.replace("lora_A", "lora_A.default").replace("lora_B", "lora_B.default")
            own = loaded[place.replace("score.", "score.modules_to_save.default.")]
            assert own.dtype == torch.float32 and own.requires_grad and torch.equal(own.data, one.float())


@pytest.mark.filterwarnings("ignore:packing", "ignore:fan_in_fan_out")
@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mistral", "gpt_neox", "gpt2"])
def test_an_adapter_over_a_model_of_any_type_is_loaded(tiny_backbone: Path, tmp_path: Path, kind: str) -> None:
    backbone = backbone_of(kind, tiny_backbone, tmp_path / "backbone")
    model, pairs = random_model(backbone), encoded_pairs(tiny_backbone, 3)
    model.save(tmp_path / "rm")
    for merged in (False, True):
        loaded = RewardModel.load(backbone, tmp_path / "rm", Arithmetic(), merged=merged)
        assert (loaded.score(pairs) - model.score(pairs)).abs().max() < 1e-5


def test_an_adapter_of_another_backbone_is_refused(tiny_backbone: Path, adapter: Path, tmp_path: Path) -> None:
    plain: Any = load_model(tiny_backbone, "causal_lm", Arithmetic())
    plain.config.hidden_size = 64
    peft = get_peft_model(plain, lora_config(Lora(r=4), plain.config, task_type="CAUSAL_LM"), adapter_name="policy")
    with pytest.raises(SerError, match="has no head over states of 64 numbers"):
        load_onto(peft, adapter, "reward_0")
    wide = json.loads((tiny_backbone / "config.json").read_text()) | {"num_hidden_layers": 3}
    other = backbone_of("mistral", tiny_backbone, tmp_path / "other")
    assert RewardModel.load(other, adapter, Arithmetic())  # of the same shape in all that the adapter touches
    held = load_file(other / "model.safetensors")
    save_file({k: v for k, v in held.items() if ".layers.3." not in k}, other / "model.safetensors", {"format": "pt"})
    config = json.loads((other / "config.json").read_text()) | {"num_hidden_layers": wide["num_hidden_layers"]}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(SerError, match=r"does not fit the backbone: the model has no .*layers\.3\."):
        RewardModel.load(other, adapter, Arithmetic())


def test_a_policy_and_a_reward_model_are_not_taken_for_each_other(
    tiny_backbone: Path, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(SerError, match="task_type is 'SEQ_CLS'"):
        load_policy(tiny_backbone, adapter, Arithmetic())
    plain: Any = load_model(tiny_backbone, "causal_lm", Arithmetic())
    save_adapter(
        get_peft_model(plain, lora_config(Lora(r=4), plain.config, task_type="CAUSAL_LM")), tmp_path / "policy"
    )
    assert load_policy(tiny_backbone, tmp_path / "policy", Arithmetic())
    with pytest.raises(SerError, match="task_type is 'CAUSAL_LM'"):
        RewardModel.load(tiny_backbone, tmp_path / "policy", Arithmetic())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"a": torch.zeros(2)}, None),
        ({"a": torch.zeros(1)}, "is of another policy"),
        ({"b": torch.zeros(2)}, "is of another policy"),
        ({}, "is of another policy"),
        ({"a": torch.tensor([0.0, torch.nan])}, r"has weights that are not finite numbers: a\."),
    ],
)
def test_a_checkpoint_of_another_policy_is_refused(tmp_path: Path, parameters: Weights, words: str | None) -> None:
    own = {"a": torch.ones(2)}
    assert load_checkpoint(tmp_path, own) is None
    save_checkpoint({"parameters": parameters}, tmp_path)
    if words is None:
        assert torch.equal(load_checkpoint(tmp_path, own)["parameters"]["a"], torch.zeros(2))  # type: ignore[index]
    else:
        with pytest.raises(SerError, match=words):
            load_checkpoint(tmp_path, own)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    save_checkpoint({"parameters": {}}, tmp_path)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SerError, match=r"the checkpoint .* is damaged: .* Delete it to begin again"):
        load_checkpoint(tmp_path, {})
