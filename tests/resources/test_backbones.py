"""Where a model folder of the settings is looked for."""

import json
import os
import shutil
from pathlib import Path

import pytest

from resources import known_models
from resources.evolution import Evolution
from resources.exports.origin import backbone_origin
from resources.known_models import hub_digest, known_digest
from resources.settings_file import load_settings
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


def test_a_model_is_hashed_once_and_again_only_where_a_file_has_changed(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, model = tmp_path / "data", shutil.copytree(tiny_backbone, tmp_path / "model", copy_function=shutil.copyfile)
    read: list[Path] = []
    real = known_models.file_digests
    monkeypatch.setattr(known_models, "file_digests", lambda folder: read.append(folder) or real(folder))
    just_copied = known_digest(root, model)
    assert not (root / "known_models.json").exists()  # it may be written again within a tick of the clock
    for path in model.iterdir():
        os.utime(path, (1e9, 1e9))
    assert [known_digest(root, model) for _ in range(3)] == [just_copied] * 3 and len(read) == 2
    assert known_digest(root, shutil.copytree(model, tmp_path / "copy")) == just_copied and len(read) == 3
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    os.utime(model / "config.json", (1e9, 1e9))
    other = known_digest(root, model)
    assert other != just_copied and len(read) == 4
    assert known_digest(root, model / "config.json") == known_digest(root, model / "config.json")
    whole = json.loads((root / "known_models.json").read_text())
    key, entry = str(model.resolve()), whole[str(model.resolve())]
    damaged = ({key: []}, {key: 5}, {key: {}}, {key: entry | {"digest": 5}}, {key: {"files": entry["files"]}}, [key])
    for count, text in enumerate(("{", "[" * 100_000, "\xff", *map(json.dumps, damaged)), start=5):
        (root / "known_models.json").write_text(text, encoding="latin-1")
        assert known_digest(root, model) == other and len(read) == count


def test_a_hub_model_is_its_commit(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / "abc"
    assert hub_digest("org/model", folder) == hub_digest("org/model", tmp_path / "elsewhere" / "abc")
    assert (
        len({hub_digest("org/model", folder), hub_digest("org/other", folder), hub_digest("org/model", tmp_path)}) == 3
    )
