"""What a stage keeps for a later process is found whole, or not at all."""

from pathlib import Path

import pytest

from ser.scratch import write_text


def test_a_text_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "marker", "one")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die)
        with pytest.raises(KeyboardInterrupt):
            write_text(tmp_path / "marker", "two")
    assert (tmp_path / "marker").read_text() == "one"
