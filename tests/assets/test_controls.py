"""The controls: what each is trained on, that the audit has it, and that nothing is made from one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import controls
from resources.artifacts import Artifact
from resources.audit.database import query
from resources.audit.schema import apply_schema, connect
from resources.evolution import Evolution
from resources.outline import next_to_make, outline
from resources.prune import prune
from resources.settings_file import load_settings
from ser.data import tables
from ser.errors import SerError
from ser.method.selection import fold_of
from tests import chain
from tests.assets.test_on_demand import on_demand
from tests.pairs import labelled_rows, write_jsonl

NAMES = ["full_label", "more_steps", "naive_self_training", "true_label", "seed_ensemble", "half_seed"]
FRESH = 'student = "fresh"\nteachers = 2\nlabel_with = "unseen"\npool = "whole"\nreplay = "latest"\ntarget = "soft"\n'


TRAINING = chain.SETTINGS.replace("min_steps = 1", "min_steps = 10")
"""Four epochs of the seed's 24 labels, and five of half of them, instead of three."""


def evolve(
    folder: Path, backbone: Path, method: str, asked: list[str]
) -> Iterator[tuple[Evolution, dg.ExecuteInProcessResult]]:
    """Two loops that keep a third of the pool each, and the controls that are asked for."""
    wanted = "".join(f"{name} = true\n" for name in asked)
    settings = f"loops = 2\n[controls]\n{wanted}[thresholds]\nn_min = 5\n[method]\n{method}{TRAINING}"
    with chain.project(folder, settings, backbone) as (root, patch):
        chain.inject(patch, lambda loop, number, pair_id: (0.8, 0.2) if number % 3 == loop % 3 else (0.5, 0.4))
        snapshot = chain.land(root, write_jsonl(folder / "pairs.jsonl", labelled_rows(240)))
        result, work = chain.materialize(root, snapshot, policy=False)
        assert result.success
        yield work, result


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path
) -> Iterator[tuple[Evolution, dg.ExecuteInProcessResult]]:
    """Recipe `paper` with all controls."""
    yield from evolve(tmp_path_factory.mktemp("paper"), tiny_backbone, "", NAMES)


@pytest.fixture(scope="module")
def paper(whole: tuple[Evolution, dg.ExecuteInProcessResult]) -> Evolution:
    return whole[0]


def rows(work: Evolution, key: str, name: str) -> dict[str, dict[str, Any]]:
    return {row["pair_id"]: row for row in tables.read(work.heads.get(key).path / name)}


def inputs(model: Artifact, name: str) -> list[str]:
    """The digests of what a model was trained on."""
    made_of = model.manifest["inputs"].get(name, [])
    return [one["sha256"] for one in (made_of if isinstance(made_of, list) else [made_of])]


def without_epochs(model: Artifact) -> dict[str, Any]:
    return {name: value for name, value in model.manifest["spec"].items() if name != "epochs"}


def steps(work: Evolution, *models: str) -> int:
    return sum(work.heads.get(key).summary["steps"] for key in models)


def test_each_description_ends_with_the_question_that_the_audit_asks() -> None:
    with connect(Path(":memory:")) as connection:
        apply_schema(connection)
        asked = dict(connection.execute("SELECT control, question FROM control_kinds ORDER BY number").fetchall())
    assets = [getattr(controls, f"{name}_rm") for name in NAMES]
    described = {asset.key.to_user_string(): asset.descriptions_by_key[asset.key] for asset in assets}
    assert list(asked) == list(described)
    assert [key for key, question in asked.items() if not described[key].endswith(f": {question}")] == []


@pytest.mark.slow
def test_more_steps_is_the_seed_for_as_many_steps_as_the_last_model_took_in_all(paper: Evolution) -> None:
    model, seed = paper.heads.get("controls/more_steps_rm"), paper.heads.get("seed_rm")
    assert model.summary["steps"] == steps(paper, "seed_rm", "loop_1/retrained_rm", "loop_2/retrained_rm")
    assert len(json.loads((model.path / "training.json").read_text())["loss"]) == model.summary["steps"]
    assert model.manifest["spec"] == seed.manifest["spec"] | {"steps": model.summary["steps"]}
    assert model.manifest["inputs"] == seed.manifest["inputs"]


