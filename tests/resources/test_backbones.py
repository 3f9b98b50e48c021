"""Where a model folder of the settings is looked for."""

import shutil
from pathlib import Path

import pytest

from resources.evolution import Evolution
from resources.exports.origin import backbone_origin
from resources.settings import load_settings
from tests.models import backbone_of


def test_a_relative_model_folder_is_beside_the_settings_from_wherever_a_command_is_given(
    tmp_path: Path, data_root: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SER_BACKBONE__MODEL")
    digests = set()
    for name in ("here", "moved"):
        project = tmp_path / name
        shutil.copytree(tiny_backbone, project / "bb")
        (project / "ser.toml").write_text('[backbone]\nmodel = "bb"\n')
        monkeypatch.setenv("SER_CONFIG", str(project / "ser.toml"))
        elsewhere = project / "elsewhere"
        backbone_of("mistral", tiny_backbone, elsewhere / "bb")
        for place in (project, elsewhere):
            monkeypatch.chdir(place)
            settings = load_settings()
            found = Evolution(data_root, settings, "mine-0123456789ab").pretrained()
            assert found.path.resolve() == project / "bb"
            assert backbone_origin(settings, found.path)["hub_id"] is None
            digests.add((settings.digest, found.digest))
    assert len(digests) == 1


def test_a_relative_model_folder_that_is_not_there_is_in_the_working_directory(
    tmp_path: Path, data_root: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_backbone, tmp_path / "elsewhere" / "bb")
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("SER_BACKBONE__MODEL", "bb")
    found = Evolution(data_root, load_settings(), "mine-0123456789ab").pretrained()
    assert found.path.resolve() == tmp_path / "elsewhere" / "bb"
