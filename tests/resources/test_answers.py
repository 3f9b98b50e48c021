"""The five answers of the report: what they say, and when they say it."""

from pathlib import Path
from typing import Any

import pytest
from audit_fakes import PAIRS, behind_a_closed_gate, named, promotion, record, with_artifacts

from data.sample import generate
from resources.audit.database import AuditDatabase
from resources.audit.sync import EvolutionRecord, sync
from resources.reporting.answers import helped, labelled, policy_answer, trusted
from resources.reporting.checks import checks_of
from resources.reporting.commands import run_again, whole_command
from resources.reporting.next_steps import next_steps
from resources.reporting.report_data import ReportData, gather
from resources.settings import Settings
from resources.simulation import NOISE
from ser.method.recipe import ROBUST, Method


def data(root: Path, run: EvolutionRecord) -> ReportData:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    return gather(database.path, run.evolution)


def gained(found: ReportData, value: float, low: float, high: float) -> None:
    """Let the loop have gained this on test pairs."""
    found.evolution |= {"gain_test": value, "gain_test_low": low, "gain_test_high": high}
    found.rows["gains"][0] |= {"gain": value, "gain_low": low, "gain_high": high}


@pytest.mark.parametrize(
    ("gain", "headline", "tone"),
    [
        ((0.08, 0.02, 0.13), "YES", "good"),
        ((-0.08, -0.13, -0.02), "NO", "bad"),
        ((0.08, -0.02, 0.13), "NOT SHOWN", "open"),
    ],
)
def test_whether_it_helped_is_what_the_test_pairs_show(tmp_path: Path, gain: Any, headline: str, tone: str) -> None:
    found = data(tmp_path, record(tmp_path))
    gained(found, *gain)
    answer = helped(found)
    assert (answer.headline, answer.tone) == (headline, tone)
    assert answer.lines[0].startswith(f"Loop 1 gains {'+' if gain[0] > 0 else '−'}8.0 points (")
    assert answer.lines[0].endswith("over the seed on 4 test pairs: 1 mended, 0 broken.")
    assert answer.lines[1] == (
        "Promoted: loop 1. On 2 calibration pairs, which decide, the last loop is shown to be better: "
        "+50.0 points (+10.0 to +90.0), at 90 %."
    )


@pytest.mark.parametrize(
    ("low", "seed_gain", "judged"),
    [
        (0.01, 0.02, "more than longer training gives"),
        (0.01, -0.03, "more than longer training gives, which itself loses 3.0 points"),
        (-0.02, -0.03, "not shown to be more than longer training"),
    ],
)
def test_longer_training_is_the_doubt(tmp_path: Path, low: float, seed_gain: float, judged: str) -> None:
    found = data(tmp_path, record(tmp_path))
    [control] = [row for row in found.rows["controls"] if row["control"] == "controls/more_steps_rm"]
    control |= {
        "accuracy": 0.7,
        "loop": 1,
        "seed_gain": seed_gain,
        "loop_gain": 0.04,
        "loop_gain_low": low,
        "loop_gain_high": 0.09,
    }
    ends = f"({100 * low:+.1f} to +9.0)".replace("-", "−")
    assert helped(found).lines[1] == f"Over the seed, trained as long, loop 1 gains +4.0 points {ends}: {judged}."


def test_a_closed_gate_and_loops_that_keep_nothing_did_not_help(tmp_path: Path) -> None:
    found = data(tmp_path, behind_a_closed_gate(tmp_path))
    closed = helped(found)
    assert closed.headline == "NO"
    assert closed.lines[0] == "No loop was run: the seed RM is not shown to be better than a coin."
    land, *_, anyway = [command for _, command in next_steps(found)]  # nobody can be asked about an unlabelled pool
    assert (land, anyway) == ("ser land FILE --dataset sample", "ser run --dataset sample --set anyway=true")
    found.evolution["settings"]["roles"]["max_pairs"] = 15
    found.rows["roles"].append({"role": "unused", "n": 40})
    assert next_steps(found)[0][1] == f"ser run --dataset sample --set roles.max_pairs={len(PAIRS) + 40}"
    whole = record(tmp_path)
    stays = {"promoted_loop": 0, "rm_version": "v-rm-0", "verdict": "not_shown", "why": "seed RM"}
    seed = {key: one for key, one in whole.artifacts.items() if not key.startswith("loop_")}
    found = data(tmp_path, with_artifacts(named(seed), promotion(tmp_path, "v-stays", stays, ["v-held-0"])))
    assert helped(found).headline == "NO" and helped(found).lines[0] == "No loop kept anything to train on."
    assert [command for _, command in next_steps(found)] == [
        f"ser review export --evolution {found.evolution['evolution']}",
        "ser run --dataset sample --set random_seed=1",
    ]


