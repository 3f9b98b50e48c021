"""An exported folder is whole or not there, and nobody else's file is ever lost."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from resources.exports import folder
from resources.exports.folder import MANIFEST, Exported, export_folder, resolved
from ser.errors import SerError


def export(place: Path, text: str = "one", identity: str = "1", kind: str = "rm") -> Exported:
    """Export two files that hold `text`."""

    def write(out: Path) -> Mapping[str, Any]:
        (out / "deep").mkdir()
        (out / "a.txt").write_text(text)
        (out / "deep" / "b.txt").write_text(text)
        return {"said": text}

    return export_folder(place, kind, identity, write)


def contents(place: Path) -> dict[str, str]:
    return {
        path.relative_to(place).as_posix(): path.read_text()
        for path in place.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def whole(text: str) -> dict[str, str]:
    return {"a.txt": text, "deep/b.txt": text}


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_or_empty_folder_is_filled(tmp_path: Path, exists: bool) -> None:
    place = tmp_path / "not" / "yet" / "there"
    if exists:
        place.mkdir(parents=True)
    done = export(place)
    assert (done.place, done.found, done.reused) == (place, {"said": "one"}, False)
    assert contents(place) == whole("one")
    assert list(place.parent.iterdir()) == [place]


def test_the_same_export_is_left_as_it_is(tmp_path: Path) -> None:
    export(tmp_path / "out")
    before = (tmp_path / "out" / "a.txt").stat()
    again = export(tmp_path / "out", text="never written")
    assert again.reused and again.found == {"said": "one"}
    assert (tmp_path / "out" / "a.txt").stat() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_or_a_damaged_export_is_replaced(tmp_path: Path) -> None:
    export(tmp_path / "out")
    assert not export(tmp_path / "out", "two", identity="2").reused
    assert contents(tmp_path / "out") == whole("two")
    (tmp_path / "out" / "a.txt").write_text("spoiled")
    assert not export(tmp_path / "out", "three", identity="2").reused
    assert contents(tmp_path / "out") == whole("three")
    (tmp_path / "out" / "deep" / "b.txt").unlink()
    assert not export(tmp_path / "out", "four", identity="2").reused
    assert contents(tmp_path / "out") == whole("four")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def make_foreign(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("mine")


def add_foreign(place: Path) -> None:
    export(place)
    (place / "deep" / "notes.txt").write_text("mine")


def add_link(place: Path) -> None:
    export(place)
    (place / "link").symlink_to(place.parent)


def forge(place: Path) -> None:
    make_foreign(place)
    (place / MANIFEST).write_text("[1]")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (make_foreign, "is not empty and is no earlier export"),
        (forge, "is not empty and is no earlier export"),
        (add_foreign, r"holds deep/notes.txt, which no export wrote"),
        (add_link, "holds link, which no export wrote"),
        (lambda place: export(place, kind="policy"), "holds an export of policy"),
        (lambda place: place.write_text("mine"), "is a file"),
    ],
)
def test_what_is_not_ours_is_refused_and_stays(tmp_path: Path, prepare: Any, message: str) -> None:
    place = tmp_path / "out"
    prepare(place)
    before = place.read_text() if place.is_file() else contents(place)
    with pytest.raises(SerError, match=message):
        export(place, "two", identity="2")
    assert (place.read_text() if place.is_file() else contents(place)) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SerError("no"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_failure_leaves_the_earlier_export_and_no_rest(tmp_path: Path, error: BaseException) -> None:
    export(tmp_path / "out")

    def write(out: Path) -> Mapping[str, Any]:
        (out / "half").write_text("x")
        raise error

    with pytest.raises(SerError if isinstance(error, OSError) else type(error)) as raised:
        export_folder(tmp_path / "out", "rm", "2", write)
    if isinstance(error, OSError):
        assert "No space left on device" in str(raised.value)
    assert contents(tmp_path / "out") == whole("one")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("step", ["_finish", "_put", "exchange", "rmtree"])
@pytest.mark.parametrize("earlier", [False, True])
def test_killed_at_any_step_there_is_the_old_or_the_new(tmp_path: Path, step: str, earlier: bool) -> None:
    """The process ends in a child, without any of Python's clean-up, before the named step."""
    place = tmp_path / "out"
    if earlier:
        export(place)
    child = os.fork()
    if child == 0:
        target = folder.shutil if step == "rmtree" else folder
        setattr(target, step, lambda *_, **__: os._exit(9))
        export(place, "two", identity="2")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    died = os.waitstatus_to_exitcode(status) == 9
    assert died or not earlier
    finished = step == "rmtree" or not died
    assert (contents(place) if place.exists() else {}) == (
        whole("two") if finished else whole("one") if earlier else {}
    )
    assert export(place, "two", identity="2").reused == finished
    assert contents(place) == whole("two")
    export(place, "three", identity="3")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_where_folders_cannot_change_places_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(tmp_path / "out")

    def exchange(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(folder, "exchange", exchange)
    with pytest.raises(SerError, match=r"cannot export to .*Invalid argument.*name another folder"):
        export(tmp_path / "out", "two", identity="2")
    assert contents(tmp_path / "out") == whole("one")


def test_a_link_leads_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    done = export(resolved(tmp_path / "link"))
    assert done.place == tmp_path / "real" and contents(tmp_path / "real") == whole("one")
    assert (tmp_path / "link").is_symlink()
