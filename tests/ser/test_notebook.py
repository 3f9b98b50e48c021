"""The method from a notebook: the page's own lines, and what frames may hold."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ser import notebook
from ser.data.frames import read_labels, read_pairs
from ser.errors import SerError
from ser.method.labels import Label
from ser.method.recipe import Recipe
from tests.models import labelled_pairs
from tests.pairs import labelled_rows, unlabelled, write_jsonl

PAGE = Path(__file__).parents[2] / "docs" / "notebook.md"
LABELS = [
    "pair_id", "prompt", "response_a", "response_b", "reward_a", "reward_b", "p_a", "p_b", "confidence", "preferred",
]  # fmt: skip


@pytest.fixture(scope="module")
def page(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the first block of the page leaves behind, run as it is written."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "models").mkdir()
    (folder / "models" / "SmolLM2-135M-Instruct").symlink_to(tiny_backbone)
    write_jsonl(folder / "labelled.jsonl", labelled_rows(160, seed=0))
    write_jsonl(folder / "heldout.jsonl", labelled_rows(50, seed=1))
    write_jsonl(folder / "pool.jsonl", unlabelled(labelled_rows(60, seed=2)))
    names: dict[str, Any] = {"folder": folder}
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert block
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block[1], names)
    return names | {"printed": printed.getvalue()}


def test_the_page_trains_measures_labels_selects_and_retrains(page: dict[str, Any]) -> None:
    accuracy, labels, selection = page["metrics"]["accuracy"], page["labels"], page["selection"]
    assert accuracy["ci_low"] > 0.5 and accuracy["n"] == len(page["scores"]) == 50
    assert page["scores"]["right"].mean() == accuracy["value"]
    assert page["metrics_1"]["accuracy"]["value"] >= accuracy["value"]
    assert page["metrics"]["temperature"] > 0
    assert list(labels) == LABELS
    assert list(selection) == [*LABELS, "kept", "rule", "reason", "target", "weight"]
    assert sorted(labels["pair_id"]) == sorted(pair.pair_id for pair, _ in labelled_pairs(60, seed=2))
    assert (labels["preferred"] == "a").equals(labels["reward_a"] >= labels["reward_b"])
    # Status 1 of the paper: one response is good and the other bad.
    sides = selection[["p_a", "p_b"]]
    assert selection.attrs["status"] == "1" and selection.attrs["n_min"] == 20
    assert selection["kept"].equals((sides.max(axis=1) > 0.55) & (sides.min(axis=1) < 0.45))
    assert selection["kept"].sum() == selection.attrs["n_status_1"] >= 20
    assert selection["target"].between(0, 1).all()
    assert selection["weight"].equals(selection["kept"].astype(float))
    assert page["printed"].startswith(f"1 {selection['kept'].sum()} ")


def test_retraining_leaves_the_seed_alone_and_a_saved_model_scores_the_same(page: dict[str, Any]) -> None:
    again, _ = notebook.measure(page["seed"], page["heldout"])
    assert again.equals(page["scores"])
    assert not page["scores_1"]["reward_a"].equals(page["scores"]["reward_a"])
    page["loop_1"].save(page["folder"] / "rm")
    backbone = page["folder"] / page["backbone"]
    loaded, _ = notebook.measure(notebook.load_reward_model(backbone, page["folder"] / "rm"), page["heldout"])
    assert loaded["reward_a"].to_numpy() == pytest.approx(page["scores_1"]["reward_a"].to_numpy(), abs=1e-5)


def test_a_calibrated_selection_needs_the_held_out_scores(page: dict[str, Any]) -> None:
    recipe = Recipe(select="calibrated", min_precision=0.6, target="soft")
    with pytest.raises(SerError, match="DataFrame of `measure`"):
        notebook.select(page["labels"], recipe)
    selection = notebook.select(page["labels"], recipe, page["scores"])
    assert selection["kept"].any() and (selection["confidence"] > selection.attrs["cut"]).equals(selection["kept"])
    sure = selection["target"].where(selection["preferred"] == "a", 1 - selection["target"])
    assert sure.to_numpy() == pytest.approx(selection["confidence"].to_numpy())


def test_a_label_follows_its_response_whatever_the_frame_calls_it() -> None:
    rows = pd.DataFrame(labelled_rows(20))
    swapped = rows.rename(columns={"chosen": "response_b", "rejected": "response_a"}).assign(target=0.2, weight=1.0)
    swapped.loc[3, "weight"] = 0.0
    hard = {pair: Label(float(preferred == "a")) for pair, preferred in labelled_pairs(20)}
    assert read_labels(rows) == hard
    left = [pair for number, (pair, _) in enumerate(labelled_pairs(20)) if number != 3]
    assert read_labels(swapped) == {pair: Label(pytest.approx(0.8 if hard[pair].target else 0.2)) for pair in left}
    again = read_pairs(pd.concat([rows, rows]), "chosen", "rejected")
    assert [row.pair for row in again] == [pair for pair, _ in labelled_pairs(20)]


PAIR = {"prompt": "how", "chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"prompt": "how", "chosen": "good"}], "no column 'rejected'; it has prompt, chosen"),
        ([{"text": "how"}], "no column 'prompt'"),
        ([PAIR, PAIR | {"chosen": None}], "row 1 is no pair: its chosen is no text but"),
        ([PAIR | {"rejected": float("nan")}], "row 0 is no pair: its rejected is no text"),
        ([PAIR | {"rejected": " good "}], "its responses are equal"),
        ([PAIR | {"prompt": " "}], "the prompt is empty"),
        ([PAIR | {"prompt": 3}], "its prompt is neither a text nor a list of messages"),
        ([PAIR | {"prompt": ["how"]}], "its prompt is neither a text nor a list of messages"),
    ],
)
def test_a_frame_that_is_none_is_refused_by_name(rows: list[dict[str, Any]], words: str, tiny_backbone: Path) -> None:
    with pytest.raises(SerError, match=re.escape(words)):
        notebook.train_reward_model(tiny_backbone, pd.DataFrame(rows))


def test_empty_frames_and_impossible_targets_are_refused(tiny_backbone: Path) -> None:
    with pytest.raises(SerError, match="no column 'prompt'; it has none"):
        notebook.train_reward_model(tiny_backbone, pd.DataFrame())
    with pytest.raises(SerError, match=r"has no rows.*prompt, chosen, rejected"):
        notebook.train_reward_model(tiny_backbone, pd.DataFrame(columns=list(PAIR)))
    with pytest.raises(SerError, match="no label to train on"):
        notebook.train_reward_model(tiny_backbone)
    selection = pd.DataFrame([{"prompt": "how", "response_a": "x", "response_b": "y", "target": 1.2, "weight": 1.0}])
    with pytest.raises(SerError, match="target is not in"):
        notebook.train_reward_model(tiny_backbone, selection)
    with pytest.raises(SerError, match="no column 'p_a'"):
        notebook.select(pd.DataFrame({"pair_id": ["x"]}), Recipe())
    with pytest.raises(SerError, match="no column 'weight'"):
        notebook.train_reward_model(tiny_backbone, selection.drop(columns="weight"))
