"""Presets: what lies below `ser.toml`, by name or in a file of the user's own."""

import json
from pathlib import Path

import pytest

from resources.preset_files import FOLDER, SECTIONS, presets
from resources.settings import Settings
from resources.settings_file import load_settings
from ser.errors import SerError

PAPER = ("llama-2-13b", "llama-3-70b", "llama-3-8b", "mistral-7b")


@pytest.fixture
def ser_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ser.toml"
    path.touch()
    monkeypatch.delenv("SER_BACKBONE__MODEL", raising=False)
    monkeypatch.setenv("SER_CONFIG", str(path))
    return path


def test_each_preset_has_the_published_configuration_of_its_model_beside_it() -> None:
    assert presets() == sorted([*PAPER, "qwen2.5-0.5b", "smollm2-135m"])
    for name in presets():
        assert json.loads((FOLDER / f"{name}.config.json").read_text())["num_hidden_layers"] > 0


def test_the_default_preset_states_the_defaults(ser_toml: Path) -> None:
    stated = load_settings(preset="smollm2-135m")
    plain = Settings()
    assert stated.model_copy(update={"compute": plain.compute}) == plain
    assert stated.digest == Settings(compute=stated.compute).digest
    assert load_settings() == stated


@pytest.mark.parametrize("name", PAPER)
def test_the_models_of_the_paper_have_the_published_settings(ser_toml: Path, name: str) -> None:
    settings = load_settings(preset=name)
    rm, ppo = settings.reward_model, settings.ppo
    assert (rm.lora.r, rm.lora.alpha, rm.lora.dropout, rm.lora.top) == (8, 32, 0.1, 1.0)
    assert (rm.learning_rate, rm.batch_size, rm.seed_epochs, settings.encoding.max_length) == (2e-5, 40, 2, 512)
    assert rm.epochs_on(20) == 2
    assert (ppo.lora.r, ppo.lora.dropout, ppo.learning_rate, ppo.epochs, ppo.initial_kl) == (16, 0.0, 1.4e-5, 4, 0.2)
    assert (ppo.batch_size, ppo.minibatch_size, ppo.response_tokens) == (64, 64, 128)
    assert settings.compute.dtype == "bfloat16" and settings.recipe == "paper"
    assert settings.backbone.model.partition("/")[0] in ("meta-llama", "mistralai")


def test_a_preset_lies_below_the_file_the_environment_and_assignments_key_by_key(
    ser_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ser_toml.write_text('preset = "llama-3-8b"\n[reward_model.lora]\ntop = 0.5\n[ppo]\nepisodes = 8\n')
    monkeypatch.setenv("SER_PPO__EPISODES", "16")
    settings = load_settings(assignments=["reward_model.lora.r=4"])
    assert (settings.reward_model.lora.top, settings.reward_model.lora.r, settings.reward_model.lora.alpha) == (
        0.5, 4, 32,
    )  # fmt: skip
    assert (settings.ppo.episodes, settings.ppo.learning_rate) == (16, 1.4e-5)
    monkeypatch.setenv("SER_PRESET", "mistral-7b")
    assert load_settings().backbone.model == "mistralai/Mistral-7B-Instruct-v0.2"
    assert load_settings(preset="qwen2.5-0.5b").backbone.model == "Qwen/Qwen2.5-0.5B-Instruct"


def test_the_digest_covers_the_values_and_not_the_name(ser_toml: Path) -> None:
    (ser_toml.parent / "mine.toml").write_text((FOLDER / "llama-3-8b.toml").read_text())
    ours, mine = load_settings(preset="llama-3-8b"), load_settings(preset="mine.toml")
    assert mine.preset == "mine.toml" and mine.digest == ours.digest
    (ser_toml.parent / "mine.toml").write_text((FOLDER / "llama-3-8b.toml").read_text().replace("40 ", "41 "))
    assert load_settings(preset="mine.toml").digest != ours.digest


def test_a_file_of_ones_own_is_beside_the_settings_or_in_the_working_directory(
    ser_toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "a.toml").write_text("[ppo]\nepisodes = 1\n")
    assert load_settings(preset="a.toml").ppo.episodes == 1
    (tmp_path / "a.toml").write_text("[ppo]\nepisodes = 2\n")
    assert load_settings(preset="a.toml").ppo.episodes == 2
    assert load_settings(preset=str(elsewhere / "a.toml")).ppo.episodes == 1


def refusal(**overrides: str) -> list[str]:
    with pytest.raises(SerError) as error:
        load_settings(**overrides)
    return str(error.value).splitlines()


def test_an_unknown_preset_is_named_with_the_nearest_one(ser_toml: Path) -> None:
    known = ", ".join(map(repr, presets()))
    said = "setting 'preset' is impossible: there is no preset 'llama3-8b'. Did you mean 'llama-3-8b'?"
    assert refusal(preset="llama3-8b") == [f"{said} Known: {known}.", "Change preset."]
    ser_toml.write_text('preset = "zzz"\n')
    nothing_near = f"setting 'preset' is impossible: there is no preset 'zzz'. Known: {known}."
    assert refusal() == [nothing_near, "Change it in ser.toml."]
    first, second = refusal(preset="none.toml")
    assert first == "setting 'preset' is impossible: there is no file none.toml." and "llama-3-8b" in second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loops = 2\n", [": 'loops' is no part of a preset.", f"Allowed here: {', '.join(SECTIONS)}."]),
        ("[method]\nteachers = 2\n", [": 'method' is no part of a preset.", "Allowed here: "]),
        ("[ppo]\nepisode = 2\n", [": unknown setting 'ppo.episode'. Did you mean 'ppo.episodes'?", "Allowed here: "]),
        ("[ppo]\nepisodes = 0\n", [": setting 'ppo.episodes' is impossible: Input should be greater", "Change "]),
        ("[ppo\n", [" cannot be read: "]),
        ('[backbone]\nmodel = "s3://key:secret@bucket"\n', ["setting 'backbone.model' has a password", "Take it out"]),
    ],
)
def test_a_file_that_says_what_a_preset_cannot_is_refused_by_name(
    ser_toml: Path, text: str, expected: list[str]
) -> None:
    path = ser_toml.parent / "mine.toml"
    path.write_text(text)
    # What lies over the preset mends nothing in it.
    ser_toml.write_text("loops = 1\n[ppo]\nepisodes = 4\n")
    lines = refusal(preset="mine.toml")
    assert len(lines) == len(expected) and str(path) in "\n".join(lines)
    for line, part in zip(lines, expected, strict=True):
        assert part in line
