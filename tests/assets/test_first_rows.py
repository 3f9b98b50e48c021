"""The metadata of an executed evolution: a sentence with the right numbers first, where it is from last."""

import base64
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets import pictures
from assets.graph import graph
from assets.results import gain_over_seed
from resources.audit.database import query
from resources.evolution import Evolution
from resources.settings import Settings
from resources.settings_file import load_settings
from ser.data import tables
from tests import chain
from tests.pairs import BAD, labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

SETTINGS = "loops = 2\n[controls]\nfull_label = true\ntrue_label = true\n[thresholds]\nn_min = 5\n" + chain.SETTINGS
PROVENANCE = ("evolution", "path", "version", "reused", "seconds")
TABLES = {
    "landed_pairs": "pairs.parquet", "splits": "seed.parquet", "vault": "vault.parquet",
    "encoded_pairs": "pool/encoded.parquet", "loop_1/self_labels": "self_labels.parquet",
    "loop_1/filtered_pairs": "filtered.parquet",
}  # fmt: skip

Metadata = dict[str, dg.MetadataValue[Any]]


class Executed(NamedTuple):
    """An evolution with what its assets said when they were made, and when they were reused."""

    work: Evolution
    first: dict[str, Metadata]
    again: dict[str, Metadata]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Executed]:
    """Two loops that keep 60 and 40 pairs, whose labels are wrong on about half of them."""
    folder = tmp_path_factory.mktemp("page")
    with chain.project(folder, SETTINGS, tiny_backbone) as (root, patch):

        def probabilities(loop: int, number: int, pair_id: str) -> tuple[float, float]:
            if number < {1: 60, 2: 40}[loop]:
                return (0.8, 0.2) if loop == 1 else (0.2, 0.8)
            return 0.52, 0.5

        chain.inject(patch, probabilities)
        snapshot = chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(400)))
        (first, work), (again, _) = (chain.materialize(root, snapshot) for _ in range(2))
        yield Executed(work, said(first), said(again))


