"""The command that would run an evolution once more, with something changed."""

import json
import shlex

from resources.dotted import dotted
from resources.machine import Compute
from resources.preset_files import SECTIONS
from resources.reporting.report_data import ReportData
from resources.settings import Settings

_MOST = 3
"""Settings that a command on the first screen has room for."""
_ELSEWHERE = {
    *("recipe", "preset", "recipes", "loops", "thresholds", "method"),
    *("compute", "max_loops", "landing", "controls"),
}
"""What `--recipe` and `--preset` say, or what decides no number; where an evolution departs from them it is added."""


def run_again(data: ReportData, **changed: str) -> tuple[str, str]:
    """`ser run` with the settings of an evolution, but for those that are `changed` (a dot is written `__`).

    Returns:
        the command, and what to say beside it. Where the first screen has no room for all settings, the command is cut
        by a sign that makes it fail if it is typed, rather than run another evolution.
    """
    changes = {name.replace("__", "."): value for name, value in changed.items()}
    own = {name: value for name, value in unlike_defaults(data).items() if name not in changes}
    said = "" if data.is_of_newest else ", on the newest snapshot"
    if len(own) <= _MOST:
        return _command(data, own | changes), said
    cut = [*_beginning(data), "…", *_assigned(changes)]
    return " ".join(cut), f"{said} (its whole command is under Provenance)"


def whole_command(data: ReportData) -> str:
    """`ser run` with all settings of an evolution."""
    return _command(data, unlike_defaults(data))


def _command(data: ReportData, assigned: dict[str, str]) -> str:
    return shlex.join([*_beginning(data), *_assigned(assigned)])


def _beginning(data: ReportData) -> list[str]:
    settings, defaults = data.evolution["settings"], Settings()
    named = [name for name in ("recipe", "preset") if settings[name] != getattr(defaults, name)]
    options = [word for name in named for word in (f"--{name}", settings[name])]
    return ["ser", "run", "--dataset", data.evolution["dataset"], *options]


def _assigned(values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def unlike_defaults(data: ReportData) -> dict[str, str]:
    """The settings that neither the recipe, nor the preset, nor a default says, each as `--set` takes it.

    That there is none (null) cannot be said.
    """
    said, defaults = dotted(data.evolution["settings"]), dotted(Settings().model_dump(mode="json"))
    passed_over = {*_ELSEWHERE, *(SECTIONS if said["preset"] != defaults["preset"] else ())}
    names = [name for name in said if name.partition(".")[0] not in passed_over and defaults.get(name) != said[name]]
    names += data.departures
    if said["loops"] > defaults["max_loops"]:
        names += ["loops", "max_loops"]
    here = Compute().arithmetic
    for part in ("device", "dtype", "weights"):
        if said[f"compute.{part}"] not in ("auto", getattr(here, part)):
            names.append(f"compute.{part}")
    found = {name: said[name] for name in sorted({*names}) if said[name] is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
