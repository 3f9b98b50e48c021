"""The configuration of the model that the settings name, without its weights."""

import json
from typing import Any

from resources.backbones import local_folder
from resources.preset_files import FOLDER, presets, read_preset
from resources.settings import Backbone
from resources.settings_file import settings_file
from ser.errors import SerError


def read_configuration(settings: Backbone) -> dict[str, Any]:
    """What the config.json of a local folder says, or the published one of a model that one of our presets names.

    Raises:
        SerError: the folder is no model, or the sizes of the model are not known here.
    """
    from ser.models.model_config import read_config

    folder = local_folder(settings.model)
    if folder.is_dir():
        return read_config(folder)
    for name in presets():
        if read_preset(name, {}, settings_file()).get("backbone", {}).get("model", "embedded") == settings.model:
            published: dict[str, Any] = json.loads((FOLDER / f"{name}.config.json").read_text())
            return published
    raise SerError(
        f"backbone.model {settings.model!r}: its sizes are not known here.\n"
        f"Name a folder with its config.json (--set backbone.model=FOLDER), or a preset: {', '.join(presets())}."
    )
