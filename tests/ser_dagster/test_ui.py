"""The UI is for this machine, unless it is told otherwise."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster._cli import dev

from ser_dagster import ui


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """What `make ui` would run."""
    command: list[str] = []
    monkeypatch.setattr(sys, "argv", ["ui", *arguments])
    monkeypatch.setattr("os.execv", lambda path, words: command.extend(words))
    monkeypatch.chdir(Path.cwd())
    ui.main()
    return command[1:]


@pytest.mark.parametrize(
    ("arguments", "host"),
    [((), "127.0.0.1"), (("--port", "3001"), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0"), (("-h", "::"), "::")],
)
def test_who_can_reach_the_ui(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], host: str
) -> None:
    command = started(monkeypatch, *arguments)
    assert command[0] == "dev"
    parsed: dict[str, object] = {}
    monkeypatch.setattr(dev.dev_command, "callback", lambda **options: parsed.update(options))
    result = CliRunner().invoke(dev.dev_command, command[1:])
    assert result.exit_code == 0, result.output
    assert parsed["host"] == host


def test_relative_places_are_those_of_the_folder_it_is_started_in(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rel.toml").touch()
    for name, place in {"SER_DATA": "rel", "SER_CONFIG": "rel.toml", "DAGSTER_HOME": "home"}.items():
        monkeypatch.setenv(name, place)
    started(monkeypatch)
    for name, place in {"SER_DATA": "rel", "SER_CONFIG": "rel.toml", "DAGSTER_HOME": "home"}.items():
        assert os.environ[name] == str(tmp_path / place)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("ser.toml", "lops = 2\n", "Did you mean 'loops'?"),
        ("data/dagster/dagster.yaml", "telemetri: 1\n", "dagster.yaml is not what Dagster expects"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines_and_nothing_starts(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, words: str
) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    with pytest.raises(SystemExit, match=words.replace("?", r"\?")) as ended:
        started(monkeypatch)
    assert str(ended.value.code).startswith("ser: ")
    assert len(str(ended.value.code).splitlines()) == 2