def said(result: dg.ExecuteInProcessResult) -> dict[str, Metadata]:
    assert result.success
    return {
        event.asset_key.to_user_string(): dict(event.materialization.metadata)
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def place(name: str, value: dg.MetadataValue[Any]) -> int:
    """Where a row belongs: the sentence, what is looked at, what plots, what only tells, where it is from."""
    if name == "summary":
        return 0
    if name in PROVENANCE:
        return 4
    if isinstance(value, dg.MarkdownMetadataValue) or name == "page":
        return 1
    return 2 if isinstance(value, dg.FloatMetadataValue | dg.IntMetadataValue | dg.TimestampMetadataValue) else 3


def svg(value: dg.MetadataValue[Any]) -> str:
    (data,) = re.findall(r"^!\[[^]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)$", value.value)
    return base64.b64decode(data).decode()


def labels(work: Evolution, loop: int, name: str = "self_labels.parquet") -> dict[str, str]:
    key = "filtered_pairs" if name == "kept.parquet" else "self_labels"
    return {row["pair_id"]: row["preferred"] for row in tables.read(work.heads.get(f"loop_{loop}/{key}").path / name)}


def test_every_asset_begins_with_a_sentence_and_ends_with_where_it_is_from(executed: Executed) -> None:
    assets, _ = graph(Settings(loops=2, max_loops=2))
    on_demand = {f"controls/{name}_rm" for name in ("more_steps", "naive_self_training", "seed_ensemble", "half_seed")}
    made = {asset.key.to_user_string() for asset in assets} - on_demand - {"loop_1/ppo_policy", "loop_2/ppo_policy"}
    for run in (executed.first, executed.again):
        assert run.keys() == made
        for key, rows in run.items():
            places = [place(name, value) for name, value in rows.items()]
            assert places[0] == 0 and places.count(0) == 1 and places == sorted(places), key
            assert re.search(r"\d", rows["summary"].value) and rows["evolution"].value == executed.work.identity, key
            told = [value.value for value in rows.values() if isinstance(value, dg.FloatMetadataValue)]
            assert told == [float(f"{value:.4g}") for value in told], key
    for key, rows in executed.first.items():
        if "reused" in rows:
            artifact = executed.work.heads.get(key)
            assert artifact.path == executed.work.store.root / key / rows["version"].value
    reused = {key: rows["reused"].value for key, rows in executed.again.items() if "reused" in rows}
    assert len(reused) == len(made) - 3 and all(reused.values())
    assert not any(rows["reused"].value for rows in executed.first.values() if "reused" in rows)
    for key, rows in executed.first.items():
        assert executed.again[key]["summary"] == rows["summary"], key


def test_the_sentences_of_the_data_say_its_numbers(executed: Executed) -> None:
    work, first = executed.work, {key: rows["summary"].value for key, rows in executed.first.items()}
    splits = chain.summary(work, "splits")
    assert first["landed_pairs"] == "400 pairs, 400 of them labelled; 400 new in this snapshot"
    assert first["splits"] == (
        f"{splits['seed']} seed, {splits['calibration']} calibration, {splits['test']} test "
        f"and {splits['pool']} pool pairs"
    )
    assert first["vault"] == f"{splits['vault']} human labels of the pool, kept from all that learns"
    assert first["encoded_pairs"] == "400 pairs as tokens; 0 left out, 0 prompts cut to fit into 128 tokens"
    weights = sum(path.stat().st_size for path in work.pretrained().path.glob("*.safetensors"))
    assert first["backbone"] == f"{work.pretrained().path.name}, {weights / 1e6:.1f} MB of weights; not fine-tuned"


def test_the_sentences_of_the_loops_say_their_numbers(executed: Executed) -> None:
    work, first = executed.work, {key: rows["summary"].value for key, rows in executed.first.items()}
    pool = chain.summary(work, "splits")["pool"]
    one, two = labels(work, 1), labels(work, 2)
    flipped = sum(two[pair] != one[pair] for pair in two)
    assert first["loop_1/self_labels"] == f"{pool} labelled"
    assert first["loop_2/self_labels"] == f"{pool - 60} labelled, {flipped} flipped since the loop before"
    assert flipped == 40 and executed.first["loop_2/self_labels"]["flipped"].value == 40
    assert first["loop_1/status_report"] == "1 – good against bad: 60 of at least 5"
    assert first["loop_2/filtered_pairs"] == f"40 kept, {pool - 100} left in the pool; rule status_1"
    seed = chain.summary(work, "seed_rm.heldout")["metrics"]["test"]["accuracy"]["value"]
    trained = {
        "loop_2/retrained_rm": " and 100 machine labels",
        "controls/true_label_rm": " and 100 true labels",
        "controls/full_label_rm": " labels",
    }
    for key, machine in trained.items():
        test = chain.summary(work, f"{key}.heldout")["metrics"]["test"]["accuracy"]
        share = f"{100 * test['value']:.1f} % ({100 * test['ci_low']:.1f} to {100 * test['ci_high']:.1f})"
        gained = f"{100 * (test['value'] - seed):+.1f}".replace("-", "−")
        humans = chain.summary(work, key)["n_human"]
        assert first[key] == f"{share}; {gained} against the seed; {humans} human{machine}"
    assert first["seed_rm"].endswith(f"; {chain.summary(work, 'seed_rm')['n_human']} human labels")


def test_the_sentences_of_the_policy_say_its_numbers(executed: Executed) -> None:
    work, first = executed.work, {key: rows["summary"].value for key, rows in executed.first.items()}
    policy, judged = (chain.summary(work, key) for key in ("ppo_policy", "policy_evaluation"))
    before, after = (f"{policy[name]:.2f}".replace("-", "−") for name in ("first_mean_reward", "mean_reward"))
    assert first["ppo_policy"] == f"reward {before} to {after} over 8 episodes; KL {policy['kl']:.2f} nat a response"
    rate, trust = judged["win_rate"], judged["judge"]["accuracy"]["value"]
    assert first["policy_evaluation"] == (
        f"win rate {100 * rate['value']:.1f} % ({100 * rate['ci_low']:.1f} to {100 * rate['ci_high']:.1f}); "
        f"{judged['win']} won, {judged['tie']} tied, {judged['loss']} lost of 8 prompts; "
        f"the judge is right on {100 * trust:.1f} %"
    )
    judge = chain.summary(work, "controls/judge_rm")
    assert first["controls/judge_rm"].startswith(f"{100 * judge['accuracy']['value']:.1f} % (")
    assert f" of {judge['n']} people's labels;" in first["controls/judge_rm"]


def test_the_verdict_stands_on_the_promoted_model_and_on_the_report(executed: Executed) -> None:
    work, first = executed.work, executed.first
    promotion = chain.summary(work, "evolved_rm")
    value, n = f"{100 * promotion['gain']['value']:+.1f}".replace("-", "−"), promotion["candidates"][-1]["n"]
    assert re.search(
        rf" – loop 2 is .*: {re.escape(value)} points \(.* {n} calibration pairs$", first["evolved_rm"]["summary"].value
    )
    answer = r"(YES|NO|NOT SHOWN): Loop 2 gains [+−]\d+\.\d points \(.* over the seed on \d+ test pairs: .* broken\.$"
    verdict = re.match(answer, first["report"]["summary"].value)
    assert verdict and f">{verdict[1]}</p>" in Path(first["report"]["page"].value).read_text()
    assert Path(first["report"]["page"].value).is_file()
    assert first["report"]["open"].value == f"`.venv/bin/ser report --open --evolution {work.identity}`"
    drawn = svg(first["evolved_rm"]["gains_over_seed"])
    for loop in (1, 2):
        found = gain_over_seed(work, work.heads.get(f"loop_{loop}/retrained_rm.heldout"))
        told = f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})".replace("-", "−")
        assert re.search(rf"loop {loop}(, promoted)?: {re.escape(told)}", drawn)


