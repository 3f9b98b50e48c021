"""`ser export` after a real run: what leaves serves transformers, PEFT, datasets and TRL."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resources.evolution import Evolution
from resources.exports.folder import MANIFEST
from ser.data import tables
from ser.data.encoding import EncodedPair, encode_prompt, encode_response
from ser.data.pairs import canonical_prompt
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Evolution]:
    """A finished run of two loops with a policy, in float32; the environment is that of the commands."""
    folder = tmp_path_factory.mktemp("project")
    settings = "loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS + "[compute]\ndtype = 'float32'\n"
    with chain.project(folder, settings, tiny_backbone) as (root, patch):
        chain.inject(patch, lambda loop, number, pair_id: (0.8, 0.2) if number < 20 else (0.5, 0.5))
        snapshot = chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(300)))
        result, work = chain.materialize(root, snapshot)
        assert result.success
        yield work


def export(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Any:
    """Run `ser export`; its JSON document, or its error."""
    assert main(["export", *map(str, arguments), *([] if code else ["--json"])]) == code
    said = capsys.readouterr()
    return said.err if code else json.loads(said.out)


def snippets(readme: Path) -> list[str]:
    """The Python of a card."""
    return re.findall(r"```python\n(.*?)```", readme.read_text(), flags=re.DOTALL)


def promoted(work: Evolution) -> tuple[int, RewardModel]:
    loop = work.heads.get("evolved_rm").summary["promoted_loop"]
    model = work.heads.get("seed_rm" if loop == 0 else f"loop_{loop}/retrained_rm")
    return loop, RewardModel.load(work.backbone().path, model.path / "rm", Arithmetic(), merged=True)


def reward(work: Evolution, prompt: str, response: str) -> float:
    """Our own reward of the promoted model."""
    tokenizer = load_tokenizer(work.backbone().path)
    tokens = encode_prompt(tokenizer, canonical_prompt(prompt)), encode_response(tokenizer, response)
    return promoted(work)[1].score([EncodedPair("x", *tokens, tokens[1])])[0, 0].item()


@pytest.fixture(scope="module")
def rm(project: Evolution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported reward model."""
    place = tmp_path_factory.mktemp("exports") / "rm"
    assert main(["export", "rm", "--to", str(place)]) == 0
    return place


