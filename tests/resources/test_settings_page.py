"""docs/settings.md shows every setting as the model has it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from resources.settings import LandedColumns, Settings
from resources.settings_file import load_settings
from resources.settings_page import BEGIN, END, EXAMPLES, PAGE, page_with, settings_toml, toml_value
from ser.errors import SerError
from ser.specs import Spec

OWN = {"automation.cron", "landing", "recipes"}
"""Below these are names that a user gives."""


def fields(values: Spec, section: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name of every setting, with its field; of sections those of their settings."""
    for name, field in type(values).model_fields.items():
        key, value = f"{section}{name}", getattr(values, name)
        if isinstance(value, Spec):
            yield from fields(value, f"{key}.")
        else:
            yield key, field


FIELDS = dict(fields(Settings())) | dict(fields(LandedColumns(), "landing.mine."))


def shown(values: dict[str, Any], section: str = "") -> dict[str, Any]:
    """What TOML says, by dotted key; an example of what a setting holds is one value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{section}{name}"
        is_section = isinstance(value, dict) and key not in EXAMPLES
        found |= shown(value, f"{key}.") if is_section else {key: value}
    return found


def uncommented() -> dict[str, Any]:
    """What the page says, examples included."""
    return shown(tomllib.loads(re.sub(r"^# (\w+ = |\[)", r"\1", settings_toml(), flags=re.MULTILINE)))


def test_the_page_holds_what_the_model_says() -> None:
    text = PAGE.read_text()
    assert text == page_with(text, settings_toml()), "the settings have changed: run `make docs`"


def test_what_the_page_says_are_the_defaults() -> None:
    assert Settings.model_validate(tomllib.loads(settings_toml())) == Settings()


def test_every_setting_is_there_and_what_has_no_value_has_an_example() -> None:
    assert uncommented().keys() == {key for key in FIELDS if key not in OWN} | EXAMPLES.keys()
    without = {key for key, field in FIELDS.items() if field.default is None}
    assert without <= EXAMPLES.keys() and without >= {"thresholds.n_min", "automation.inbox", "landing.mine.role"}


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_is_allowed(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ser.toml").touch()
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    asked = ["method.select=calibrated"] if key == "method.min_precision" else []
    loaded = load_settings(assignments=[*asked, f"{key}={toml_value(EXAMPLES[key])}"]).model_dump()
    assert shown(loaded)[key] == EXAMPLES[key] == uncommented()[key]


def test_every_setting_is_described_with_all_that_it_may_be() -> None:
    for key, field in FIELDS.items():
        assert field.description, key
        others = [value for value in choices(field.annotation) if value != field.default]
        assert [value for value in others if not re.search(rf"\b{value}\b", field.description)] == [], key


def choices(kind: Any) -> list[str]:
    """The words that a type allows."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for part in get_args(kind) for word in choices(part)]


def test_comments_begin_in_one_column_of_a_section_and_fit_the_width() -> None:
    for section in settings_toml().split("\n\n"):
        columns = {line.index("# ", 2) for line in section.splitlines() if "# " in line[2:]}
        assert len(columns) <= 1, section
    assert max(map(len, settings_toml().splitlines())) <= 120


def test_only_what_lies_between_the_marks_is_written() -> None:
    assert page_with(f"before\n{BEGIN}old\n{END}after\n", "new\n") == f"before\n{BEGIN}new\n{END}after\n"
    for text in ("", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"):
        with pytest.raises(SerError, match=r"no place for the settings\.\nPut"):
            page_with(text, "new\n")
