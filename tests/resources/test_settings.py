"""Settings are checked once, and a wrong one is named with the remedy."""

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.heads import known_evolutions
from resources.known_evolutions import find_evolution, refuse_taken
from resources.settings import Settings
from resources.settings_file import load_settings
from ser.errors import SerError


@pytest.fixture
def ser_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SER_BACKBONE__MODEL", "SER_DATA"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "ser.toml"
    path.touch()
    monkeypatch.setenv("SER_CONFIG", str(path))
    return path


def test_defaults_are_the_published_thresholds(ser_toml: Path) -> None:
    settings = load_settings()
    assert (settings.recipe, settings.loops) == ("paper", 3)
    limits = settings.thresholds
    assert (limits.tau_high, limits.tau_low, limits.tau_delta) == (0.55, 0.45, 0.3)
    assert limits.sufficient(30_000) == 600
    assert limits.sufficient(100) == 20


OWN = ("automation.cron", "landing", "recipes")


def test_the_environment_overrides_the_file_and_arguments_override_both(
    ser_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ser_toml.write_text("loops = 5\n[ppo]\nepisodes = 8\n")
    assert (load_settings().loops, load_settings().ppo.episodes) == (5, 8)
    monkeypatch.setenv("SER_LOOPS", "4")
    monkeypatch.setenv("SER_PPO__EPISODES", "16")
    assert (load_settings().loops, load_settings().ppo.episodes) == (4, 16)
    assert load_settings(loops=2).loops == 2


def leaves(values: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key that has a value, as a path; of OWN the whole sections."""
    for key, value in values.items():
        path = (*prefix, key)
        if isinstance(value, dict) and ".".join(path) not in OWN:
            yield from leaves(value, path)
        elif value is not None:
            yield path, value


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.sampled_from([{}, {"SER_RECIPE": "robust"}, {"SER_PPO__LORA__R": "4", "SER_THRESHOLDS__TAU_HIGH": "0.6"}]),
    way=st.sampled_from(["file", "variable", "assignment"]),
    data=st.data(),
)
def test_a_key_that_is_set_to_what_it_is_changes_nothing(
    ser_toml: Path, said: dict[str, str], way: str, data: st.DataObject
) -> None:
    """A key leaves its neighbours as they are, whoever said those: the defaults, a recipe or a variable."""
    with pytest.MonkeyPatch.context() as patch:
        ser_toml.write_text("")
        for name, text in said.items():
            patch.setenv(name, text)
        expected = load_settings()
        path, value = data.draw(st.sampled_from(list(leaves(expected.model_dump()))))
        *section, key = path
        text = json.dumps(value)
        if way == "file":
            ser_toml.write_text(f"[{'.'.join(section)}]\n{key} = {text}\n" if section else f"{key} = {text}\n")
        elif way == "variable":
            patch.setenv(f"SER_{'__'.join(path).upper()}", text)
        loaded = load_settings(assignments=[f"{'.'.join(path)}={text}"] if way == "assignment" else [])
    assert loaded == expected and loaded.digest == expected.digest


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("thresholds.tau_high", "0.6", 0.6),
        ("reward_model.learning_rate", "1e-4", 1e-4),
        ("anyway", "true", True),
        ("recipe", '"robust"', "robust"),
        ("recipe", "robust", "robust"),
        ("backbone.revision", "12345670", "12345670"),  # a text, although it looks like a number
        ("backbone.revision", "1e5", "1e5"),
        ("automation.cron", '{sample="0 3 * * *"}', {"sample": "0 3 * * *"}),
        ("automation.cron.sample", "0 3 * * *", "0 3 * * *"),
        ("landing.mine.map.prompt", "question", "question"),
        ("ppo.lora", "{r = 8, alpha = 4}", {"r": 8, "alpha": 4, "dropout": 0.0, "top": 1 / 3}),
    ],
)
def test_a_text_is_read_as_what_its_setting_takes(
    ser_toml: Path, monkeypatch: pytest.MonkeyPatch, key: str, text: str, value: Any
) -> None:
    assigned = load_settings(assignments=[f"{key}={text}"])
    assert reduce(getitem, key.split("."), assigned.model_dump()) == value
    monkeypatch.setenv(f"SER_{key.replace('.', '__').upper()}", text)
    assert load_settings() == assigned


def test_a_recipe_may_be_said_by_variables(ser_toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_RECIPE", "mine")
    monkeypatch.setenv("SER_RECIPES__MINE__THRESHOLDS", "{tau_high = 0.7}")
    monkeypatch.setenv("SER_RECIPES__MINE__METHOD__TEACHERS", "3")
    ser_toml.write_text("[method]\nteachers = 2\n")  # wins over the recipe
    loaded = load_settings()
    assert (loaded.thresholds.tau_high, loaded.thresholds.tau_low, loaded.method.teachers) == (0.7, 0.45, 2)


def test_equal_settings_have_equal_digests(ser_toml: Path) -> None:
    before = load_settings().digest
    ser_toml.write_text("loops = 3\n")
    assert load_settings().digest == before
    ser_toml.write_text("loops = 2\n")
    assert load_settings().digest != before
    # When a run is requested says nothing about what it makes.
    ser_toml.write_text('[automation]\nquiet_seconds = 5\ncron.sample = "@daily"\n')
    assert load_settings().automation.cron == {"sample": "@daily"}
    assert load_settings().digest == before


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lops = 2", ["unknown setting 'lops'", "Did you mean 'loops'?", "Allowed here:"]),
        ("[ppo]\nepisode = 2", ["unknown setting 'ppo.episode'", "Did you mean 'ppo.episodes'?"]),
        ("[reward_model.lora]\nrank = 2", ["unknown setting 'reward_model.lora.rank'", "alpha, dropout, r, top"]),
        ("loops = 0", ["'loops' is impossible", "greater than or equal to 1", "got 0"]),
        ("loops = 'many'", ["'loops' is impossible", "valid integer"]),
        ("recipe = 'magic'", ["'recipe' is impossible", "'paper'"]),
        ("recipe = ['paper']", ["'recipe' is impossible", "valid string"]),
        ("recipes = 3", ["'recipes' is impossible", "valid dictionary"]),
        (
            "[method]\nmin_precision = 'often'",
            ["setting 'method.min_precision' is impossible", "valid number", "'relative'"],
        ),
        ("random_seed = 5_000_000_000", ["'random_seed' is impossible", "less than or equal to 2147483647"]),
        ("[roles]\ndraw = 99999999999999999999", ["'roles.draw' is impossible", "less than or equal to 2147483647"]),
        ("[reward_model]\nlearning_rate = inf", ["'reward_model.learning_rate' is impossible", "finite number"]),
        (
            "[recipes.robust]\nmethod.teachers = 5",
            ["recipes.robust: robust is a recipe that comes along", "another name"],
        ),
        ("[recipes]\nmine = 5", ["recipes.mine is no section"]),
        ("[recipes.mine]\nmetod.teachers = 2", ["recipes.mine: 'metod' is no part of a recipe"]),
        (
            "[recipes.mine]\nmethod.teachrs = 2",
            ["recipes.mine: unknown setting 'method.teachrs'", "'method.teachers'?"],
        ),
        ("[recipes.mine]\nloops = 99", ["recipes.mine: setting 'loops' is impossible", "got 99"]),
        ("[recipes.mine]\nmethod = 'robust'", ["recipes.mine: setting 'method' is impossible"]),
        ("'ppo.episodes' = 3", ["unknown setting 'ppo.episodes'", "Allowed here:"]),
        ("[thresholds]\ntau_low = 0.7", ["'thresholds' is impossible", "tau_low (0.7) must be below tau_high (0.55)"]),
        ("[landing.Mine]", ["'landing.Mine' is impossible", "cannot be the name of a dataset", "small letters"]),
        ("[automation.cron]\nMine = '@daily'", ["'automation.cron.Mine' is impossible", "the name of a dataset"]),
        ("loops = ", ["cannot be read", "TOML"]),
    ],
)
def test_a_wrong_setting_is_named_with_the_remedy(ser_toml: Path, text: str, parts: list[str]) -> None:
    ser_toml.write_text(text)
    with pytest.raises(SerError) as error:
        load_settings()
    for part in parts:
        assert part in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_an_unknown_environment_setting_is_an_error(ser_toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_LOOP", "2")
    with pytest.raises(SerError, match=r"SER_LOOP: unknown setting 'loop'. Did you mean SER_LOOPS\?"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("SER_LOOPS", "abc", "SER_LOOPS: setting 'loops' is impossible"),
        ("SER_COMPUTE__THREADS", "0", "SER_COMPUTE__THREADS: setting 'compute.threads' is impossible"),
        ("SER_THRESHOLDS__TAU_LOW", "0.7", "SER_THRESHOLDS__TAU_LOW: setting 'thresholds' is impossible: tau_low"),
        ("SER_THRESHOLDS", "{tau_low = 2}", "SER_THRESHOLDS: setting 'thresholds.tau_low' is impossible"),
    ],
)
def test_an_impossible_environment_setting_names_the_variable(
    ser_toml: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    ser_toml.write_text("random_seed = 1\n")
    monkeypatch.setenv(name, text)
    with pytest.raises(SerError) as error:
        load_settings()
    assert str(error.value).startswith(words)
    assert str(error.value).endswith(f"\nChange {name}.")
    assert len(str(error.value).splitlines()) == 2


def test_an_error_of_the_file_is_not_laid_to_a_variable(ser_toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ser_toml.write_text("loops = 0\n")
    monkeypatch.setenv("SER_RANDOM_SEED", "1")
    with pytest.raises(SerError, match=r"^setting 'loops' is impossible.*\nChange it in ser.toml"):
        load_settings()


@pytest.mark.parametrize(("name", "value"), [("loops", 0), ("recipe", "robus")])
def test_what_a_command_or_the_ui_said_is_called_by_the_settings_name(ser_toml: Path, name: str, value: Any) -> None:
    """The page of Dagster knows no flags."""
    with pytest.raises(SerError, match=rf"^setting '{name}' is impossible.*\nChange {name}\.$"):
        load_settings(**{name: value})


def test_an_assignment_is_mended_by_an_assignment(ser_toml: Path) -> None:
    with pytest.raises(SerError) as error:
        load_settings(assignments=["thresholds.tau_hig=0.6"])
    said, allowed = str(error.value).splitlines()
    unknown = "unknown setting 'thresholds.tau_hig'"
    assert said == f"--set thresholds.tau_hig: {unknown}. Did you mean 'thresholds.tau_high'?"
    assert allowed == "Allowed here: n_min, tau_delta, tau_high, tau_low."
    with pytest.raises(SerError, match=r"^--set recipe: setting 'recipe' is impossible.*\nChange --set recipe\.$"):
        load_settings(assignments=["recipe=robus"])


def test_a_named_file_that_is_not_there_is_an_error(ser_toml: Path) -> None:
    ser_toml.unlink()
    with pytest.raises(SerError, match=r"SER_CONFIG names .*and there is no such file"):
        load_settings()


def test_a_byte_order_mark_is_read_over(ser_toml: Path) -> None:
    ser_toml.write_bytes(b"\xef\xbb\xbfloops = 2\n")
    assert load_settings().loops == 2


def test_going_on_in_spite_of_the_gate_is_another_evolution(ser_toml: Path) -> None:
    assert load_settings(anyway=True).digest != load_settings().digest


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SER_LOOPS__MAX", "SER_LOOPS__MAX: 'loops' is a single setting, not a section."),
        ("SER_PPO__LORA__R__MAX", "SER_PPO__LORA__R__MAX: setting 'ppo.lora.r' is impossible"),
        (
            "SER_THRESHOLD__TAU_HIGH",
            "SER_THRESHOLD__TAU_HIGH: unknown setting 'threshold'. Did you mean SER_THRESHOLDS?",
        ),
        ("SER_PPO__EPISODE", "SER_PPO__EPISODE: unknown setting 'ppo.episode'. Did you mean SER_PPO__EPISODES?"),
    ],
)
def test_a_variable_that_is_no_setting_is_never_passed_over(
    ser_toml: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    ser_toml.write_text("loops = 2\n")
    monkeypatch.setenv(name, "2")
    with pytest.raises(SerError) as error:
        load_settings()
    assert str(error.value).startswith(words)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Where a run keeps the settings that it was run with."""
    path = tmp_path / "heads" / "tiny-1" / "0123456789ab" / ".evolution.json"
    path.parent.mkdir(parents=True)
    return path


def test_an_earlier_run_keeps_its_name_when_settings_are_added(tmp_path: Path, recorded: Path) -> None:
    recorded.write_text(about('{"loops": 2}'))  # from a time when there was no other
    (known,) = known_evolutions(tmp_path)
    assert (known.identity, known.name) == ("tiny-1/0123456789ab", "mine")
    assert known.settings.model_dump() == Settings(loops=2).model_dump()


def about(settings: str) -> str:
    return f'{{"settings": {settings}, "name": "mine", "executed_at": "2026-11-27T00:00:00+00:00"}}'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"ppo": {"gone": 1}}', ["'ppo.gone' is no setting of this version", "Delete ppo.gone there"]),
        ('{"loops": 21}', ["'loops' is no setting of this version, or not with this value", "Delete loops there"]),
        ('{"loops": ', ["cannot be read", "Put it back, or delete"]),
    ],
)
def test_settings_that_are_no_more_are_named_with_their_file(
    tmp_path: Path, recorded: Path, text: str, parts: list[str]
) -> None:
    recorded.write_text(about(text))
    with pytest.raises(SerError) as error:
        known_evolutions(tmp_path)
    for part in [str(recorded), *parts]:
        assert part in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_an_evolution_that_cannot_be_read_is_in_the_way_of_no_other(tmp_path: Path, recorded: Path) -> None:
    recorded.write_text(about('{"loops": 2}'))
    gone = recorded.parents[1] / "fedcba987654" / recorded.name
    gone.parent.mkdir()
    gone.write_text(about('{"gone": 1}').replace("mine", "other"))
    assert find_evolution(tmp_path, "mine").identity == "tiny-1/0123456789ab"
    with pytest.raises(SerError, match=r"there is no evolution 'other'\. Known: .* \(mine\)\.\n.*fedcba987654.*'gone'"):
        find_evolution(tmp_path, "other")
    refuse_taken(tmp_path, "new", "tiny-1/00")
    with pytest.raises(SerError, match="is that of the evolution tiny-1/0123456789ab"):
        refuse_taken(tmp_path, "mine", "tiny-1/00")
