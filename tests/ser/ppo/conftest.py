"""A random reward model over the tiny backbone, on one thread: threads that wait for each other cost more here."""

from pathlib import Path

import pytest
import torch

from ser.models.reward_model import RewardModel
from ser.specs import Arithmetic, Lora


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="package")
def reward_model(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random reward model whose adapter does something, on the top half of the layers."""
    model = RewardModel.new(tiny_backbone, Lora(r=4, top=0.5), Arithmetic(), 3)
    torch.manual_seed(4)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5 if "score" in name else 0.1)
    folder = tmp_path_factory.mktemp("rm")
    model.save(folder)
    return folder
