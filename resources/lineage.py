"""What the promoted reward models come from, read from manifests: the part of the store that is never pruned."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources import asset_keys as keys
from resources.manifests import AGAIN, DamagedArtifactError, check_whole, read_manifest
from resources.store_contents import EMBEDDED, Contents, Stored
from ser.errors import SerError

PROMOTION = keys.EVOLVED_RM
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
        SerError: a promotion or a manifest is not what was written, so that nobody can say what may go.
    """
    manifests = {one.identity: _manifest(one) for one in (*found.records, *found.artifacts)}
    by_version: dict[str, list[Identity]] = {}
    for identity in manifests:
        by_version.setdefault(identity[1], []).append(identity)

    def inputs(identity: Identity, *names: str) -> set[Identity]:
        versions = _versions(manifests[identity].get("inputs", {}), names)
        return {made for version in versions for made in by_version.get(version, [])}

    whole: set[Identity] = set()
    for put_aside in (one for one in found.damaged if one.key == PROMOTION and one.identity not in manifests):
        raise _unknown(put_aside.path, f"promotion {put_aside.version} was damaged and put aside")
    for promotion in (one for one in found.artifacts if one.key == PROMOTION):
        model = _promoted(promotion)
        if model not in manifests:
            raise _unknown(promotion.path, f"{'/'.join(model)}, which it promotes, is not in the store")
        heldout = inputs(promotion.identity, "heldout")
        backbones = {backbone for scored in heldout if scored in manifests for backbone in inputs(scored, "backbone")}
        whole |= {promotion.identity, model} | heldout | backbones
    ancestors, waiting = set(whole), [identity for identity in whole if identity in manifests]
    while waiting:
        fresh = inputs(waiting.pop()) - ancestors
        ancestors |= fresh
        waiting.extend(fresh)
    return Lineage(frozenset(whole), frozenset(ancestors))


def promotions_of(found: Contents, models: Collection[Identity]) -> Iterator[Identity]:
    """The promotions of these models, whether or not a head refers to them; not those that cannot be read."""
    for promotion in (one for one in found.artifacts if one.key == PROMOTION):
        with suppress(SerError):
            if _promoted(promotion) in models:
                yield promotion.identity


def embedded_in_use(found: Contents, kept: set[Identity]) -> set[Identity]:
    """The converted embedded models that something kept was made from, and the newest, which the next run needs."""
    models = [one for one in found.artifacts if one.key == EMBEDDED]
    if not models:
        return set()
    newest = max(models, key=lambda one: _manifest(one)["finished_at"])
    used = {
        version
        for one in found.artifacts
        if one.identity in kept
        for version in _versions(_manifest(one).get("inputs", {}), ())
    }
    return {one.identity for one in models if one.version in used or one is newest}


def _versions(inputs: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """The versions of the inputs of a manifest: of those with these names, or of all."""
    for name, described in inputs.items():
        if not names or name in names:
            for one in described if isinstance(described, list) else [described]:
                yield one["version"]


def _manifest(one: Stored) -> dict[str, Any]:
    try:
        return read_manifest(one.path, f"{one.key}/{one.version}")
    except DamagedArtifactError as error:
        raise _unknown(one.path, str(error).removesuffix(AGAIN)) from error


def _promoted(promotion: Stored) -> Identity:
    """The model that a promotion chose; a changed digit in its name would let the model go."""
    try:
        check_whole(promotion.path, f"{promotion.key}/{promotion.version}")
    except DamagedArtifactError as error:
        raise _unknown(promotion.path, str(error).removesuffix(AGAIN)) from error
    decided = json.loads((promotion.path / "summary.json").read_text())
    return keys.model_of(decided["promoted_loop"]), decided["rm_version"]


def _unknown(path: Path, why: str) -> SerError:
    return SerError(
        f"{why.strip().removesuffix('.')}. Nothing was removed, because nobody can say what may go.\n"
        f"Delete {path} (a run that needs it makes it again) and prune again."
    )
