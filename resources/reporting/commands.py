"""The command that would run an evolution once more, with something changed."""

import json
import shlex

from resources.dotted import dotted
from resources.preset_files import SECTIONS
from resources.reporting.report_data import ReportData
from resources.settings import Settings

_MOST = 3
"""Settings that a command on the first screen has room for."""
_ELSEWHERE = {
    *("recipe", "preset", "recipes", "loops", "thresholds", "method"),
    *("compute", "max_loops", "landing", "controls"),
}
"""What `--recipe` and `--preset` say, or what decides no number; where it departs from the recipe it is added."""


def run_again(data: ReportData, **changed: str) -> tuple[str, str]:
    """`ser run` with the settings of an evolution, but for those that are `changed` (a dot is written `__`).

    Returns:
        the command, and what to say beside it where there are more settings than it has room for.
    """
    settings, defaults = data.evolution["settings"], Settings()
    words = ["ser", "run", "--dataset", data.evolution["dataset"]]
    for name in ("recipe", "preset"):
        if settings[name] != getattr(defaults, name):
            words += [f"--{name}", settings[name]]
    changes = {name.replace("__", "."): value for name, value in changed.items()}
    own = {name: value for name, value in unlike_defaults(data).items() if name not in changes}
    many = len(own) > _MOST
    assigned = changes if many else own | changes
    for name, value in assigned.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words), ", with the settings of this evolution (see Provenance)" if many else ""


def unlike_defaults(data: ReportData) -> dict[str, str]:
    """The settings that neither the recipe, nor the preset, nor a default says, each as `--set` takes it.

    That there is none (null) cannot be said.
    """
    said, defaults = dotted(data.evolution["settings"]), dotted(Settings().model_dump(mode="json"))
    passed_over = {*_ELSEWHERE, *(SECTIONS if said["preset"] != defaults["preset"] else ())}
    names = [name for name in said if name.partition(".")[0] not in passed_over and defaults.get(name) != said[name]]
    found = {name: said[name] for name in sorted([*names, *data.departures]) if said[name] is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
