"""The token of an instance: made once, its owner's alone, another one for an audience."""

import os
from pathlib import Path

import pytest

from ser.errors import SerError
from ser_dagster.web.tokens import TOKEN, kept_token, write_private


def test_it_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    token = kept_token(tmp_path, read_only=False)
    assert TOKEN.fullmatch(token)
    assert kept_token(tmp_path, read_only=False) == token
    audience = kept_token(tmp_path, read_only=True)
    assert audience != token
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "token": "0o600",
        "token-read-only": "0o600",
    }
    assert kept_token(tmp_path, read_only=False) == token


@pytest.mark.parametrize("harm", ["readable", "empty", "short", "link", "bytes", "pipe"])
def test_one_that_others_may_know_is_made_anew(tmp_path: Path, harm: str) -> None:
    token, path = kept_token(tmp_path, read_only=False), tmp_path / "token"
    if harm == "readable":
        path.chmod(0o640)
    elif harm == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif harm == "bytes":
        path.write_bytes(b"\xff" * 40)
    elif harm == "pipe":
        path.unlink()
        os.mkfifo(path, 0o600)
    else:
        write_private(path, {"empty": "", "short": "a"}[harm])
    again = kept_token(tmp_path, read_only=False)
    assert TOKEN.fullmatch(again) and again != token
    assert not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600
    if harm == "link":
        assert (tmp_path / "elsewhere").read_text() == token


@pytest.mark.parametrize("name", ["token", ".token.tmp"])
def test_a_folder_in_its_place_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SerError) as refused:
        kept_token(tmp_path, read_only=False)
    assert str(refused.value) == (
        f"{tmp_path / name} is a folder, where a file of the page belongs.\nMove it away, and start again: ser ui"
    )
