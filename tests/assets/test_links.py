"""Where the page leads from an asset: to its code, its documentation, and what it made."""

import inspect
from pathlib import Path

import dagster as dg
import pytest

from assets.graph import graph
from assets.links import ROOT, linked
from resources.settings import Settings


@pytest.fixture(scope="module")
def about() -> dict[str, dg.AssetSpec]:
    assets, _ = graph(Settings(loops=1, max_loops=1))
    specs = [spec for asset in linked(assets, Path("/store")) for spec in asset.specs]
    assert len(specs) == len(assets)
    return {spec.key.to_user_string(): spec for spec in specs}


def test_the_code_of_every_asset_is_found(about: dict[str, dg.AssetSpec]) -> None:
    made_by = {"evolved_rm": "promote", "audit_sync": "copy_run"}
    for key, spec in about.items():
        code, _ = spec.metadata["dagster/code_references"].code_references
        lines = Path(code.file_path).read_text().splitlines(keepends=True)[code.line_number - 1 :]
        name = made_by.get(key, key.rpartition("/")[2])
        assert f"def {name}(" in "".join(inspect.getblock(lines)), key


def test_the_documentation_and_the_place_of_every_asset_are_found(about: dict[str, dg.AssetSpec]) -> None:
    pages = {key: spec.metadata["dagster/code_references"].code_references[1] for key, spec in about.items()}
    assert all(Path(page.file_path) == ROOT / page.label and Path(page.file_path).is_file() for page in pages.values())
    assert [pages[key].label for key in ("vault", "report", "seed_rm")] == [
        "docs/data.md", "docs/audit.md", "docs/method.md",
    ]  # fmt: skip
    places = {key: spec.metadata["dagster/uri"] for key, spec in about.items()}
    assert places["loop_1/self_labels"] == "file:///store/artifacts/loop_1/self_labels"
    assert places["audit_sync"] == "file:///store/audit.duckdb"


def test_every_asset_has_a_kind(about: dict[str, dg.AssetSpec]) -> None:
    assert [key for key, spec in about.items() if not spec.kinds] == []