def test_an_unfinished_evolution_is_to_be_finished(tmp_path: Path) -> None:
    run = record(tmp_path)
    found = data(tmp_path, named({"seed_rm": run.artifacts["seed_rm"], "landed_pairs": run.artifacts["landed_pairs"]}))
    assert helped(found).headline == "NOT FINISHED"
    assert next_steps(found) == [("Let it come to its end.", "ser run --dataset sample")]
    assert labelled(found).headline == "none" and policy_answer(found) is None


def test_simulated_labels_say_their_ceiling(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    assert not found.is_simulated and len(helped(found).lines) == 2
    found.rows["annotators"] = [{"annotator": "simulated", "n": 15}]
    assert helped(found).lines[-1] == "Labels are simulated, 10 % of them wrong on purpose: 90 % is the ceiling."
    assert generate.NOISE == NOISE


def test_trust_counts_the_checks_and_names_the_weak_points(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    answer = trusted(found)
    checks = checks_of(found)
    failed = [check for check in checks if check.seen]
    assert answer.headline == f"{len(checks) - len(failed)} of {len(checks)} checks passed"
    assert "Only 2 calibration pairs: a true gain of 25.0 points would be missed one time in five." in answer.lines
    assert "No control says whether it is only longer training." in answer.rest
    assert answer.lines[-1] == "4 test pairs and the labels of the vault decided nothing."
    found.evolution |= {"verdict": "worse"}
    worse = trusted(found)
    assert "✗ The last loop is shown to be worse than the seed." in worse.lines
    assert len(worse.lines) == 4 and len(worse.rest) == 3
    assert worse.rest[-1] == "One random seed: another may end elsewhere."


def test_what_was_not_measured_did_not_pass(tmp_path: Path) -> None:
    run = record(tmp_path)
    nothing = trusted(data(tmp_path, named({"landed_pairs": run.artifacts["landed_pairs"]})))
    assert (nothing.headline, nothing.tone) == ("nothing is measured yet", "open")


def test_a_seed_that_is_not_shown_to_be_better_than_a_coin_fails_although_loops_were_run(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    seed = found.seed
    assert seed is not None and seed["calibration_ci_low"] < 0.5  # one of two is right
    said = "✗ The seed is not shown to rank calibration pairs better than a coin."
    assert said in trusted(found).lines
    seed["calibration_ci_low"] = 0.51
    assert said not in trusted(found).lines


def test_who_promotes_by_hand_is_told_with_what_the_calibration_pairs_say(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    found.evolution |= {"promoted_by": "ann"}
    assert (
        helped(found)
        .lines[1]
        .startswith(
            "Promoted: loop 1, by ann. On 2 calibration pairs, which did not decide this, the last loop is shown to be"
        )
    )
    assert trusted(found).lines[-1] == "Whether ann had seen test pairs nobody knows."


def test_trust_says_where_the_model_is_more_sure_than_right(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    assert not any("sure:" in line for line in (*trusted(found).lines, *trusted(found).rest))
    row = {"loop": 1, "split": "test", "confidence_from": 0.9, "confidence_to": 0.95, "n": 120, "confidence": 0.93}
    found.watch.reliability.append(row | {"accuracy": 0.8, "ci_low": 0.72, "ci_high": 0.87})
    answer = trusted(found)
    assert "90 to 95 % sure: 80 % right (120 test pairs)." in [*answer.lines, *answer.rest]


def test_machine_labels_are_counted_as_far_as_they_can_be_checked(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    assert labelled(found).headline == "3 of 8 kept"
    assert labelled(found).lines == ["66.7 % of those that can be checked are right."]
    blind = tmp_path / "blind"
    unknown = labelled(data(blind, record(blind, vault=False)))
    assert unknown.lines == [
        "No human label of them is known.",
        "About 60.0 % of loop 1's are right, by held-out pairs.",
    ]


def test_the_policy_is_better_worse_or_not_shown_to_be_either(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    answer = policy_answer(found)
    assert answer is not None and answer.headline == "62.5 %: no difference shown"
    assert answer.lines[-1] == "Its judge is right on 75.0 % of pairs."
    assert found.policy is not None
    rate = found.policy["metrics"]["win_rate"]
    for ends, word in (((0.55, 0.9), "better"), ((0.1, 0.45), "worse")):
        rate |= {"ci_low": ends[0], "ci_high": ends[1]}
        assert policy_answer(found).headline == f"62.5 %: {word}"  # type: ignore[union-attr]


def test_the_next_step_follows_from_the_evidence(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    assert (
        next_steps(found)[0][0] == "Ask whether longer training alone does it."
    )  # what is decided needs no more pairs
    found.evolution |= {"verdict": "not_shown", "gain_calibration": 0.05, "detectable": 0.1}
    [more, longer, _] = next_steps(found)
    assert more == (
        "About 6 more calibration pairs would decide whether their gain (5.0 points) is real.",  # 2 (2² − 1)
        "ser land FILE --dataset sample",
    )
    assert longer[0] == "Ask whether longer training alone does it."
    found.evolution |= {"gain_calibration": 0.02}  # 2 (5² − 1) are more than anybody gets
    assert next_steps(found)[0] == longer
    gained(found, 0.08, 0.02, 0.13)
    evolution = found.evolution["evolution"]
    assert ("Use it.", f"ser export rm --evolution {evolution} --to DIR") in next_steps(found)
    found.method["teachers"] = 3
    one = ("Use one of the models whose mean it is.", f"ser export rm --member 0 --evolution {evolution} --to DIR")
    assert one in next_steps(found)


def test_a_command_runs_this_evolution_again_and_no_other(tmp_path: Path) -> None:
    parts = ROBUST.model_dump()
    method = Method(**{name: parts[name] for name in Method.model_fields})
    settings = Settings(recipe="robust", method=method, random_seed=4)
    found = data(tmp_path, record(tmp_path, settings=settings))
    command, said = run_again(found, controls__more_steps="true")
    assert said == ""
    assert command == "ser run --dataset sample --recipe robust --set random_seed=4 --set controls.more_steps=true"
    assert run_again(found, random_seed="5")[0].endswith("--recipe robust --set random_seed=5")
    found.evolution["settings"]["roles"] |= {"draw": 1, "max_pairs": 200, "seed_fraction": 0.1}
    command, said = run_again(found, random_seed="5")
    assert command == "ser run --dataset sample --recipe robust --set roles.draw=1 --set roles.max_pairs=200" + (
        " --set roles.seed_fraction=0.1 --set random_seed=5"
    )
    found.evolution["settings"]["sft"] = True
    command, said = run_again(found, random_seed="5")
    assert command == "ser run --dataset sample --recipe robust … --set random_seed=5" and "under Provenance" in said
    assert whole_command(found).endswith("--set roles.seed_fraction=0.1 --set sft=true")
    found.evolution["settings"] |= {"sft": False, "loops": 10, "max_loops": 10}
    found.evolution["settings"]["roles"] |= {"draw": 0, "max_pairs": None, "seed_fraction": None}
    found.evolution["settings"]["compute"]["dtype"] = "of another machine"
    assert whole_command(found) == (
        "ser run --dataset sample --recipe robust --set 'compute.dtype=of another machine' --set loops=10 "
        "--set max_loops=10 --set random_seed=4"
    )
    found.rows["newest"] = [{"snapshot": "sample-later"}]
    assert run_again(found, random_seed="5")[1].startswith(", on the newest snapshot")
