"""The tokens of every role: a stage that was killed between two roles says what an undisturbed one says."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from resources.disk import clear
from ser.data import tables
from ser.data.pairs import canonical_prompt
from ser.specs import Encoding
from ser.stages.encode import TABLES, EncodeSpec
from tests.models import labelled_pairs, run_stage

SPEC = EncodeSpec(encoding=Encoding(max_length=48))


@pytest.fixture
def inputs(tiny_backbone: Path, tmp_path: Path) -> dict[str, Any]:
    """A table of 30 pairs for each role; one response of each does not fit, and one prompt has to be cut."""
    result: dict[str, Any] = {"backbone": tiny_backbone}
    for seed, (role, schema) in enumerate(TABLES.items()):
        rows = [{**pair.__dict__, "preferred": letter} for pair, letter in labelled_pairs(30, seed)]
        rows[3]["response_a"] = "yes " * 99
        rows[5]["prompt"] = canonical_prompt("please " * 60)
        result[role] = tmp_path / f"{role}_pairs.parquet"
        tables.write(result[role], schema, sorted(rows, key=lambda row: row["pair_id"]))
    return result


def encode(inputs: dict[str, Any], out: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    out.mkdir(exist_ok=True)
    summary = run_stage("encode", SPEC, inputs, out)
    clear(out)
    return summary, {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ended", [1, 2, 3, 4])
def test_a_stage_killed_after_so_many_roles_ends_alike(inputs: dict[str, Any], tmp_path: Path, ended: int) -> None:
    whole = encode(inputs, tmp_path / "whole")
    summary, out = whole[0], tmp_path / "broken"
    assert {role: summary[role] for role in TABLES} == dict.fromkeys(TABLES, 29)
    assert summary["left_out"] == 4 and summary["pool_left_out"] == 1 and summary["seed_tokens_cut"] > 0
    encode(inputs, out)
    for role in list(TABLES)[ended:]:
        shutil.rmtree(out / role)
        (out / f"{role}.parquet").unlink()
    (out / "left_out.parquet").unlink()
    assert encode(inputs, out) == whole
