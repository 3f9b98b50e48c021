"""What is made on demand: a policy of a loop, the full-label control, a fine-tuned backbone."""

from pathlib import Path

import dagster as dg
import pytest

from assets.graph import graph
from assets.ser_resource import SerResource
from resources.artifacts import Artifact
from resources.audit.database import query
from resources.evolution import Evolution
from resources.heads import Heads
from resources.outline import next_to_make, outline
from resources.settings_file import load_settings
from tests import chain
from tests.pairs import labelled_rows, unlabelled, write_jsonl

pytestmark = pytest.mark.slow


def on_demand(root: Path, snapshot: str, *keys: str) -> tuple[dg.ExecuteInProcessResult, Evolution]:
    """Materialise single assets, as the UI's button does."""
    settings = load_settings()
    assets, _ = graph(settings)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("snapshot", [snapshot])
        result = dg.materialize(
            assets,
            selection=[dg.AssetKey(key.split("/")) for key in keys],
            partition_key=snapshot,
            resources={"ser": SerResource()},
            instance=instance,
            raise_on_error=False,
        )
    return result, Evolution(root, settings, snapshot)


@pytest.fixture
def landed(data_root: Path, tmp_path: Path) -> str:
    (tmp_path / "ser.toml").write_text("loops = 1\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(300)))


def test_full_label_rm_and_the_policy_of_a_loop(data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.inject(monkeypatch, lambda loop, number, pair_id: (0.8, 0.2) if number < 30 else (0.5, 0.5))
    result, _ = chain.materialize(data_root, landed, policy=False)
    assert result.success
    result, work = on_demand(data_root, landed, "controls/full_label_rm", "loop_1/ppo_policy")
    assert result.success
    splits = chain.summary(work, "splits")
    assert chain.summary(work, "controls/full_label_rm")["n_human"] == splits["seed"] + splits["vault"]
    policy = work.heads.get("loop_1/ppo_policy")
    assert policy.manifest["inputs"]["reward_model"]["version"] == work.heads.get("loop_1/retrained_rm").version
    assert (policy.path / "policy" / "adapter_model.safetensors").exists()


def test_an_asset_whose_inputs_are_not_made_says_what_to_make(data_root: Path, landed: str) -> None:
    result, _ = on_demand(data_root, landed, "seed_rm")
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "encoded_pairs has not been made for this snapshot" in str(failure.step_failure_data.error)


def test_settings_that_are_edited_during_a_run_hold_from_the_next_one(
    data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = load_settings()
    file = tmp_path / "ser.toml"
    adopt = Heads.set

    def edit_afterwards(heads: Heads, artifact: Artifact, key: str | None = None) -> None:
        adopt(heads, artifact, key)
        if artifact.key == "landed_pairs":
            file.write_text("random_seed = 7\n" + file.read_text())

    monkeypatch.setattr(Heads, "set", edit_afterwards)
    result, _ = on_demand(data_root, landed, "landed_pairs", "splits")
    assert result.success
    assert set(Evolution(data_root, before, landed).heads.made()) == {"landed_pairs", "splits"}
    assert load_settings().random_seed == 7
    assert list(Evolution(data_root, load_settings(), landed).heads.made()) == []


def test_with_sft_everything_stands_on_the_fine_tuned_backbone(
    data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_SFT", "true")
    result, work = chain.materialize(data_root, landed, policy=False)
    assert result.success
    tuned = work.heads.get("backbone")
    assert tuned.summary["last_loss"] < tuned.summary["first_loss"]
    assert work.heads.get("seed_rm").manifest["inputs"]["backbone"]["version"] == tuned.version
    assert work.heads.get("loop_1/self_labels").manifest["inputs"]["backbone"]["version"] == tuned.version


def test_without_a_vault_the_controls_that_need_one_are_left_out_with_the_reason(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "[controls]\nfull_label = true\ntrue_label = true\nmore_steps = true\n"
    (tmp_path / "ser.toml").write_text(f"loops = 1\n{asked}[thresholds]\nn_min = 5\n{chain.SETTINGS}")
    rows = [*labelled_rows(200), *unlabelled(labelled_rows(400, seed=1))]
    snapshot = chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", rows))
    chain.inject(monkeypatch, lambda loop, number, pair_id: (0.8, 0.2) if number < 30 else (0.5, 0.5))
    warned: list[str] = []
    monkeypatch.setattr(dg.DagsterLogManager, "warning", lambda log, words, *_, **__: warned.append(words))
    result, work = chain.materialize(data_root, snapshot, policy=False)
    assert result.success
    assert chain.summary(work, "vault")["vault"] == 0
    unknown = f"is not trained: no human label of the pool of {snapshot} is known."
    said = [words for words in warned if "is not trained" in words]
    assert said == [f"controls/full_label_rm {unknown}", f"controls/true_label_rm {unknown}"]
    made = {key for key in work.heads.made() if key.startswith("controls/")}
    assert made == {"controls/more_steps_rm", "controls/more_steps_rm.heldout"}
    states = dict(query(data_root / "audit.duckdb", "SELECT control, state FROM controls")[1])
    assert states["controls/true_label_rm"] == "no human label of the pool is known"
    assert states["controls/more_steps_rm"] == "made" and states["controls/seed_ensemble_rm"] == "not made"
    assert next_to_make(outline(work), policy=False) is None


def test_where_all_is_kept_naive_self_training_is_loop_1_itself(
    data_root: Path, landed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SER_METHOD__SELECT", "all")
    monkeypatch.setenv("SER_CONTROLS__NAIVE_SELF_TRAINING", "true")
    result, work = chain.materialize(data_root, landed, policy=False)
    assert result.success and chain.outcomes(result)["audit_sync"] == "made"
    assert not [key for key in work.heads.made() if key.startswith("controls/")]
    assert next_to_make(outline(work), policy=False) is None
