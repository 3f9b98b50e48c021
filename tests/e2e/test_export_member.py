"""`ser export rm --member`: one model of a mean that no single model of transformers can be."""

import json
from pathlib import Path
from typing import Any

import pytest

from ser.data import tables
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


def test_a_member_is_measured_and_leaves_alone(
    tmp_path: Path, tiny_backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = "loops = 1\n[thresholds]\nn_min = 5\n[method]\nteachers = 2\n" + chain.SETTINGS
    with chain.project(tmp_path, settings + "[compute]\ndtype = 'float32'\n", tiny_backbone) as (root, _):
        snapshot = chain.land(root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(240)))
        result, work = chain.materialize(root, snapshot, policy=False)
        assert result.success
        capsys.readouterr()

        def export(*arguments: str, code: int = 0) -> Any:
            to = str(tmp_path / "rm")
            assert main(["export", "rm", "--loop", "0", "--to", to, *arguments, *([] if code else ["--json"])]) == code
            said = capsys.readouterr()
            return said.err if code else json.loads(said.out)

        assert "Say which of them leaves: --member 0 to 1" in export(code=1)
        assert "--member 2 is impossible: the reward model of loop 0 has the members 0 to 1" in export(
            "--member", "2", code=1
        )
        done = export("--member", "1")
        member = work.heads.get("seed_rm/member_1")
        assert (done["loop"], done["member"], done["rm_version"]) == (0, 1, member.version)
        assert done["check"]["merged"] < 1e-4 and done["check"]["recorded_most"] < 1e-4  # of this member's own rewards
        assert export("--member", "1")["reused"] and not export("--member", "0")["reused"]

        card = (tmp_path / "rm" / "README.md").read_text()
        mean = work.heads.get("seed_rm.heldout").summary["metrics"]["test"]["accuracy"]
        assert "It is `member_0`, one of 2" in card and f"a test accuracy of\n{100 * mean['value']:.1f} %" in card
        measured = next(path for path in (root / "artifacts" / "seed_rm").glob("member_1.heldout/*/heldout.parquet"))
        ours = {row["pair_id"] for row in tables.read(measured)}
        assert ours == {row["pair_id"] for row in tables.read(work.heads.get("seed_rm.heldout").path / measured.name)}
        assert "seed_rm/member_1.heldout" not in work.heads.made()  # the evolution stays what it was
