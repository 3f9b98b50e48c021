"""The code's part of a version: what a stage computes, and not how that is commented, described, said or run.

It covers every definition in `ser` that a stage reaches (`resources.source_index`), as a syntax tree without texts for
people, and the versions of the packages that compute and that those definitions name.
"""

import ast
import hashlib
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import ser
from resources.source_index import Reached, SourceIndex
from ser.specs import ModelSpec, Spec

PACKAGES = {
    "torch": ("numpy",),
    "transformers": ("torch", "tokenizers", "safetensors", "gguf"),
    "tokenizers": (),
    "peft": ("transformers", "accelerate"),
    "trl": ("transformers", "accelerate", "peft"),
    "accelerate": ("torch",),
    "safetensors": (),
    "gguf": ("numpy",),
    "numpy": (),
    "scipy": ("numpy",),
    "pyarrow": (),
    "duckdb": (),
}
"""The packages whose version may change what a stage writes, each with those that it computes with."""

NO_PART = frozenset(("ser.progress:", "ser.specs:Execution"))
"""Who listens, and how a stage is run: neither may change what it computes."""

_TOLD = frozenset(("progress", "tell", "warn", "named", "wording"))
"""Calls whose texts are for people."""


@lru_cache
def code_version(*modules: str) -> str:
    """16 hex characters over what `modules` reach in `ser`, and over the packages that this computes with.

    Comments, docstrings, descriptions of fields, texts of errors and of progress, and definitions that nothing here
    uses leave the version as it was; any other change does not.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    reached = reach(*modules)
    digest = hashlib.sha256()
    for place, syntax in sorted(reached.places.items()):
        digest.update(f"{place}\n{syntax}\n".encode())
    for package in sorted(_computing(reached.packages)):
        digest.update(f"{package}={metadata.version(package)};".encode())
    return digest.hexdigest()[:16]


def rounding_version(spec: Spec) -> dict[str, str]:
    """The library that rounds the weights of a stage, and its version: a part of a version where they are in 4 bits."""
    four_bits = isinstance(spec, ModelSpec) and spec.arithmetic.weights == "nf4"
    return {"bitsandbytes": metadata.version("bitsandbytes")} if four_bits else {}


def reach(*modules: str) -> Reached:
    """What `modules` use of `ser`, and of other packages.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    return _index(Path(ser.__file__).parent).reach(*modules)


@lru_cache
def git_commit() -> str | None:
    """The commit of the code that runs, where it is a git checkout, with `+` behind it if something was changed."""
    folder = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


@lru_cache
def _index(root: Path) -> SourceIndex:
    return SourceIndex(root, "ser", _WithoutTexts(), NO_PART)


def _computing(named: set[str]) -> set[str]:
    """The packages that compute, of those that are named and those that they bring."""
    found: set[str] = set()
    waiting = list(named & PACKAGES.keys())
    while waiting:
        package = waiting.pop()
        found.add(package)
        waiting.extend(set(PACKAGES[package]) - found)
    return found


class _WithoutTexts(ast.NodeTransformer):
    """Takes out docstrings and `description=…` of fields, and empties the texts of errors and of progress."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Strings that stand alone are documentation."""
        return None if _is_text(node.value) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Of an error its type counts."""
        return _without_strings(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What fields are described with, and what listeners are told."""
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(_without_strings(node) if called in _TOLD else node)


def _without_strings(node: ast.AST) -> ast.AST:
    """The node with every string in it, plain or formatted, made empty."""
    for parent in ast.walk(node):
        for name, value in ast.iter_fields(parent):
            if _is_text(value):
                setattr(parent, name, ast.Constant(""))
            elif isinstance(value, list):
                value[:] = [ast.Constant("") if _is_text(item) else item for item in value]
    return node


def _is_text(value: object) -> bool:
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
