"""A version changes with what the code does, not with how it is commented."""

from pathlib import Path

import pytest

from resources import code_version as module

CACHED = (module.code_version, module._imports, module._dumped, module._bare, module._file)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small `ser` of its own: stage imports helper; other is not imported."""
    (tmp_path / "__init__.py").write_text('"""ser"""\n')
    (tmp_path / "stage.py").write_text('"""Doc."""\nfrom ser.helper import f\n\n\ndef run():\n    return f(1)\n')
    (tmp_path / "helper.py").write_text('def f(x):\n    """Doc."""\n    return x + 1  # why\n')
    (tmp_path / "other.py").write_text("y = 1\n")
    monkeypatch.setattr(module.ser, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def version() -> str:
    for cached in CACHED:
        cached.cache_clear()
    return module.code_version("ser.stage")


@pytest.fixture(autouse=True)
def fresh_caches():
    yield
    for cached in CACHED:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("helper.py", "# why", "# because", False),
        ("helper.py", '"""Doc."""', '"""Better."""', False),
        ("stage.py", '"""Doc."""', "", False),
        ("other.py", "1", "2", False),
        ("helper.py", "x + 1", "x + 2", True),
        ("stage.py", "f(1)", "f(2)", True),
    ],
)
def test_what_changes_the_version(package: Path, file: str, old: str, new: str, changes: bool) -> None:
    before = version()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert (version() != before) == changes


def test_a_library_update_changes_the_version(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    monkeypatch.setattr(module.metadata, "version", lambda name: "99")
    assert version() != before
