"""What a card says of a backbone, wherever it came from."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from resources.exports.cards import render_card
from resources.exports.origin import backbone_origin
from resources.reporting.words import selection_words
from resources.settings import Settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHARE = {"value": 0.75, "ci_low": 0.7, "ci_high": 0.8, "n": 1200}


def origin(model: str, folder: Path, sft: bool = False) -> dict[str, Any]:
    return backbone_origin(Settings.model_validate({"backbone": {"model": model}, "sft": sft}), folder)


def card(backbone: dict[str, Any], **changes: Any) -> str:
    run = {
        "dataset": "tiny", "simulated": False, "snapshot": "tiny-0123", "recipe": "paper",
        "evolution": "tiny-0123/4567", "select": "status", "selection": selection_words({"select": "status"}),
        "roles": {"seed": 1, "pool": 2, "calibration": 3, "test": 1200},
        "loops": [{"loop": 0, "status": None, "n_pool": None, "n_kept": None, "accuracy": SHARE},
                  {"loop": 1, "status": "converged", "n_pool": 9, "n_kept": 0, "accuracy": None}],
        "promoted": {"loop": 0, "why": "because"},
    } | changes  # fmt: skip
    model = {
        "loop": 0, "rm_version": "abc", "dtype": "bfloat16", "weights": "full", "max_length": 512,
        "n_human": 155, "n_pseudo": 0, "member": None, "members": 1, "mean": SHARE,
        "metrics": {"test": {"accuracy": SHARE, "ece": {"value": 0.0512, "n": 1200}}}, "temperature": 2.0,
        "reward_offset": 0.5,
    }  # fmt: skip
    check = {
        "pairs": 8, "responses": 16, "same_tokens": 15, "pad_token_id": 7, "recorded_most": 0.2, "recorded_rms": 0.1,
        "merged": 1e-5, "adapter": 1e-6,
    }  # fmt: skip
    return render_card("rm", {"run": run, "model": model, "check": check, "backbone": backbone})


def test_a_hub_backbone_is_pinned_to_its_commit(tmp_path: Path) -> None:
    found = origin("org/model", tmp_path / "snapshots" / COMMIT)
    assert found == {"hub_id": "org/model", "revision": COMMIT, "licence": None, "note": None}
    said = card(found)
    _, adapter = re.findall(r"```python\n(.*?)```", said, flags=re.DOTALL)
    ast.parse(adapter)
    assert f'"org/model", revision="{COMMIT}", num_labels=1, pad_token_id=7, dtype="bfloat16"' in adapter
    assert "base_model: org/model" in said and "license:" not in said
    assert "[org/model](https://huggingface.co/org/model)" in said


def test_a_fine_tuned_backbone_is_on_no_hub(tmp_path: Path) -> None:
    found = origin("org/model", tmp_path / COMMIT, sft=True)
    assert (found["hub_id"], found["revision"]) == ("org/model", None)
    assert "fine-tuned on the preferred responses" in found["note"]
    assert (
        "dequantised: the original gives other scores. The backbone was fine-tuned"
        in origin("embedded", tmp_path, sft=True)["note"]
    )


def test_the_embedded_backbone_is_called_what_it_is(tmp_path: Path) -> None:
    said = card(origin("embedded", tmp_path))
    assert "license: apache-2.0" in said and "base_model: HuggingFaceTB/SmolLM2-135M-Instruct" in said
    assert "- The backbone is a 4-bit copy of HuggingFaceTB/SmolLM2-135M-Instruct, dequantised" in said


def test_a_folder_has_no_known_licence(tmp_path: Path) -> None:
    assert set(origin(str(tmp_path), tmp_path).values()) == {None}
    assert "its licence is not known here" in card(origin(str(tmp_path), tmp_path))


def test_numbers_limits_and_doubts_are_said(tmp_path: Path) -> None:
    said = card(origin(str(tmp_path), tmp_path))
    assert "| test | accuracy | 75.0 % (70.0 to 80.0; 1,200) |" in said and "| test | ece | 0.051 (1,200) |" in said
    assert "| 1 | converged | 9 | 0 | – |" in said
    assert "155 labels are people's." in said
    assert "15 of 16 texts" in said and "**Texts of the others get other" in said
    simulated = card(origin(str(tmp_path), tmp_path), simulated=True)
    assert "**It is simulated**" in simulated and "155 labels are the published rule's." in simulated
    other = card(origin(str(tmp_path), tmp_path), promoted={"loop": 2, "why": "because"})
    assert "**This model was not promoted**; the one of loop 2 was. because." in other


def test_the_loops_are_told_by_what_selected(tmp_path: Path) -> None:
    said = " ".join(card(origin(str(tmp_path), tmp_path)).split())
    assert "Evolution `tiny-0123/4567`, recipe `paper`" in said and "decides nothing" not in said
    assert "keeps the pairs that meet the rule of its learning status, and trains on." in said
    method = {"select": "calibrated", "min_precision": 0.9}
    other = card(origin(str(tmp_path), tmp_path), select="calibrated", selection=selection_words(method))
    assert "The learning status decides nothing here." in other
    assert "a cut of confidence that keeps the promised precision (90.0 %), and trains on." in " ".join(other.split())


def test_what_a_person_wrote_makes_no_markup(tmp_path: Path) -> None:
    why = "<img src=x>\n# big ![a](http://x) `code` \x1b[2J | \u202e"
    text = card(origin("embedded", tmp_path), promoted={"loop": 1, "why": why})
    shown = "\\<img src=x\\>\\\\u000a\\# big \\!\\[a\\](http://x) \\`code\\` \\\\u001b\\[2J \\| \\\\u202e."
    assert shown in text


def test_a_fact_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_card("labels", {"n": 3})
