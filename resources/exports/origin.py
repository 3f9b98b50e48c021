"""Where a backbone came from, as far as it is known: what an adapter, a card and a licence refer to."""

from pathlib import Path
from typing import Any

from resources.backbones import local_folder
from resources.settings import Settings

_EMBEDDED = "HuggingFaceTB/SmolLM2-135M-Instruct"


def backbone_origin(settings: Settings, folder: Path) -> dict[str, Any]:
    """`hub_id`, `revision` (only if exactly this model is on the hub), `licence` and a `note`, each None if unknown.

    Args:
        folder: the backbone itself. The hub's cache names it by its commit.
    """
    model = settings.backbone.model
    origin: dict[str, Any] = {"hub_id": None, "revision": None, "licence": None, "note": None}
    if model == "embedded":
        note = f"The backbone is a 4-bit copy of {_EMBEDDED}, dequantised: the original gives other scores."
        origin |= {"hub_id": _EMBEDDED, "licence": "apache-2.0", "note": note}
    elif not local_folder(model).is_dir():
        origin |= {"hub_id": model, "revision": folder.name}
    if settings.sft:
        tuned = "The backbone was fine-tuned on the preferred responses of the seed first."
        origin |= {"revision": None, "note": f"{origin['note']} {tuned}" if origin["note"] else tuned}
    return origin