def test_the_promoted_model_is_exported_once(
    project: Evolution, rm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _ = promoted(project)
    done = export(capsys, "rm", "--dataset", "tiny", "--to", rm)
    assert done["reused"] and done["to"] == str(rm) and done["snapshot"] == project.snapshot
    assert done["loop"] == loop and done["check"]["merged"] < 1e-4 and done["check"]["recorded_most"] < 1e-4
    assert done["check"]["same_tokens"] == done["check"]["responses"] == 16
    assert sorted(path.name for path in rm.iterdir()) == [MANIFEST, "README.md", "adapter", "backbone", "merged"]


def test_the_cards_lines_load_it_without_this_project(project: Evolution, rm: Path) -> None:
    """In a new process, from inside the folder, with nothing of ours on the way."""
    merged, adapter = snippets(rm / "README.md")
    assert len(merged.splitlines()) == 5
    check = """
again = model(**tokens).logits.item()
assert not [name for name in sys.modules if name.split(".")[0] in ("ser", "resources", "ser_dagster")]
print(reward, again)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys\n" + merged + adapter + check],
        cwd=rm, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = reward(project, "How long does rice cook?", "Twelve minutes.")
    assert [float(one) for one in done.stdout.split()] == pytest.approx([wanted, wanted], abs=1e-4)


def test_the_card_says_what_it_is_and_what_it_is_not(project: Evolution, rm: Path) -> None:
    loop, _ = promoted(project)
    card = (rm / "README.md").read_text()
    model = project.heads.get("seed_rm" if loop == 0 else f"loop_{loop}/retrained_rm")
    test = project.heads.get(f"{model.key}.heldout").summary["metrics"]["test"]["accuracy"]
    share = f"{100 * test['value']:.1f} % ({100 * test['ci_low']:.1f} to {100 * test['ci_high']:.1f}; {test['n']})"
    assert f"| test | accuracy | {share} |" in card
    assert f"trained on\n{model.summary['n_human']} human and {model.summary['n_pseudo']} machine labels" in card
    assert "This model was promoted." in card and project.heads.get("evolved_rm").summary["why"] in card
    assert f"snapshot `{project.snapshot}`" in card and "| 1 | 1 |" in card and "| 20 |" in card
    assert "its licence is not known here" in card
    assert "16 of 16 texts" in card
    assert "simulated" not in card and "{{" not in card and "None" not in card


def test_another_loop_is_exported_and_said_not_to_be_promoted(
    project: Evolution, rm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _ = promoted(project)
    other = 0 if loop else 1
    done = export(capsys, "rm", "--loop", str(other), "--to", tmp_path / "out")
    assert done["loop"] == other and not done["reused"]
    assert "**This model was not promoted**" in (tmp_path / "out" / "README.md").read_text()
    assert "has the models 0 (the seed) to 2" in export(capsys, "rm", "--loop", "3", "--to", tmp_path / "more", code=1)
    replaced = export(capsys, "rm", "--to", tmp_path / "out")
    assert (replaced["loop"], replaced["reused"]) == (loop, False)
    assert not (tmp_path / "more").exists()


def test_rloo_is_rewarded_by_it(project: Evolution, rm: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import RLOOConfig, RLOOTrainer

    backbone = str(project.backbone().path)
    config = RLOOConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=4, num_generations=2, logging_steps=1,
        max_completion_length=6, bf16=False, report_to="none", use_cpu=True, save_strategy="no",
        gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    asked = ["how can I cook rice", "how can I sleep well"]
    data = Dataset.from_list([{"prompt": [{"role": "user", "content": one}]} for one in asked])
    trainer = RLOOTrainer(backbone, reward_funcs=str(rm / "merged"), args=config, train_dataset=data)
    seen: list[tuple[str, str, float]] = []
    score = trainer._calculate_rewards

    def watched(inputs: Any, prompts: Any, completions: Any, ids: Any) -> torch.Tensor:
        rewards = score(inputs, prompts, completions, ids)
        texts = [
            (prompt[-1]["content"], answer[0]["content"]) for prompt, answer in zip(prompts, completions, strict=True)
        ]
        seen.extend((*text, value) for text, value in zip(texts, rewards[:, 0].tolist(), strict=True))
        return rewards

    trainer._calculate_rewards = watched
    trainer.train()
    assert len(seen) == 4 and {prompt for prompt, _, _ in seen} == set(asked)
    for prompt, answer, value in seen:
        assert value == pytest.approx(reward(project, prompt, answer), abs=1e-4)
    logged = trainer.state.log_history[0]
    assert logged["rewards/merged/mean"] == pytest.approx(sum(value for *_, value in seen) / 4, abs=1e-4)


def test_labels_are_exported_as_a_file_and_as_a_folder(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import load_dataset

    done = export(capsys, "labels", "--to", tmp_path / "labels.jsonl")
    assert (done["n"], done["reused"]) == (40, False)
    assert export(capsys, "labels", "--to", tmp_path / "out")["n"] == 40
    assert export(capsys, "labels", "--to", tmp_path / "out")["reused"]
    assert (tmp_path / "out" / "labels.jsonl").read_bytes() == (tmp_path / "labels.jsonl").read_bytes()
    rows = list(load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")))
    kept = [
        row["pair_id"]
        for loop in (1, 2)
        for row in tables.read(project.heads.get(f"loop_{loop}/filtered_pairs").path / "kept.parquet")
    ]
    assert [row["pair_id"] for row in rows] == kept
    assert {row["rm_version"] for row in rows} == {
        project.heads.get("seed_rm").version, project.heads.get("loop_1/retrained_rm").version,
    }  # fmt: skip
    (lines,) = snippets(tmp_path / "out" / "README.md")
    monkeypatch.chdir(tmp_path / "out")
    found: dict[str, Any] = {}
    exec(lines, found)
    assert found["labels"].num_rows == 40


@contextmanager
def began_again(work: Evolution, *suffixes: str) -> Iterator[None]:
    """The heads of the seed RM and what was measured of it, as a later run leaves them that trained another one."""
    before = [work.heads.get(f"seed_rm{suffix}") for suffix in suffixes]
    for one, suffix in zip(before, suffixes, strict=True):
        other = work.heads.get(f"loop_1/retrained_rm{suffix}")
        place = work.store.root / one.key / other.version
        if not place.exists():
            shutil.copytree(other.path, place)
        work.heads.set(replace(other, key=one.key, path=place))
    try:
        yield
    finally:
        for one in before:
            work.heads.set(one)


def test_a_model_is_not_exported_with_the_metrics_of_the_one_it_replaced(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with began_again(project, ""):
        said = export(capsys, "rm", "--loop", "0", "--to", tmp_path / "out", code=1)
    assert f"a later run on {project.snapshot} made seed_rm again and did not finish. Run: ser run" in said
    assert not (tmp_path / "out").exists()


def test_labels_name_the_model_that_gave_them(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed, loop_1 = (project.heads.get(key).version for key in ("seed_rm", "loop_1/retrained_rm"))
    with began_again(project, "", ".heldout"):
        export(capsys, "labels", "--to", tmp_path / "labels.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert {(row["loop"], row["rm_version"]) for row in rows} == {(1, seed), (2, loop_1)}


def test_the_policy_is_exported_and_its_card_runs(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = export(capsys, "policy", "--to", tmp_path / "policy")
    assert done["policy_version"] == project.heads.get("ppo_policy").version and done["check"]["merged"] < 1e-4
    card = (tmp_path / "policy" / "README.md").read_text()
    assert "8 test prompts, greedy, its win rate" in card and "{{" not in card and "None" not in card
    monkeypatch.chdir(tmp_path / "policy")
    found: dict[str, Any] = {}
    for lines in snippets(tmp_path / "policy" / "README.md"):
        exec(lines, found)
    assert isinstance(found["answer"], str)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rm", "--dataset", "nope"], "unknown dataset 'nope'"),
        (["policy", "--dataset", "nope"], "unknown dataset 'nope'"),
    ],
)
def test_wrong_use_is_said(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in export(capsys, *arguments, "--to", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused_before_any_work(
    project: Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for kind in ("rm", "policy", "labels"):
        assert "is not empty and is no earlier export" in export(capsys, kind, "--to", tmp_path, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_before_a_run_it_says_what_to_run(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no dataset has landed yet" in export(capsys, "rm", "--to", tmp_path / "out", code=1)
    chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(40)))
    said = export(capsys, "rm", "--to", tmp_path / "out", code=1)
    assert "no evolution of tiny is finished.\nRun: ser run --dataset tiny" in said
