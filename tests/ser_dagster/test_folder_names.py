"""Folders may have brackets and colons in their names: what is printed is their name, and no markup."""

import os
from pathlib import Path

import pytest

from assets.audit import audit_path
from resources.audit.database import AuditDatabase
from resources.reporting.index import report_path
from ser_dagster.cli import main
from ser_dagster.commands.summary import print_summary

NAME = "z[b]z:cat:"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / NAME
    made.mkdir()
    monkeypatch.setenv("SER_DATA", str(made))
    return made


def test_the_summary_names_the_report(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with AuditDatabase(audit_path(root)).writing():
        pass
    page = report_path(root, "mine-0123456789ab/0123456789ab")
    page.parent.mkdir()
    page.touch()
    print_summary("mine-0123456789ab/0123456789ab", 1)
    assert f"the report               {page}\n" in capsys.readouterr().out


def test_prune_names_what_would_go(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = root / ".audit.duckdb.tmp"
    left.touch()
    os.utime(left, (0, 0))
    assert main(["prune", "--keep", "1"]) == 0
    assert f" {NAME} " in capsys.readouterr().out