def test_models_show_their_loss_and_reliability_and_policies_reward_and_kl(executed: Executed) -> None:
    work, first = executed.work, executed.first
    for key in ("seed_rm", "loop_1/retrained_rm", "controls/full_label_rm"):
        assert f" at step {chain.summary(work, key)['steps']}<" in svg(first[key]["loss_curve"])
        scored = list(tables.read(work.heads.get(f"{key}.heldout").path / "heldout.parquet"))
        test = [row for row in scored if row["split"] == "test"]
        drawn = re.findall(r">test pairs: \d+ % sure, (\d+) % right \(", svg(first[key]["reliability"]))
        right = sum((row["reward_a"] > row["reward_b"]) == (row["preferred"] == "a") for row in test) / len(test)
        assert len(drawn) == 6 and sum(map(int, drawn)) / 6 == pytest.approx(100 * right, abs=2)
    policy = chain.summary(work, "ppo_policy")
    assert f"mean reward {policy['mean_reward']:.3g} at rollout 1<" in svg(first["ppo_policy"]["reward_curve"])
    assert f"KL, nat a response {policy['kl']:.3g} at rollout 1<" in svg(first["ppo_policy"]["kl_curve"])


def test_no_threshold_is_drawn_where_none_selects(executed: Executed) -> None:
    work, made = executed.work, executed.work.heads.get("loop_1/self_labels")
    assert ">tau_high<" in svg(executed.first["loop_1/self_labels"]["histogram_p"])
    settings = load_settings(assignments=["method.select=all"])
    other = pictures.of_labels(Evolution(work.root, settings, work.snapshot), made)
    assert ">tau_" not in svg(other["histogram_p"])


def test_mistakes_are_shown_by_the_audit_alone_and_its_questions_can_be_asked(executed: Executed) -> None:
    work, first = executed.work, executed.first
    assert [key for key, rows in first.items() if "mistakes" in rows] == ["audit_sync"]
    assert {"examples_kept", "examples_not_kept"} < first["loop_1/filtered_pairs"].keys()
    vault = {row["pair_id"]: row["preferred"] for row in tables.read(work.heads.get("vault").path / "vault.parquet")}
    kept = [(pair, label) for loop in (1, 2) for pair, label in labels(work, loop, "kept.parquet").items()]
    wrong = sum(vault[pair] != label for pair, label in kept)
    assert 10 < wrong < 100
    assert first["audit_sync"]["summary"].value.endswith(f"; the vault contradicts {wrong} of 100 kept labels")
    shown = re.findall(r"^\| preferred \| (.*) \|$", first["audit_sync"]["mistakes"].value, re.M)
    assert len(shown) == 6 and all(response.startswith(tuple(BAD)) for response in shown)
    assert first["audit_sync"]["path"].value == "audit.duckdb"
    commands = [shlex.split(line) for line in re.findall(r"`([^`]+)`", first["audit_sync"]["ask"].value)]
    assert [command[:3] for command in commands] == [[".venv/bin/ser", "audit", "--sql"]] * 3
    loops, precision, flips = (query(work.root / "audit.duckdb", sql)[1] for *_, sql in commands)
    assert [row[:3] for row in loops] == [(0, None, None), (1, "1", 60), (2, "1", 40)]
    assert {row[0] for row in precision} == {1, 2} and len(flips) == 20


def test_the_columns_of_tables_are_those_of_their_files(executed: Executed) -> None:
    assets, _ = graph(Settings(loops=2, max_loops=2))
    about = {key.to_user_string(): rows for asset in assets for key, rows in asset.metadata_by_key.items()}
    for key, name in TABLES.items():
        file = pq.read_schema(executed.work.heads.get(key).path / name)
        columns = about[key]["dagster/column_schema"].columns
        written = [(field.name, str(field.type).replace("element", "item")) for field in file]
        assert [(one.name, one.type) for one in columns] == written, key
        assert all(one.description for one in columns), key
