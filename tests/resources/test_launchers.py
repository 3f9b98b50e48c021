"""A stage in a process of its own does what it does here."""

import os
from pathlib import Path

import pytest
from landing_fakes import jsonl, landing, pair

from resources.launchers import in_own_process, in_process
from resources.manifests import file_digests
from ser.errors import SerError
from ser.progress import silent
from ser.specs import Roles, Spec
from ser.stages.specs import SplitSpec


def test_the_result_is_the_same(tmp_path: Path) -> None:
    zone = landing(tmp_path, seed_fraction=0.5)
    done = zone.land([jsonl(tmp_path / "a.jsonl", [pair(number) for number in range(300)])], "demo")
    tables, here, there = tmp_path / "tables", tmp_path / "here", tmp_path / "there"
    for folder in (tables, here, there):
        folder.mkdir()
    zone.write_snapshot(done.snapshot, tables)
    inputs = {name: tables / f"{name}.parquet" for name in ("pairs", "labels", "judge_labels")}
    summary = in_process("ser.stages.split", SplitSpec(roles=Roles()), inputs, here, silent)
    assert in_own_process("ser.stages.split", SplitSpec(roles=Roles()), inputs, there, silent) == summary
    assert file_digests(there) == file_digests(here) != {}


class Nothing(Spec):
    """No settings."""


def run(spec: Spec, inputs: object, out: Path, progress: object) -> dict[str, int]:
    """A stage that tells where it runs, or refuses."""
    if inputs:
        raise SerError("no such thing. Try another.")
    return {"process": os.getpid()}


def test_it_is_another_process_and_its_refusal_arrives(tmp_path: Path) -> None:
    assert in_process(__name__, Nothing(), {}, tmp_path, silent) == {"process": os.getpid()}
    assert in_own_process(__name__, Nothing(), {}, tmp_path, silent)["process"] != os.getpid()
    with pytest.raises(SerError, match="no such thing"):
        in_own_process(__name__, Nothing(), {"a": tmp_path}, tmp_path, silent)
