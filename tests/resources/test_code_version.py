"""A version changes with what a stage computes, and not with how that is commented, described, said or run."""

import ast
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from resources import code_version as module
from ser.specs import Arithmetic, Encoding
from ser.stages.encode import EncodeSpec
from ser.stages.trunk import TrunkSpec

STAGES = sorted(
    path.stem
    for path in Path(module.ser.__file__).parent.joinpath("stages").glob("*.py")
    if "\ndef run(" in path.read_text()
)
TRAINING = "ser.stages.train_reward_model"

SMALL = {
    "__init__.py": "",
    "stage.py": '''
"""Doc."""
import os

from ser import deep, deep as same
from ser.helper import f
from ser.lazy import Child as Learner

SEEN = os.name


def run(spec: "Settings"):
    import ser.far.away

    return f(1), deep.table["a"], Learner().learn(), ser.far.away.reached(), getattr(same, "by_name"), _told(spec)


def _told(spec):
    """What it tells."""
    progress(1, 2, f"half of {spec}")
    if not spec:
        raise SerError(f"{_REMEDY}: no spec")


def _for_the_page():
    return "histogram"


_REMEDY = "Set one."


class Settings:
    size: int = Field(1, gt=0, description="how large")
    """In pairs."""
''',
    "helper.py": '''
import numpy as np
from math import floor
from math import sqrt as root

from ser import registered
from ser.specs import Execution

BASE = 0
LEFT, RIGHT = 3, 4
UNUSED = 1


def f(x, execution=Execution()):
    """Doc."""
    if x < BASE:
        raise ValueError(f"{x} is too small")
    return root(4), [np.ones(RIGHT) for _ in range(x + 1)]  # why


def drawn():
    import scipy
    return floor(scipy.pi)
''',
    "deep.py": "table = {}\ntable['a'] = 1\nby_name = 2\n",
    "lazy.py": """
from functools import cache

from .far import Base
from .far.away import *


class Child(Base):
    @cache
    def learn(self):
        return self.step() + starred()
""",
    "far/__init__.py": "from ser.far.base import Base\n",
    "far/base.py": "class Base:\n    rate = 5\n\n    def step(self):\n        return self.rate\n",
    "far/away.py": "def reached():\n    return 6\n\n\ndef starred():\n    return 7\n",
    "registered.py": """
KNOWN = {}


def register(function):
    KNOWN[function.__name__] = function


@register
def entered():
    return 8


if True:
    KNOWN["x"] = 9
""",
    "specs.py": "class Execution:\n    threads = 2\n",
    "other.py": "y = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that stands for `ser`."""
    folder = tmp_path / "ser"
    monkeypatch.setattr(module.ser, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr(module.metadata, "version", lambda name: "1")
    yield folder
    forget()


def forget() -> None:
    """Let the sources be read again."""
    module.code_version.cache_clear()
    module._index.cache_clear()


def edited(path: Path, *edits: tuple[str, str]) -> str:
    """The text of a file with the second of each two texts in place of the first, which it has once."""
    text = path.read_text()
    for old, new in edits:
        assert text.count(old) == 1, f"{path} does not say {old!r} once"
        text = text.replace(old, new)
    return text


def changes(path: Path, text: str) -> bool:
    """Whether another text of a file changes the version of the small stage."""
    before = module.code_version("ser.stage")
    path.write_text(text)
    forget()
    return module.code_version("ser.stage") != before


@pytest.mark.parametrize(
    ("file", "edits"),
    [
        (
            "stage.py",
            [('"""Doc."""', ""), ('"""What it tells."""', ""), ("half of", "50 %"), ("no spec", "nothing")],
        ),
        ("stage.py", [("how large", "how many"), ('"""In pairs."""', ""), ("histogram", "pie"), ("Set one.", "Try.")]),
        ("helper.py", [("# why", "# because"), ("is too small", "is small"), ("import floor", "import ceil as floor")]),
        ("helper.py", [("UNUSED = 1", "UNUSED = 2"), ("scipy.pi", "scipy.e"), ('"""Doc."""', '"""Better."""')]),
        ("specs.py", [("2", "3")]),
        ("other.py", [("1", "2")]),
    ],
)
def test_what_leaves_the_version_as_it_was(package: Path, file: str, edits: list[tuple[str, str]]) -> None:
    write_small(package)
    assert not changes(package / file, edited(package / file, *edits))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage.py", "f(1)", "f(2)"),
        ("stage.py", "gt=0", "gt=1"),
        ("stage.py", "Field(1,", "Field(2,"),
        ("stage.py", "raise SerError", "raise ValueError"),
        ("stage.py", "progress(1, 2", "progress(1, 3"),
        ("stage.py", "os.name", "os.sep"),
        ("helper.py", "x + 1", "x + 2"),
        ("helper.py", "BASE = 0", "BASE = 1"),
        ("helper.py", "RIGHT = 3, 4", "RIGHT = 3, 5"),
        ("helper.py", "import sqrt as root", "import cbrt as root"),
        ("deep.py", "'a'] = 1", "'a'] = 2"),
        ("deep.py", "by_name = 2", "by_name = 3"),
        ("lazy.py", "    @cache\n", ""),
        ("lazy.py", "Child(Base)", "Child(Base, int)"),
        ("far/base.py", "5", "6"),
        ("far/away.py", "6", "7"),
        ("far/away.py", "7", "8"),
        ("registered.py", "8", "9"),
        ("registered.py", "= 9", "= 10"),
    ],
)
def test_what_changes_the_version(package: Path, file: str, old: str, new: str) -> None:
    write_small(package)
    assert changes(package / file, edited(package / file, (old, new)))


