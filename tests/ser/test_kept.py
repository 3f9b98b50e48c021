"""What a stage keeps for a later process is found whole, or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.kept import Journal, write_text

VALUES = [[[0.1, -2.5e-300], [1.0, 3.0]], [], {"text": "é\n \u2028"}, [[7, 8]]]


def kept(path: Path) -> list[object]:
    journal = Journal(path)
    for value in VALUES[len(journal.found) :]:
        journal.add(value)
    return Journal(path).found


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    assert Journal(tmp_path / "j").found == []
    assert kept(tmp_path / "j") == VALUES
    assert Journal(tmp_path / "j").found == VALUES


@given(st.data())
def test_a_journal_that_was_cut_or_damaged_goes_on_after_its_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    kept(path)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    tail = data.draw(st.sampled_from(["cut", "zeros", "flipped"]))
    if tail == "flipped":
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    else:
        path.write_bytes(whole[:place] + (bytes(9) if tail == "zeros" else b""))
    found = Journal(path).found
    assert found == VALUES[: len(found)] and len(found) < len(VALUES)
    assert kept(path) == VALUES
    assert path.read_bytes() == whole


def test_a_text_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "marker", "one")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die)
        with pytest.raises(KeyboardInterrupt):
            write_text(tmp_path / "marker", "two")
    assert (tmp_path / "marker").read_text() == "one"