@pytest.mark.slow
def test_naive_self_training_keeps_every_label_of_loop_1(paper: Evolution) -> None:
    model, labels = (
        paper.heads.get("controls/naive_self_training_rm"),
        rows(paper, "loop_1/self_labels", "self_labels.parquet"),
    )
    kept = rows(paper, "controls/naive_self_training_rm.filtered_pairs", "kept.parquet")
    assert {pair: row["preferred"] for pair, row in kept.items()} == {p: row["preferred"] for p, row in labels.items()}
    assert model.summary["n_pseudo"] == len(labels) > paper.heads.get("loop_1/retrained_rm").summary["n_pseudo"]
    for name in ("start", "human", "backbone", "encoded"):
        assert inputs(model, name) == inputs(paper.heads.get("loop_1/retrained_rm"), name)
    assert model.manifest["spec"] == paper.heads.get("loop_1/retrained_rm").manifest["spec"]


@pytest.mark.slow
def test_true_labels_take_the_place_of_the_last_loops_and_nothing_else_changes(paper: Evolution) -> None:
    model, last = paper.heads.get("controls/true_label_rm"), paper.heads.get("loop_2/retrained_rm")
    machine = rows(paper, "loop_1/filtered_pairs", "kept.parquet") | rows(
        paper, "loop_2/filtered_pairs", "kept.parquet"
    )
    vault, true = (
        rows(paper, "vault", "vault.parquet"),
        rows(paper, "controls/true_label_rm.true_labels", "kept.parquet"),
    )
    assert true.keys() == machine.keys()
    for pair, row in true.items():
        assert row["preferred"] == vault[pair]["preferred"] and row["target"] == float(row["preferred"] == "a")
        assert row["weight"] == machine[pair]["weight"]
    changed = sum(row["preferred"] != machine[pair]["preferred"] for pair, row in true.items())
    labels = paper.heads.get("controls/true_label_rm.true_labels").summary
    assert labels == {"n_labelled": len(true), "n_changed": changed, "n_unknown": 0} and changed > 0
    assert model.manifest["spec"] == last.manifest["spec"]
    assert (inputs(model, "start"), inputs(model, "human")) == (inputs(last, "start"), inputs(last, "human"))
    assert model.summary["n_pseudo"] == last.summary["n_pseudo"]


@pytest.mark.slow
def test_the_ensemble_of_seeds_has_as_many_members_as_models_were_trained(paper: Evolution) -> None:
    ensemble = paper.heads.get("controls/seed_ensemble_rm")
    members = [paper.heads.get(f"controls/seed_ensemble_rm/member_{number}") for number in range(3)]
    assert ensemble.summary["members"] == 3
    assert members[0].version == paper.heads.get("seed_rm").version
    assert [one.key for one in members] == ["seed_rm", "seed_rm/member_1", "seed_rm/member_2"]
    assert len({part.digest for part in paper.members(ensemble)}) == 3
    # A recipe with more teachers has them already.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_METHOD__TEACHERS", "2")
        chosen = ["landed_pairs", "splits", "backbone", "encoded_pairs", "seed_rm"]
        result, other = on_demand(paper.root, paper.snapshot, *chosen)
        assert result.success
        assert other.heads.get("seed_rm/member_1").version == members[1].version


@pytest.mark.slow
def test_half_of_the_seed_is_the_seed_without_whole_groups(paper: Evolution) -> None:
    model, seed = paper.heads.get("controls/half_seed_rm"), paper.heads.get("seed_rm")
    labelled = tables.groups(paper.pairs("seed").path)
    left_out = rows(paper, "controls/half_seed_rm.halves", "left_out.parquet").keys()
    assert len(left_out) == len(labelled) // 2  # every pair has a prompt of its own
    assert model.summary["n_human"] == len(labelled) - len(left_out)
    assert not {labelled[pair] for pair in left_out} & {labelled[pair] for pair in labelled.keys() - left_out}
    training = paper.settings.reward_model
    assert training.epochs_on(len(labelled)) < training.epochs_on(len(labelled) - len(left_out))  # `min_steps`
    assert model.manifest["spec"]["epochs"] == training.epochs_on(len(labelled) - len(left_out))
    assert seed.manifest["spec"]["epochs"] == training.epochs_on(len(labelled))
    assert model.summary["steps"] >= training.min_steps
    assert without_epochs(model) == without_epochs(seed)
    assert inputs(model, "human") == inputs(seed, "human") and inputs(model, "left_out") != inputs(seed, "left_out")


