"""Whatever a store holds: a prune keeps what is referred to, leaves the records of the rest, and needs no second."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.landing.parts import PARTS
from resources.landing.store import DatasetStore
from resources.manifests import file_digests, sealed
from resources.prune import prune
from resources.store_contents import contents

pytestmark = pytest.mark.slow

MEMBERS = ("seed_rm/member_0", "seed_rm/member_1")
KEYS = ("splits", "trunk/pool", "backbone", "seed_rm", "seed_rm.heldout", "loop_1/retrained_rm", *MEMBERS)
Identity = tuple[str, str]


@dataclass
class Store:
    """A store of made-up artifacts, and what refers to what."""

    root: Path
    made_from: dict[Identity, list[Identity]] = field(default_factory=dict)
    heads: dict[str, set[Identity]] = field(default_factory=dict)

    def add(self, key: str, inputs: list[Identity], summary: dict | None = None) -> Identity:
        identity = (key, f"{len(self.made_from):016x}")
        place = self.place(identity)
        (place / "rm").mkdir(parents=True)
        (place / "rm" / "weights").write_bytes(b"heavy" * 10)
        (place / "self_labels.parquet").write_bytes(b"labels")
        (place / "summary.json").write_text(json.dumps(summary or {}))
        described = {one[0].rpartition(".")[2]: {"version": one[1]} for one in inputs}
        described["all"] = [{"version": one[1]} for one in inputs]  # type: ignore[assignment]
        facts = {"inputs": described, "finished_at": identity[1], "files": file_digests(place)}
        (place / "manifest.json").write_text(json.dumps(sealed(facts)))
        self.made_from[identity] = inputs
        return identity

    def place(self, identity: Identity) -> Path:
        return self.root / "artifacts" / identity[0] / identity[1]

    def head(self, snapshot: str, identity: Identity) -> None:
        path = self.root / "heads" / snapshot / "settings" / f"{identity[0]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"key": identity[0], "version": identity[1]}))
        known = {one for one in self.heads.setdefault(snapshot, set()) if one[0] != identity[0]}
        self.heads[snapshot] = known | {identity}

    def ancestors(self, identity: Identity) -> set[Identity]:
        return {identity}.union(*(self.ancestors(one) for one in self.made_from[identity]))


def fill(root: Path, draw: st.DataObject) -> tuple[Store, list[str], set[Identity]]:
    """Snapshots that share artifacts and may have been promoted; the promoted models and their backbones."""
    store, never = Store(root), set()
    names = [f"d-{number}" for number in range(draw.draw(st.integers(1, 4)))]
    for age, name in enumerate(names):
        landing = DatasetStore(root, "d").folder / "snapshots" / f"{name}.json"
        landing.parent.mkdir(parents=True, exist_ok=True)
        facts = {"number": age, "pairs": 0, "labelled": 0, "until": None, "after": None}
        landing.write_text(json.dumps({"parts": {kind: [] for kind in PARTS}, **facts}))
        for key in draw.draw(st.lists(st.sampled_from(KEYS), max_size=5)):
            known = sorted(store.made_from)
            if known and draw.draw(st.booleans()):
                store.head(name, draw.draw(st.sampled_from(known)))
            else:
                inputs = draw.draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
                made = store.add(key, inputs)
                if draw.draw(st.booleans()):
                    store.head(name, made)
        if draw.draw(st.booleans()):
            backbone = store.add("backbone", [])
            others = sorted(one for one in store.made_from if one[0] != "backbone")
            extra = draw.draw(st.lists(st.sampled_from(others), max_size=3)) if others else []
            members = [store.add(key, [backbone]) for key in MEMBERS[: draw.draw(st.sampled_from((0, 2)))]]
            model = store.add("seed_rm", [backbone, *members, *extra])
            scores = store.add("seed_rm.heldout", [model, backbone])
            encoded = store.add("encoded_pairs", [])
            promotion = store.add("evolved_rm", [scores, encoded], {"promoted_loop": 0, "rm_version": model[1]})
            store.head(name, promotion)
            never |= {backbone, model, scores, promotion}
    return store, names, never


@settings(max_examples=50, deadline=None)
@given(draw=st.data(), keep=st.integers(1, 3))
def test_a_prune_keeps_what_is_referred_to(draw: st.DataObject, keep: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, names, never = fill(Path(folder), draw)
        finished = [name for name in names if any(key == "evolved_rm" for key, _ in store.heads.get(name, set()))]
        end = names.index(finished[-keep]) if len(finished) >= keep else 0
        result = prune(store.root, keep, remove=True)
        assert set(result.old_snapshots) == set(names[:end]) & store.heads.keys()
        whole = never.union(*(store.heads.get(name, set()) for name in names[end:]))
        recorded = set().union(*store.heads.values()).union(*(store.ancestors(one) for one in never))
        found = contents(store.root)
        assert {one.identity for one in found.artifacts} == whole
        assert {one.identity for one in found.artifacts} | {one.identity for one in found.records} == whole | recorded
        for one in (*found.artifacts, *found.records):
            assert one.heavy == (50 if one in found.artifacts else 0)
            assert json.loads((one.path / "manifest.json").read_text())["finished_at"] == one.version
            assert (one.path / "self_labels.parquet").exists()
        assert result.bytes == 0 or prune(store.root, keep, remove=False).removed == []
