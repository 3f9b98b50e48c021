"""What may not be said of an execution: Dagster records its configuration, and shows it to whoever opens the page."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from resources.refused_credentials import refuse_credentials
from ser.errors import SerError

FILE = "the run's configuration"


def checked_before_it_is_recorded(resource: dg.ResourceDefinition) -> dg.ResourceDefinition:
    """The same resource, whose configuration Dagster does not record where it has what belongs nowhere.

    Dagster resolves a configuration before it makes a run of it, and once more when the run begins; it lets a
    resource take part by this method alone (dagster 1.13).
    """
    resolve = resource.apply_config_mapping

    def check_and_resolve(config: Any) -> Any:
        refuse_in_launch(config.get("config", {}))
        return resolve(config)

    if "apply_config_mapping" not in vars(resource):  # a resource has one definition, however often it is asked for
        setattr(resource, "apply_config_mapping", check_and_resolve)  # noqa: B010
    return resource


def refuse_in_launch(config: Mapping[str, Any]) -> None:
    """Raise if the configuration of `SerResource` has a credential in it, or the section `automation`.

    Raises:
        SerError: names the field, and repeats nothing of it.
    """
    refuse_credentials(config, {}, FILE)
    settings = _read(config.get("settings"))
    refuse_credentials(settings, {}, FILE)
    said = [*settings, *(text.partition("=")[0] for text in config.get("other_settings") or ())]
    if any(key.strip().partition(".")[0] == "automation" for key in said):
        raise SerError(
            "the section automation decides nothing of a run, and is not to be recorded with one.\n"
            f"Take it out of {FILE}: it belongs into ser.toml."
        )


def _read(settings: str | None) -> Mapping[str, Any]:
    """The settings of a program, whatever its JSON escapes.

    Raises:
        SerError: they are no JSON object.
    """
    try:
        said = json.loads(settings or "{}")
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, Mapping):
        raise SerError(f"`settings` of {FILE} is no JSON object.\nLeave it out: it is for programs.")
    return said
