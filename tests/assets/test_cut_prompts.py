"""What does not fit the model is cut or left out by the run, and whoever runs the chain is told how many.

It is the one test that runs every stage but one: each function that a stage runs must be a part of its version.
"""

from pathlib import Path

import pytest

from resources.audit.database import query
from resources.code_version import reach
from resources.reporter import Reporter
from ser.data import tables
from tests import chain
from tests.executed import executed
from tests.pairs import labelled_rows, write_jsonl

LONG = " ".join(["please"] * 300)


def test_what_was_cut_or_left_out_is_counted_and_said_once(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Reporter, "warn", lambda reporter, text: said.append(text))
    (tmp_path / "ser.toml").write_text("loops = 1\nsft = true\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    rows = labelled_rows(300)
    for row in rows[::3]:
        row["prompt"] = f"{LONG} {row['prompt']}"
    for row in rows[1::20]:
        row["chosen"] = f"{LONG} {row['chosen']}"
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    with executed(monkeypatch) as ran:
        result, work = chain.materialize(data_root, snapshot)
    assert result.success
    for stage, places in ran.items():
        assert not places - reach(stage).places.keys()
    splits, encoded = work.heads.get("splits"), work.heads.get("encoded_pairs")
    roles = ("seed", "calibration", "test", "pool")

    def count(role: str, column: str, fits: bool = True) -> int:
        both = {name: table.path / f"{role}.parquet" for name, table in (("split", splits), ("kept", encoded))}
        kept = {row["pair_id"] for row in tables.read(both["kept"], ["pair_id"])}
        return sum(
            any(LONG in row[name] for name in column.split()) and (row["pair_id"] in kept) == fits
            for row in tables.read(both["split"])
        )

    told = encoded.summary
    assert {role: told[f"{role}_prompts_cut"] for role in roles} == {role: count(role, "prompt") for role in roles}
    either = "response_a response_b"
    assert {role: told[f"{role}_left_out"] for role in roles} == {role: count(role, either, False) for role in roles}
    assert told["left_out"] == 15 == tables.count(encoded.path / "left_out.parquet")
    assert sum(told[role] for role in roles) == 285
    assert told["pool_tokens_cut"] > 150 * told["pool_prompts_cut"] > 0
    assert work.heads.get("backbone").summary["left_out"] == told["seed_left_out"]
    assert chain.summary(work, "ppo_policy")["prompts_cut"] > 0
    assert chain.summary(work, "policy_evaluation")["prompts_cut"] > 0

    cut = sum(told[f"{role}_prompts_cut"] for role in roles)
    assert said[0] == "15 of 300 pairs are left out: their responses do not fit into encoding.max_length 128."
    assert said[1].startswith(f"{cut} of 285 prompts were cut from the left, by ")
    assert chain.summary(work, "loop_1/self_labels")["n_pool"] == told["pool"]
    audited = query(data_root / "audit.duckdb", "SELECT role, count(*) FROM roles GROUP BY ALL")[1]
    assert dict(audited) == {role: told[role] for role in roles} | {"unused": 15}
