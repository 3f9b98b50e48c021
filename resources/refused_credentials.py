"""Settings with a password, a key or a token in them, which are refused: settings are recorded, logged and shown."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from resources.credentials import has_credentials
from resources.settings_errors import Origins, prefix
from ser.errors import SerError

_PLACES = {
    ("s3", "s3a", "s3n"): "AWS_PROFILE, or by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ("gs", "gcs"): "GOOGLE_APPLICATION_CREDENTIALS",
    ("az", "abfs", "abfss"): "AZURE_STORAGE_CONNECTION_STRING",
    ("hf",): "HF_TOKEN",
}
"""Schemes to the variables in which their clients look."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):[/\\]", re.I)


def refuse_credentials(values: Mapping[str, Any], origins: Origins, file: str = "ser.toml") -> None:
    """Raise if a credential stands anywhere in settings that have been read and not yet looked at.

    Args:
        values: the settings of one source, nested or by dotted key.
        file: where those are that `origins` does not name.

    Raises:
        SerError: names the setting and where the credential belongs, and never repeats it.
    """
    for key, text in _texts(values):
        if has_credentials(text):
            origin = origins.get(key)
            schemes = [scheme.lower() for scheme in _SCHEME.findall(text)]
            places = [place for names, place in _PLACES.items() if any(scheme in names for scheme in schemes)]
            where = " or ".join(f"by {place}" for place in places) or "by a variable FSSPEC_<PROTOCOL>_<ARGUMENT>"
            raise SerError(
                f"{prefix(origin, key)}setting {key!r} has a password, a key or a token in it.\n"
                f"Take it out of {origin or file}, and give it {where}, or in ~/.config/fsspec/conf.json "
                "(docs/automation.md)."
            )


def _texts(values: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in some values, by where it stands; a key that is to be told counts as a text of what it is in."""
    if isinstance(values, str):
        yield place, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield place, str(key)
            yield from _texts(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value, place)
