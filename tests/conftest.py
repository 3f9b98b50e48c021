"""Fixtures that every part of the suite shares: a tiny real model, and a data root of its own."""

import os
from pathlib import Path

# Tiny tensors are faster on one thread; set before anything imports torch.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import settings

from tests.tiny import write_backbone

# A slow machine is no failure, and the same code passes or fails alike; `searching` finds what nobody has seen.
settings.register_profile("quick", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, in a folder."""
    return write_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def data_root(tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, with the tiny model as the backbone of every run."""
    root = tmp_path / "data"
    (tmp_path / "ser.toml").touch()
    monkeypatch.setenv("SER_DATA", str(root))
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    monkeypatch.setenv("SER_BACKBONE__MODEL", str(tiny_backbone))
    monkeypatch.setenv("SER_COMPUTE__THREADS", "1")
    monkeypatch.setenv("SER_MAX_LOOPS", "3")  # each loop more costs time in every run
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return root


LONGEST = ("tests/e2e/", "tests/assets/", "tests/ser/ppo/", "tests/ser/stages/", "tests/ser/test_training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left alone with one at the end."""
    rank = {part: place for place, part in enumerate(LONGEST)}
    items.sort(key=lambda item: next((rank[part] for part in LONGEST if item.nodeid.startswith(part)), len(LONGEST)))
