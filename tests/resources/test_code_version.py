"""A version changes with what the code does, not with how it is commented."""

import shutil
from pathlib import Path

import pytest

from resources import code_version as module

CACHED = (module.code_version, module._index)

HELPER = '''
from math import floor
from math import sqrt as root

from ser import deeper
from ser.loose import C

BASE = 0
UNUSED = 1


class Spec:
    size: int = Field(1, description='what it is')


def f(x):
    """Doc."""
    if x < BASE:
        raise ValueError(f"{x} is too small")
    return Spec, C, deeper.g(), root(4), x + 1  # why
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small `ser` of its own: stage imports helper; other is not imported."""
    (tmp_path / "__init__.py").write_text('"""ser"""\n')
    (tmp_path / "stage.py").write_text('"""Doc."""\nfrom ser.helper import f\n\n\ndef run():\n    return f(1)\n')
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "deeper.py").write_text("left = 1\n\n\ndef g():\n    return 2\n")
    (tmp_path / "loose.py").write_text("import os\n\nos.environ['X'] = '1'\n\n\nclass C:\n    pass\n")
    (tmp_path / "other.py").write_text("y = 1\n")
    monkeypatch.setattr(module.ser, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def version() -> str:
    for cached in CACHED:
        cached.cache_clear()
    return module.code_version("ser.stage")


@pytest.fixture(autouse=True)
def fresh_caches():
    yield
    for cached in CACHED:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("helper.py", "# why", "# because", False),
        ("helper.py", '"""Doc."""', '"""Better."""', False),
        ("stage.py", '"""Doc."""', "", False),
        ("other.py", "1", "2", False),
        ("helper.py", "x + 1", "x + 2", True),
        ("helper.py", "UNUSED = 1", "UNUSED = 2", False),
        ("helper.py", "BASE = 0", "BASE = 1", True),
        ("helper.py", 'f"{x} is', 'f"not {x}: it is', False),
        ("helper.py", "ValueError", "TypeError", True),
        ("helper.py", "'what it is'", "'what x is'", False),
        ("helper.py", "Field(1,", "Field(2,", True),
        ("deeper.py", "2", "3", True),
        ("deeper.py", "left = 1", "left = 2", False),
        ("loose.py", "1", "2", True),
        ("helper.py", "import sqrt as root", "import cbrt as root", True),
        ("helper.py", "import floor", "import ceil as floor", False),
        ("stage.py", "f(1)", "f(2)", True),
    ],
)
def test_what_changes_the_version(package: Path, file: str, old: str, new: str, changes: bool) -> None:
    before = version()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert (version() != before) == changes


def test_a_library_update_changes_the_version(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    monkeypatch.setattr(module.metadata, "version", lambda name: "99")
    assert version() != before


def of_the_project(folder: Path, file: str, old: str, new: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether this change of the project's own code changes the version of a stage."""
    shutil.copytree(Path(module.ser.__file__).parent, folder / "ser", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module.ser, "__file__", str(folder / "ser" / "__init__.py"))
    path = folder / "ser" / file
    text = path.read_text()
    assert old in text
    versions = []
    for content in (text, text.replace(old, new)):
        path.write_text(content)
        for cached in CACHED:
            cached.cache_clear()
        versions.append(module.code_version(stage))
    return versions[0] != versions[1]


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("specs.py", "episodes: int = Field(64", "episodes: int = Field(65", False),
        ("specs.py", "learning_rate: float = Field(1e-3", "learning_rate: float = Field(2e-3", True),
        ("specs.py", 'description="pairs a step"', 'description="pairs in a step"', False),
        ("ppo/losses.py", "clamp", "clip", False),
        ("reward_training.py", "logsigmoid", "softplus", True),
    ],
)
def test_a_reward_model_is_trained_again_only_for_what_trains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, changes: bool
) -> None:
    stage = "ser.stages.train_reward_model"
    assert of_the_project(tmp_path, file, old, new, stage, monkeypatch) == changes
