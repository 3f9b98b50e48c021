"""`ser advise`: the seed and half of it are trained, the words come first, and a later run goes on from there."""

import json
from pathlib import Path

import pytest

from resources.evolution import Evolution
from resources.settings_file import load_settings
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


def test_advice_before_a_run_that_reuses_its_seed(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ser.toml").write_text(f"loops = 1\n[thresholds]\nn_min = 5\n{chain.SETTINGS}")
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))
    assert main(["advise", "--dataset", "tiny", "--json"]) == 0
    told = capsys.readouterr()
    assert "at most one training of a seed RM" in told.err
    advice = json.loads(told.out)
    work = Evolution(data_root, load_settings(), snapshot)
    assert (advice["snapshot"], advice["evolution"]) == (snapshot, work.identity)
    made = {key for key in work.heads.made() if not key.endswith(".heldout")}
    assert made == {
        "landed_pairs", "splits", "vault", "encoded_pairs", "seed_rm",
        "controls/half_seed_rm", "controls/half_seed_rm.halves",
    }  # fmt: skip
    labels = work.heads.get("seed_rm").summary["n_human"]
    assert (advice["labels"], advice["half_labels"]) == (labels, labels - labels // 2)
    scores = [
        work.heads.get(f"{key}.heldout").summary["metrics"]["calibration"]["accuracy"]["value"]
        for key in ("controls/half_seed_rm", "seed_rm")
    ]
    assert advice["curve"]["value"] == pytest.approx(scores[1] - scores[0])
    assert advice["seed_accuracy"]["value"] == scores[1]
    assert advice["advice"] in ("expect none", "label first", "cannot tell") and advice["reasons"]

    assert main(["status"]) == 0
    assert "stopped after the seed, as asked" in capsys.readouterr().out
    versions = {key: work.heads.get(key).version for key in made}
    assert main(["run", "--no-policy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evolution"] == work.identity
    assert {key: work.heads.get(key).version for key in made} == versions
    assert main(["advise"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == advice["advice"]
    assert "Evidence:" in said and any(line.startswith("  ceiling: not measured; ") for line in said)
