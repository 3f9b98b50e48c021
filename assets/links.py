"""Where the Dagster page finds the code of an asset, its documentation, and what it made."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from resources import asset_keys as keys

# The versions of Dagster are pinned, so its beta is no surprise.
warnings.filterwarnings("ignore", ".*(code_references|CodeReference)", dg.BetaWarning)

ROOT = Path(__file__).parents[1]
REFERENCES, URI = "dagster/code_references", "dagster/uri"
DOCUMENTED = {"data": "docs/data.md", "audit": "docs/audit.md", "on_demand_controls": "docs/audit.md"}
"""The group of an asset to what explains it."""
METHOD = "docs/method.md"
"""Explains all others."""


def code_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The metadata that leads to a function that makes an asset, where Dagster finds only what wraps it."""
    return {REFERENCES: dg.CodeReferencesMetadataValue(code_references=[_reference(function)])}


def linked(assets: Sequence[dg.AssetsDefinition], root: Path) -> list[dg.AssetsDefinition]:
    """The same assets, each with its code, its documentation, and where under the data root what it makes lies."""
    known = {key for asset in assets for key, about in asset.metadata_by_key.items() if REFERENCES in about}
    found = [asset if asset.key in known else _with_code(asset) for asset in assets]
    return [asset.map_asset_specs(lambda spec: _linked(spec, root)) for asset in found]


def _with_code(asset: dg.AssetsDefinition) -> Any:
    return dg.with_source_code_references([asset])[0]


def _linked(spec: dg.AssetSpec, root: Path) -> dg.AssetSpec:
    page = ROOT / DOCUMENTED.get(spec.group_name or "", METHOD)
    references = spec.metadata[REFERENCES].code_references
    if page.exists():  # a wheel has no documentation
        said = dg.LocalFileCodeReference(file_path=str(page), label=page.relative_to(ROOT).as_posix())
        references = [*references, said]
    links = {
        REFERENCES: dg.CodeReferencesMetadataValue(code_references=references),
        URI: _place(spec.key.to_user_string(), root).as_uri(),
    }
    return spec.replace_attributes(metadata={**spec.metadata, **links})


def _place(key: str, root: Path) -> Path:
    own = {keys.AUDIT_SYNC: "audit.duckdb", keys.REPORT: "reports"}
    return root / own.get(key, f"artifacts/{key}")


def _reference(function: Callable[..., Any]) -> dg.LocalFileCodeReference:
    path = inspect.getsourcefile(function)
    if path is None:
        raise AssertionError(f"{function} has no source")
    return dg.LocalFileCodeReference(file_path=path, line_number=inspect.getsourcelines(function)[1])
