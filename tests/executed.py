"""Which functions of `ser` the stages really run."""

import cProfile
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import ser
from resources.code_version import NO_PART
from ser import stages

ROOT = Path(ser.__file__).parent


@contextmanager
def executed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """Stage to the places (see `resources.source_index`) of what it ran in this process while this lasts."""
    ran: dict[str, set[str]] = defaultdict(set)
    with monkeypatch.context() as patch:
        for found in pkgutil.iter_modules(stages.__path__, "ser.stages."):
            module = import_module(found.name)
            if run := getattr(module, "run", None):
                patch.setattr(module, "run", _recorded(run, ran[found.name]))
        yield ran
    assert any(ran.values())


def _recorded(run: Callable[..., Any], places: set[str]) -> Callable[..., Any]:
    @wraps(run)
    def recorded(*args: Any, **named: Any) -> Any:
        profile = cProfile.Profile(subcalls=False, builtins=False)
        try:
            return profile.runcall(run, *args, **named)
        finally:
            codes = (entry.code for entry in profile.getstats())
            places.update(place for code in codes if isinstance(code, CodeType) for place in _place(code))

    return recorded


def _place(code: CodeType) -> Iterator[str]:
    """The place of a function of `ser`, or of the function or class that it is in."""
    path = Path(code.co_filename)
    if path.is_relative_to(ROOT) and code.co_flags & inspect.CO_OPTIMIZED:  # neither a module nor the body of a class
        module = ".".join(("ser", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        name = code.co_qualname.partition(".")[0]
        place = f"{module}:{'' if name.startswith('<') else name}"
        if not {place, f"{module}:"} & NO_PART:
            yield place
