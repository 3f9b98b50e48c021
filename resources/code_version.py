"""The code's part of a version: what a stage would compute, and not how that is commented, described or said."""

import ast
import hashlib
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import ser
from resources.source_index import SourceIndex

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "safetensors", "numpy", "gguf")
"""Libraries whose version may change a stage's numbers."""

_TOLD = frozenset(("progress", "warn", "tell"))
"""Calls whose texts are for people."""


@lru_cache
def code_version(module: str) -> str:
    """16 hex characters over the syntax trees of `module` and of every definition in `ser` that it uses.

    Comments, docstrings, descriptions of fields, texts of errors and of progress, and definitions that nothing here
    uses leave the version as it was; any other change does not.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    digest = hashlib.sha256()
    for place, statements in sorted(_index(Path(ser.__file__).parent).used_by(module).items()):
        digest.update("\n".join((*place, *statements)).encode())
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


@lru_cache
def _index(root: Path) -> SourceIndex:
    return SourceIndex(root, "ser", _WithoutTexts())


class _WithoutTexts(ast.NodeTransformer):
    """Takes out docstrings, `description=…`, and the texts of errors and of progress."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Strings that stand alone are documentation."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Of an error its type counts."""
        return _without_strings(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Descriptions of fields, and what listeners are told."""
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        if _called(node) in _TOLD:
            _without_strings(node)
        return self.generic_visit(node)


def _called(node: ast.Call) -> str | None:
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else None


def _without_strings(node: ast.AST) -> ast.AST:
    """The node with every string, plain or formatted, made empty."""
    for parent in ast.walk(node):
        for field, value in ast.iter_fields(parent):
            if _is_text(value):
                setattr(parent, field, ast.Constant(""))
            elif isinstance(value, list):
                value[:] = [ast.Constant("") if _is_text(item) else item for item in value]
    return ast.Constant("") if _is_text(node) else node


def _is_text(value: object) -> bool:
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
