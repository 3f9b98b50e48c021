"""What a role's tables say of ties: the same units that the roles were drawn by."""

from pathlib import Path

import pyarrow as pa

from ser.data import tables
from ser.specs import Roles
from ser.stages.split import SplitSpec
from tests.models import run_stage

PAIRS = pa.schema([(name, pa.string()) for name in (*tables.PAIRS.names, "dialogue", "group", "asked")])
LABELS = pa.schema([("pair_id", pa.string()), ("preferred", pa.string()), ("origin", pa.string())])


def test_turns_of_a_dialogue_and_pairs_of_a_group_are_of_one_unit(tmp_path: Path) -> None:
    rows = [
        {"pair_id": f"{n:02}", "prompt": f"turn {n}", "dialogue": f"{dialogue:040}", "group": group, "asked": "test"}
        for n, (dialogue, group) in enumerate([(1, None), (1, None), (2, "g"), (3, "g"), (3, None), (4, None)])
    ]
    responses = {"response_a": "x", "response_b": "y"}
    tables.write(tmp_path / "pairs.parquet", PAIRS, [row | responses for row in rows])
    labels = [{"pair_id": row["pair_id"], "preferred": "a", "origin": "landed"} for row in rows]
    tables.write(tmp_path / "labels.parquet", LABELS, labels)
    inputs = {"pairs": tmp_path / "pairs.parquet", "labels": tmp_path / "labels.parquet"}
    out = tmp_path / "out"
    out.mkdir()
    run_stage("split", SplitSpec(roles=Roles()), inputs | {"judge_labels": tmp_path / "labels.parquet"}, out)
    units = list(tables.groups(out / "test.parquet").values())
    assert units[0] == units[1] and units[2] == units[3] == units[4]
    assert len(set(units)) == 3
