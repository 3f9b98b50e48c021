"""The tokenizer of the backbone without its weights: enough to show what a model reads."""

from pathlib import Path
from typing import Any

from resources.backbones import embedded_file, fetch_from_hub, local_folder
from resources.known_models import hub_digest, remembered_digest, was_tried
from resources.settings import Backbone
from ser.models.probe import probe

TOKENIZER_FILES = ["*.json", "*.jinja", "tokenizer.model"]


def load_tokenizer_only(root: Path, settings: Backbone) -> Any:
    """The tokenizer that runs will use. Nothing is written to the data root.

    Raises:
        SerError: there is no such model, it cannot be fetched, or it cannot be used.
    """
    from ser.models.tokenizer import load_tokenizer

    if settings.model != "embedded":
        folder = local_folder(settings.model)
        digest = remembered_digest(root, folder) if folder.is_dir() else None
        if not folder.is_dir():
            folder = fetch_from_hub(settings, TOKENIZER_FILES)
            digest = hub_digest(settings.model, folder)
        if not was_tried(root, digest):
            probe(folder)
        return load_tokenizer(folder)
    converted = sorted((root / "artifacts" / "backbone" / "embedded").glob("*/model/tokenizer.json"))
    if converted:
        return load_tokenizer(converted[-1].parent)
    from transformers import AutoTokenizer

    from ser.stages.embedded_backbone import CHATML

    gguf = embedded_file()
    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.chat_template = CHATML
    return tokenizer
