"""Nothing in a model folder from outside is run."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel

from ser.errors import SerError
from ser.models.backbone import load_model
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic
from tests.models import encoded_pairs, random_model

pytestmark = pytest.mark.slow

CODE = "import pathlib\npathlib.Path({marker!r}).touch()\n"


class Bomb:
    """An object whose unpickling leaves a trace."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path, marker: Path) -> Path:
    """A copy of the tiny model, with code that configurations may point at."""
    copy = tmp_path / "model"
    copy.mkdir()
    for path in tiny_backbone.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    classes = "class C: pass\n"
    for name in ("configuration_evil", "modeling_evil", "tokenization_evil"):
        (copy / f"{name}.py").write_text(CODE.format(marker=str(marker)) + classes)
    return copy


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


AUTO_MAP = {
    "AutoConfig": "configuration_evil.C", "AutoModelForCausalLM": "modeling_evil.C",
    "AutoModelForSequenceClassification": "modeling_evil.C", "AutoTokenizer": ["tokenization_evil.C", None],
}  # fmt: skip


def test_code_beside_a_known_type_is_passed_over(folder: Path, marker: Path) -> None:
    change(folder / "config.json", auto_map=AUTO_MAP)
    assert type(load_model(folder, "reward", Arithmetic())).__module__.startswith("transformers.")
    assert type(load_model(folder, "causal_lm", Arithmetic())).__module__.startswith("transformers.")
    assert load_tokenizer(folder).eos_token_id is not None
    assert not marker.exists()


def test_a_type_that_needs_its_own_code_is_refused(folder: Path, marker: Path) -> None:
    change(folder / "config.json", auto_map=AUTO_MAP, model_type="evil")
    with pytest.warns(UserWarning, match="packing"), pytest.raises(SerError, match="needs code of its own"):
        load_model(folder, "reward", Arithmetic())
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["EvilTokenizer", "PreTrainedTokenizerFast"])
def test_code_of_a_tokenizer_is_not_run(folder: Path, marker: Path, kind: str) -> None:
    change(folder / "tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class=kind)
    try:
        load_tokenizer(folder)
    except SerError as error:
        assert "code of its own" in str(error)
    assert not marker.exists()


def test_pickled_weights_are_not_opened(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(SerError, match="cannot be loaded"):
        load_model(folder, "reward", Arithmetic())
    assert not marker.exists()


def test_a_folder_that_sends_elsewhere_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "evil/model"}))
    with pytest.raises(SerError, match="holds an adapter"):
        load_model(folder, "reward", Arithmetic())


def test_a_pickled_adapter_is_not_opened(tiny_backbone: Path, tmp_path: Path, marker: Path) -> None:
    random_model(tiny_backbone).save(tmp_path / "rm")
    (tmp_path / "rm" / "adapter_model.safetensors").unlink()
    (tmp_path / "rm" / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(SerError, match=r"has no adapter_model\.safetensors"):
        RewardModel.load(tiny_backbone, tmp_path / "rm", Arithmetic())
    assert not marker.exists()


def test_a_template_cannot_reach_python(folder: Path, marker: Path) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os.system('touch "
        + str(marker)
        + "') }}"
    )
    with pytest.raises(Exception, match=r"unsafe|undefined"):
        tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    assert not marker.exists()


def test_an_adapter_is_read_from_its_own_folder_only(tiny_backbone: Path, tmp_path: Path) -> None:
    model = random_model(tiny_backbone)
    assert isinstance(model.model, PeftModel)
    model.save(tmp_path / "rm")
    change(
        tmp_path / "rm" / "adapter_config.json",
        base_model_name_or_path="evil/model",
        auto_mapping={"parent_library": "evil"},
    )
    pairs = encoded_pairs(tiny_backbone, 3)
    loaded = RewardModel.load(tiny_backbone, tmp_path / "rm", Arithmetic())
    assert (loaded.score(pairs) - model.score(pairs)).abs().max() < 1e-5
