"""A process of the project imports nothing from the folder that it is started in."""

import subprocess
from pathlib import Path

import pytest

from ser.python_process import module_command, module_environment

HOSTILE = "from pathlib import Path\nPath('ran').touch()\n"


@pytest.mark.parametrize("said", ["", ":", "/nowhere::/nowhere", ".", "/nowhere:.:./", "sub/.."])
def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("numpy", "transformers", "ser"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", said)
    monkeypatch.chdir(tmp_path)
    command = module_command("ser.errors")
    done = subprocess.run(command, cwd=tmp_path, env=module_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    command[-2:] = ["-c", "import sys; print(sys.path)"]
    done = subprocess.run(command, cwd=tmp_path, env=module_environment(), capture_output=True, text=True)
    assert str(tmp_path) not in done.stdout and "''" not in done.stdout
    assert not (tmp_path / "ran").exists()
