"""Prompts that do not fit are cut, and whoever runs the chain is told how many."""

import shutil
from pathlib import Path

from resources.settings import load_settings
from resources.workshop import Workshop
from ser import tables
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

LONG = " ".join(["please"] * 300)


def test_what_was_cut_is_counted_in_the_results_and_said_once(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("loops = 1\nsft = true\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    rows = labelled_rows(300)
    for row in rows[::3]:
        row["prompt"] = f"{LONG} {row['prompt']}"
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    result, work = chain.materialize(data_root, snapshot)
    assert result.success
    splits = work.heads.get("splits").path

    def long(*roles: str) -> int:
        return sum(LONG in row["prompt"] for role in roles for row in tables.read(splits / f"{role}.parquet"))

    told = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    expected = {
        "seed_rm": long("seed", "calibration", "test"), "loop_1/self_labels": long("pool"), "backbone": long("seed"),
    }  # fmt: skip
    assert {key: told[key]["prompts_cut"].value for key in expected} == expected
    assert min(expected.values()) > 0
    assert all(told[key]["tokens_cut"].value > 150 * expected[key] for key in expected)
    assert chain.summary(work, "ppo_policy")["prompts_cut"] > 0
    assert chain.summary(work, "policy_evaluation")["prompts_cut"] > 0

    shutil.rmtree(data_root / "artifacts" / "trunk" / "pool")
    warned: list[str] = []
    again = Workshop(data_root, load_settings(), snapshot, log_warning=warned.append)
    again.trunk("pool")
    again.trunk("pool")
    tokens = told["loop_1/self_labels"]["tokens_cut"].value
    pairs = tables.count(splits / "pool.parquet")
    assert warned == [
        f"trunk/pool: {long('pool')} of {pairs} prompts were cut from the left, by {tokens:,} tokens, "
        "to fit beside their responses into encoding.max_length 128."
    ]
