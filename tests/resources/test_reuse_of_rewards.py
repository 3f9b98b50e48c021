"""Which earlier rewards are those of the same model, and whole."""

from pathlib import Path
from typing import Any

import pytest

from resources.artifacts import ArtifactStore, Inputs, Part
from resources.reuse import earlier_rewards
from ser.data import tables
from ser.progress import Progress
from ser.specs import Arithmetic, Spec
from ser.stages.job import Job
from ser.stages.label import REWARDS, REWARDS_NAME, LabelSpec

KEY = "loop_1/self_labels"
SPEC = LabelSpec(arithmetic=Arithmetic())


def inputs(**digests: str) -> Inputs:
    """The inputs of a labelling; each is known by its digest alone."""
    known = {"backbone": "b", "reward_model": "m", "encoded": "pool 1", "heldout": "h"} | digests
    return {name: Part(Path(name), digest) for name, digest in known.items()} | {"kept": []}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """A store in which one pool has been labelled, without a model."""

    def launch(job: Job, progress: Progress) -> dict[str, Any]:
        tables.write(job.out / REWARDS_NAME, REWARDS, [{"pair_id": "p", "digest": "d", "rewards": [1.0, 2.0]}])
        return {"n_pool": 1, "reward_offset": 0.0, "temperature": 1.0}

    store = ArtifactStore(tmp_path, launch)
    store.make(KEY, "label", SPEC, inputs(), progress=lambda *_: None)
    return store


@pytest.mark.parametrize(
    ("spec", "digests", "found"),
    [
        (SPEC, {"encoded": "pool 2"}, True),
        (SPEC, {"heldout": "another temperature"}, True),
        (SPEC, {"reward_model": "another"}, False),
        (SPEC, {"backbone": "another"}, False),
        (LabelSpec(arithmetic=Arithmetic(dtype="bfloat16")), {}, False),
    ],
)
def test_they_are_of_the_same_model(store: ArtifactStore, spec: Spec, digests: dict[str, str], found: bool) -> None:
    assert bool(earlier_rewards(store, KEY, spec, inputs(**digests))) == found
    assert not earlier_rewards(store, "loop_2/self_labels", spec, inputs(**digests))


def test_what_is_damaged_or_says_too_little_is_of_no_use(store: ArtifactStore) -> None:
    other = inputs(encoded="pool 2")
    [path] = earlier_rewards(store, KEY, SPEC, other)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not earlier_rewards(store, KEY, SPEC, other)
    path.write_bytes(content)
    (path.parent / "manifest.json").write_text("{}")
    assert not earlier_rewards(store, KEY, SPEC, other)


def test_what_is_made_again_is_not_made_from_itself(store: ArtifactStore) -> None:
    """If anything of it is damaged it is put aside before it is made, and its rewards with it."""
    assert earlier_rewards(store, KEY, SPEC, inputs()) == []
    again = inputs() | {"states": Part(Path("states"), "s")}
    assert len(earlier_rewards(store, KEY, SPEC, again)) == 1


def test_other_code_has_other_rewards(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert earlier_rewards(store, KEY, SPEC, inputs(encoded="pool 2"))
    monkeypatch.setattr("resources.reuse.code_version", lambda module: "another")
    assert not earlier_rewards(store, KEY, SPEC, inputs(encoded="pool 2"))
