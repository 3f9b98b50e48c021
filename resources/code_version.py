"""The code's part of a version: what a stage would do, not how it is commented."""

import ast
import hashlib
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import ser

PACKAGES = ("torch", "transformers", "peft", "trl")
"""Libraries whose version may change a stage's numbers."""


@lru_cache
def code_version(module: str) -> str:
    """16 hex characters over the syntax trees, without docstrings, of `module` and every `ser` module it imports.

    A changed comment, docstring or layout leaves the version as it was; any other change does not.
    """
    digest = hashlib.sha256()
    for name in sorted(_reachable(module)):
        digest.update(name.encode())
        digest.update(_dumped(name))
    for package in PACKAGES:
        digest.update(f"{package}={metadata.version(package)};".encode())
    return digest.hexdigest()[:16]


@lru_cache
def git_commit() -> str | None:
    """The commit of the code that runs, where it is a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _reachable(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_imports(name))
    return found


@lru_cache
def _imports(module: str) -> set[str]:
    """The `ser` modules that a `ser` module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(_bare(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "ser" and _file(name) is not None}


@lru_cache
def _dumped(module: str) -> bytes:
    return ast.dump(_bare(module)).encode()


@lru_cache
def _bare(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"no module named {module}")
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


@lru_cache
def _file(module: str) -> Path | None:
    """The source file of a `ser` module, found without importing anything."""
    place = Path(ser.__file__).parent.joinpath(*module.split(".")[1:])
    found = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in found if path.is_file()), None)