@pytest.mark.slow
def test_the_audit_has_every_control_and_the_page_its_question(
    whole: tuple[Evolution, dg.ExecuteInProcessResult],
) -> None:
    work, result = whole
    audit, keys = work.root / "audit.duckdb", [f"controls/{name}_rm" for name in NAMES]
    columns = "asset, kind, promoted, member_of IS NULL"
    known = {row[0]: row[1:] for row in query(audit, f"SELECT {columns} FROM reward_models")[1]}
    assert {key: known.get(key) for key in keys} == dict.fromkeys(keys, ("control", False, True))
    members = (
        "SELECT m.asset FROM reward_models m JOIN reward_models e ON e.rm_version = m.member_of "
        "WHERE e.asset = 'controls/seed_ensemble_rm' ORDER BY m.asset"
    )
    # The first one is the seed RM, and told as that.
    assert query(audit, members)[1] == [(f"controls/seed_ensemble_rm/member_{number}",) for number in (1, 2)]
    stored = query(audit, "SELECT path FROM reward_models")[1]
    assert all((work.root / path).is_dir() for (path,) in stored)
    found = {row[0]: row[1:] for row in query(audit, "SELECT control, state, n, seed_gain FROM controls")[1]}
    n = work.heads.get("seed_rm.heldout").summary["metrics"]["test"]["accuracy"]["n"]
    shown = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    for key in keys:
        scores = work.heads.get(f"{key}.heldout").summary["metrics"]["test"]["accuracy"]
        assert shown[key]["test_accuracy"].value == pytest.approx(scores["value"], rel=1e-3)
        assert found[key] == ("made", n, pytest.approx(shown[key]["gain_over_seed"].value, rel=1e-3))
        scored = f"SELECT count(*) FROM heldout_scores WHERE rm_version = '{work.heads.get(key).version}'"
        assert query(audit, f"{scored} AND split = 'test'")[1] == [(n,)]
    assert not [one.path for one in prune(work.root, 1, remove=False).removed if one.what == "artifact"]
    page = next((work.root / "reports").glob("tiny-*.html")).read_text()
    assert page.count("is it only longer training?") == 1 and "controls/seed_ensemble_rm" in page
    assert next_to_make(outline(work), policy=False) is None


@pytest.mark.slow
def test_nothing_is_made_from_the_vault_or_from_a_control_and_none_is_promoted(paper: Evolution) -> None:
    private = set(paper.heads.get("vault").manifest["files"].values())
    for name in NAMES:
        private |= set(paper.heads.get(f"controls/{name}_rm").manifest["files"].values())
    private -= set(paper.heads.get("seed_rm").manifest["files"].values())  # a member of the ensemble
    private |= set(paper.heads.get("controls/true_label_rm.true_labels").manifest["files"].values())
    method = [key for key in paper.heads.made() if not key.startswith("controls/")]
    assert "loop_2/retrained_rm" in method
    for key in method:
        said = json.dumps(paper.heads.get(key).manifest["inputs"])
        assert not [digest for digest in private if digest in said], key
    assert [one["loop"] for one in paper.heads.get("evolved_rm").summary["candidates"]] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("private", ["vault", "controls/true_label_rm", "controls/true_label_rm.true_labels"])
def test_neither_the_vault_nor_a_control_passes_for_a_backbone(paper: Evolution, private: str) -> None:
    folder = paper.heads.get(private).path
    for place in (folder, folder / "rm"):
        settings = load_settings(assignments=[f"backbone.model={place}"])
        with pytest.raises(SerError):
            Evolution(paper.root, settings, paper.snapshot).pretrained()


@pytest.mark.slow
def test_members_of_fresh_students_keep_their_folds_and_their_steps(tmp_path: Path, tiny_backbone: Path) -> None:
    asked = ["more_steps", "naive_self_training", "true_label"]
    work, _ = next(evolve(tmp_path, tiny_backbone, FRESH, asked))
    units = rows(work, "splits", "units.parquet")
    vault, last = rows(work, "vault", "vault.parquet"), rows(work, "loop_2/filtered_pairs", "kept.parquet")
    true = rows(work, "controls/true_label_rm.true_labels", "kept.parquet")
    naive = rows(work, "controls/naive_self_training_rm.filtered_pairs", "kept.parquet")
    assert true.keys() == last.keys() and naive.keys() == units.keys() == vault.keys()
    assert {row["target"] for row in true.values()} == {0.0, 1.0}
    assert {row["target"] for row in naive.values()} == {0.75}  # soft: the injected confidence that a is preferred
    for number in (0, 1):
        members = {name: work.heads.get(f"controls/{name}_rm/member_{number}") for name in asked}
        outside = {pair for pair, row in units.items() if fold_of(row["unit"], 2) != number}
        assert members["naive_self_training"].summary["n_pseudo"] == len(outside)
        assert members["true_label"].summary["n_pseudo"] == len(outside & true.keys())
        assert members["more_steps"].summary["steps"] == steps(work, f"loop_2/retrained_rm/member_{number}")
        assert members["more_steps"].summary["n_pseudo"] == 0
        assert all(inputs(member, "start") == [] for member in members.values())
    measured = work.heads.get("controls/true_label_rm.heldout").summary
    assert len(measured["members"]) == 2
