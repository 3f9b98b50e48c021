"""Nothing that is read can run: no code is made from text, nothing is unpickled, settings are data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.settings_file import load_settings
from ser.errors import SerError
from tests.test_layers import LAYERS, ROOT, imported

EXECUTING = {"eval", "exec", "compile", "__import__"}
UNPICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the packages: file, what is called, and the call."""
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), ast.unparse(node.func), node


def test_no_code_is_made_from_text_and_nothing_is_unpickled() -> None:
    # Of yaml only the name of its error may be used.
    found = [(file, name) for file, name, _ in calls() if name in EXECUTING or name.startswith("yaml.")]
    files = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    found += [(path.name, name) for path in files for name in imported(path) & UNPICKLING]
    assert found == []


def test_a_checkpoint_is_read_as_weights_and_a_model_without_its_code() -> None:
    loads = [(file, ast.unparse(call)) for file, name, call in calls() if name == "torch.load"]
    assert loads and all("weights_only=True" in text for _, text in loads)
    pretrained = [(file, ast.unparse(call)) for file, name, call in calls() if name.endswith(".from_pretrained")]
    outside = [text for file, text in pretrained if file in ("ser/models/backbone.py", "ser/models/tokenizer.py")]
    assert len(outside) == 3 and all("trust_remote_code=False" in text for text in outside)
    assert all("local_files_only=True" in text for text in outside)
    assert not [text for _, text in pretrained if "trust_remote_code=True" in text]


@pytest.mark.parametrize(
    "text",
    [
        'sft = !!python/object/apply:os.system ["touch {}"]',
        'random_seed = __import__("os").system("touch {}")',
        "loops = \"{{{{ cycler.__init__.__globals__.os.system('touch {}') }}}}\"",
        '[backbone]\nmodel = "embedded"\nclass = "$(touch {})"',
    ],
)
def test_settings_are_data(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made"
    (tmp_path / "ser.toml").write_text(text.format(made))
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    with pytest.raises(SerError) as error:
        load_settings()
    assert len(str(error.value).splitlines()) <= 2
    assert not made.exists()
