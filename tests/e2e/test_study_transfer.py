"""`ser study` across data sets: what a model is worth elsewhere, and what everything took."""

import json
from pathlib import Path
from typing import Any

import pytest

from resources.heads import known_evolutions
from resources.known_evolutions import open_evolution
from resources.outline import outline
from resources.prune import prune
from resources.studies.ledger import Ledger
from resources.studies.outcome import Outcome
from ser.data import tables
from ser.planning.flops import training_flops, visible_tokens
from ser.planning.shape import ModelShape
from ser_dagster.cli import main
from ser_dagster.commands import study
from ser_dagster.commands.forget import forget
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

STUDY = """
question = "Is it worth something elsewhere?"
draws = [0]
transfer = true
cost = true
price_per_label = 0.5
controls = ["full_label"]
[settings]
loops = 1
anyway = true
thresholds.n_min = 5
roles.seed_fraction = 0.5
"""


def test_models_are_tested_on_the_other_data_set_and_their_cost_is_told(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ser.toml").write_text(chain.SETTINGS)
    (tmp_path / "mine.toml").write_text(STUDY)
    for seed, (name, role) in enumerate((("one", "seed"), ("two", "test"))):
        shared = [row | {"role": role} for row in labelled_rows(9, seed=2)]
        rows = [*labelled_rows(120, seed=seed), *shared]
        chain.land(data_root, write_jsonl(tmp_path / f"{name}.jsonl", rows), dataset=name)
    command = ["study", str(tmp_path / "mine.toml"), "--dataset", "one", "--out", str(tmp_path), "--json"]
    assert main(command) == 1
    assert "one is alone" in capsys.readouterr().err
    command += ["--dataset", "two"]
    _stop_after_one_transfer(command, monkeypatch)
    kept = {one.dataset: one for one in Ledger(tmp_path / "mine.jsonl").outcomes}
    assert (list(kept["one"].transfers), list(kept["two"].transfers)) == (["two"], [])
    capsys.readouterr()
    assert main(command) == 0
    said = capsys.readouterr()
    assert "2 evolutions, 2 of them known" in said.err and "one, draw 0, on two" not in said.err
    ledger = Ledger(tmp_path / "mine.jsonl")
    one, two = ledger.outcomes
    _check_answers(data_root, one, two, ledger)
    page = (tmp_path / "mine.md").read_text()
    assert "| one | two | 1 |" in page and "| two | one | 1 |" in page
    assert "their price, at 0.5 each" in page and "| one | all labels | training |" in page
    _check_costs(data_root, one)
    # Nothing of it is pruned or missed, and nothing of it stays when the pairs that it is about are forgotten.
    assert not [gone for gone in prune(data_root, 1, remove=True).removed if "transfer" in str(gone.path)]
    forget("two")
    assert not list(data_root.glob("**/transfer/two/**/heldout.parquet"))
    (left,) = known_evolutions(data_root)
    assert not [key for key in outline(open_evolution(data_root, left)).artifacts if "transfer" in key]


def _stop_after_one_transfer(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done, transfer = [], study.transfer

    def stop(*args: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(transfer(*args))
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(study, "transfer", stop)
        assert main(command) != 0


def _check_answers(root: Path, one: Outcome, two: Outcome, ledger: Ledger) -> None:
    """The answers are those of the source's model on the other's test pairs that it has no prompt of."""
    works = [open_evolution(root, known) for known in known_evolutions(root)]
    work, other = (next(each for each in works if each.identity == name.evolution) for name in (one, two))
    found = one.transfers["two"]
    own = {row["prompt"] for role in ("seed", "calibration", "pool") for row in tables.read(work.pairs(role).path)}
    tested = {row["pair_id"]: row for row in tables.read(other.pairs("test").path)}
    elsewhere = sorted((row["unit"], pair) for pair, row in tested.items() if row["prompt"] not in own)
    assert found.left_out == len(tested) - len(elsewhere) == 9
    for loop, name in ((0, "seed"), (1, "loop_1")):
        scores = work.heads.get(f"transfer/two/loop_{loop}")
        assert (
            scores.manifest["inputs"]["reward_model"]["version"]
            == work.heads.get("loop_1/retrained_rm" if loop else "seed_rm").version
        )
        right = tables.right(scores.path / "heldout.parquet", "test")
        assert found.right(name, ledger.tests[found.tests]) == [right[pair] for _, pair in elsewhere]


def _check_costs(root: Path, one: Outcome) -> None:
    work = open_evolution(root, next(known for known in known_evolutions(root) if known.identity == one.evolution))
    assert set(one.costs) >= {"seed_rm", "loop_1/retrained_rm", "controls/full_label_rm.heldout", "states/pool"}
    assert not [key for key in one.costs if "transfer" in key]
    lengths = [
        [len(row[name]) for name in ("prompt", "response_a", "response_b")]
        for row in tables.read(work.tokens("seed").path)
    ]
    epochs, cost = work.settings.reward_model.seed_epochs, one.costs["seed_rm"]
    assert cost.tokens == epochs * sum(map(sum, lengths))
    shape = ModelShape.from_config(json.loads((work.backbone().path / "config.json").read_text()))
    visible = sum(visible_tokens(*each) for each in lengths)
    lora = work.settings.reward_model.lora
    assert cost.flops == pytest.approx(epochs * training_flops(shape, sum(map(sum, lengths)), visible, lora))
    assert cost.tokens is not None
    pool, kept = one.costs["states/pool"].tokens, work.heads.get("loop_1/filtered_pairs").summary["n_kept"]
    assert one.costs["loop_1/self_labels"].tokens == pool
    assert kept > 0 and cost.tokens / epochs < (one.costs["loop_1/retrained_rm"].tokens or 0)
    full = one.costs["controls/full_label_rm"].tokens
    assert full == pytest.approx(epochs * (pool or 0) + cost.tokens)
    assert cost.cpu_seconds is not None and 0 < cost.cpu_seconds < 10 * one.seconds["seed_rm"] + 1
    assert one.seconds["states/pool"] > 0
