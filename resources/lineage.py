"""What the promoted reward models come from, read from manifests: the part of the store that is never pruned."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.artifacts import MANIFEST
from resources.audit.record import model_of
from resources.store_contents import EMBEDDED, Contents
from ser.errors import SerError

Identity = tuple[str, str]
"""Asset key and version."""


@dataclass(frozen=True)
class Lineage:
    """Of every promotion in the store, whether or not a head refers to it still."""

    whole: frozenset[Identity]
    """The promotions, the scores that they were decided on, the promoted models and their backbones."""
    ancestors: frozenset[Identity]
    """Everything that these were made from, of which a record has to stay."""


def lineage(found: Contents) -> Lineage:
    """The lineage of the promoted models in a store.

    Raises:
        SerError: a promotion or a manifest cannot be read, so that nobody can say what may go.
    """
    manifests = {one.identity: _read(one.path / MANIFEST) for one in (*found.records, *found.artifacts)}
    by_version: dict[str, list[Identity]] = {}
    for identity in manifests:
        by_version.setdefault(identity[1], []).append(identity)

    def inputs(identity: Identity, *names: str) -> set[Identity]:
        versions = _versions(manifests[identity].get("inputs", {}), names)
        return {made for version in versions for made in by_version.get(version, [])}

    whole: set[Identity] = set()
    for promotion in (one for one in found.artifacts if one.key == "evolved_rm"):
        decided = _read(promotion.path / "summary.json")
        model = (model_of(decided["promoted_loop"]), decided["rm_version"])
        whole |= {promotion.identity, model} | inputs(promotion.identity)
        whole |= inputs(model, "backbone") if model in manifests else set()
    ancestors, waiting = set(whole), [identity for identity in whole if identity in manifests]
    while waiting:
        fresh = inputs(waiting.pop()) - ancestors
        ancestors |= fresh
        waiting.extend(fresh)
    return Lineage(frozenset(whole), frozenset(ancestors))


def embedded_in_use(found: Contents, kept: set[Identity]) -> set[Identity]:
    """The converted embedded models that something kept was made from, and the newest, which the next run needs."""
    models = [one for one in found.artifacts if one.key == EMBEDDED]
    if not models:
        return set()
    newest = max(models, key=lambda one: _read(one.path / MANIFEST)["finished_at"])
    used = {
        version
        for one in found.artifacts
        if one.identity in kept
        for version in _versions(_read(one.path / MANIFEST).get("inputs", {}), ())
    }
    return {one.identity for one in models if one.version in used or one is newest}


def _versions(inputs: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """The versions of the inputs of a manifest: of those with these names, or of all."""
    for name, described in inputs.items():
        if not names or name in names:
            for one in described if isinstance(described, list) else [described]:
                yield one["version"]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SerError(
            f"{path} cannot be read ({error}), so nobody can say what may go. Nothing was removed.\n"
            f"Delete {path.parent} (a run makes it again) and prune again."
        ) from error
