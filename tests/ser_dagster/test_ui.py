"""The UI is for this machine, unless it is told otherwise."""

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