def test_imports_in_a_circle_and_names_of_nothing_end(package: Path) -> None:
    package.mkdir()
    (package / "__init__.py").write_text("from . import a\n")
    (package / "a.py").write_text("from ser.b import g\n\n\ndef f():\n    from ser.a import h\n    return g, h\n")
    (package / "b.py").write_text("def g():\n    from ser.a import f, g, nothing\n    return f, g, nothing, ser.a\n")
    assert {"ser.a:f", "ser.b:g"} <= module.reach("ser.a").places.keys()
    with pytest.raises(ModuleNotFoundError, match=r"ser\.c"):
        module.code_version("ser.c")


def test_a_version_covers_the_packages_that_its_code_computes_with(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(package)
    (package / "other.py").write_text("def f(x):\n    from transformers import Trainer\n    return Trainer(x)\n")
    updated = {name: versions_with(name, monkeypatch) for name in ("numpy", "scipy", "torch", "trl")}
    now = versions_with("", monkeypatch)
    changed = {name: [old != new for old, new in zip(now, found, strict=True)] for name, found in updated.items()}
    assert changed == {
        "numpy": [True, True],
        "scipy": [False, False],
        "torch": [False, True],
        "trl": [False, False],
    }


def versions_with(updated: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions of two modules after the update of a package."""
    monkeypatch.setattr(module.metadata, "version", lambda name: "2" if name == updated else "1")
    forget()
    return [module.code_version("ser.stage"), module.code_version("ser.other")]


def write_small(package: Path) -> None:
    for name, text in SMALL.items():
        (package / name).parent.mkdir(exist_ok=True, parents=True)
        (package / name).write_text(text)


@pytest.fixture
def copied(package: Path) -> Path:
    """A copy of the project's own `ser`."""
    shutil.copytree(Path(__file__).parents[2] / "ser", package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def test_a_reward_model_is_trained_again_only_for_what_trains_it(copied: Path) -> None:
    before = module.code_version(TRAINING)
    for file, *edits in (
        ("specs.py", ("episodes: int = Field(64", "episodes: int = Field(65")),  # of PPO
        ("specs.py", ("threads: int = Field(2", "threads: int = Field(3")),
        ("specs.py", ('description="pairs a step"', 'description="pairs in a step"')),
        ("data/tables.py", ("bins: int = 24", "bins: int = 25")),  # of a histogram
        ("models/backbone.py", ("takes several times", "takes many times")),
        ("models/model_config.py", ("holds an adapter", "is an adapter")),
        ("models/completeness.py", ("are missing", "are not there"), ("where config.json", "and config.json")),
        ("training.py", ('f"loss {', 'f"the loss is {'), ("in place on", "in its place, on")),
        ("ppo/objective.py", ("-> torch.Tensor:\n    ", "-> torch.Tensor:\n    x = 1\n    ")),
    ):
        text = (copied / file).read_text()
        for old, new in edits:
            assert old in text, f"{file} does not say {old!r}"
            text = text.replace(old, new)
        (copied / file).write_text(text)
    forget()
    assert module.code_version(TRAINING) == before
    for file, old, new in (
        ("losses.py", "-target * logsigmoid(a - b)", "-target * logsigmoid(b - a)"),
        ("checkpoints.py", "_SAVE_EVERY = 20", "_SAVE_EVERY = 21"),
        ("training.py", "weight: float = 1.0", "weight: float = 2.0"),
        ("data/batches.py", "TOKENS = ", "TOKENS = 1 + "),
        ("models/attention.py", "GROUPED, VARLEN = ", "GROUPED, VARLEN = 'x' + "),
    ):
        text = (copied / file).read_text()
        (copied / file).write_text(edited(copied / file, (old, new)))
        forget()
        assert module.code_version(TRAINING) != before, f"{file}: {new}"
        (copied / file).write_text(text)


COMPUTING = [
    ("losses.py", "pairwise_loss", ["train_reward_model", "train_judge"], {"split", "encode", "trunk", "label", "ppo"}),
    ("models/scoring.py", "_rewards", ["label", "heldout", "train_judge"], {"train_reward_model", "ppo", "promote"}),
    ("data/tables.py", "write", ["filter_pairs", "split", "encode", "trunk"], {"train_reward_model"}),
]
"""Loss, scores and tables: file, function, the stages that come to it, and some that never do."""


def test_every_statement_of_what_computes_counts(copied: Path) -> None:
    def versions(stages: Iterable[str] = STAGES) -> dict[str, str]:
        forget()
        return {stage: module.code_version(f"ser.stages.{stage}") for stage in stages}

    commented = versions(["label"])
    texts = {file: ast.unparse(ast.parse((copied / file).read_text())) for file, *_ in COMPUTING}
    for file, text in texts.items():
        (copied / file).write_text(text)
    before = versions()
    assert before["label"] == commented["label"]
    for file, function, stages, others in COMPUTING:
        tree = ast.parse(texts[file])
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        body = next(node.body for node in functions if node.name == function)
        for place in range(len(body) + 1):
            body.insert(place, ast.parse("x = 1").body[0])
            (copied / file).write_text(ast.unparse(tree))
            after = versions(STAGES if place == 0 else stages[:1])
            changed = {stage for stage in after if after[stage] != before[stage]}
            assert changed >= after.keys() & stages and not changed & others
            del body[place]
        (copied / file).write_text(texts[file])


def test_what_rounds_four_bits_is_a_part_of_versions_of_models_over_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.metadata, "version", {"bitsandbytes": "0.50.2"}.__getitem__)
    four, full = (TrunkSpec(arithmetic=Arithmetic(weights=weights), top=0.5) for weights in ("nf4", "full"))
    assert module.rounding_version(four) == {"bitsandbytes": "0.50.2"}
    assert module.rounding_version(full) == module.rounding_version(EncodeSpec(encoding=Encoding())) == {}
