"""Imports go down the layers only, and the code location loads fast and light."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["ser", "resources", "assets", "ser_dagster"]
HEAVY = {"torch", "transformers", "trl", "peft"}


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_down_only(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    upward = {str(path.relative_to(ROOT)): imported(path) & above for path in files}
    assert {name: found for name, found in upward.items() if found} == {}


def test_the_method_does_not_know_dagster() -> None:
    assert [path.name for path in (ROOT / "ser").rglob("*.py") if "dagster" in imported(path)] == []


def test_nothing_heavy_is_imported_at_module_level_above_the_method() -> None:
    for layer in LAYERS[1:]:
        for path in (ROOT / layer).rglob("*.py"):
            assert not imported(path, top_level_only=True) & HEAVY, path


def test_dagster_is_never_imported_by_parts() -> None:
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            assert "from dagster import" not in path.read_text(), path


def test_definitions_load_in_under_three_seconds_without_torch() -> None:
    code = (
        "import sys, time; start = time.process_time(); import ser_dagster.definitions; "
        f"print(time.process_time() - start); print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SER_")}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    seconds, heavy = result.stdout.strip().splitlines()
    assert heavy == "[]"
    # Processor time: what the load costs, whatever else the machine is doing.
    assert float(seconds) < 3


def test_the_workspace_and_dg_name_the_same_location() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module = project["tool"]["dg"]["project"]["code_location_target_module"]
    assert f"module_name: {module}" in (ROOT / "workspace.yaml").read_text()


def test_dagster_validates_the_workspace(tmp_path: Path) -> None:
    dagster = Path(sys.executable).with_name("dagster")
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "SER_DATA": str(tmp_path / "data")}
    result = subprocess.run(
        [dagster, "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "All code locations passed validation" in result.stdout
