"""No human label of the pool can reach a machine label."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from resources import evolution
from resources.evolution import Evolution
from resources.launchers import in_process
from resources.manifests import file_digests
from resources.settings import Settings
from resources.settings_file import load_settings
from ser.data import tables
from ser.data.pairs import canonical_prompt, pair_id
from ser.errors import SerError
from ser.progress import Progress
from ser.stages.job import Job
from tests import chain
from tests.pairs import labelled_rows, unlabelled, write_jsonl

LOOP_KEYS = [
    "seed_rm",
    *(
        f"loop_{k}/{name}"
        for k in (1, 2)
        for name in ("self_labels", "status_report", "filtered_pairs", "retrained_rm")
    ),
    "evolved_rm",
]


def rows(vault: str) -> list[dict[str, Any]]:
    """150 labelled pairs outside the pool, and 150 in it whose vault labels are `true`, `flipped` or `permuted`."""
    human = [
        row | {"role": role}
        for role, seed in (("seed", 1), ("calibration", 2), ("test", 3))
        for row in labelled_rows(50, seed)
    ]
    pool = labelled_rows(150, seed=4)
    if vault == "flipped":
        pool = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in pool]
    elif vault == "permuted":
        turned = [number % 3 == 0 for number in range(len(pool))]
        pool = [
            row | {"chosen": row["rejected"], "rejected": row["chosen"]} if turn else row
            for row, turn in zip(pool, turned, strict=True)
        ]
    return human + [row | {"role": "pool"} for row in pool]


def run(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, landed: list[dict[str, Any]]) -> Evolution:
    monkeypatch.setenv("SER_DATA", str(root))
    folder.mkdir(exist_ok=True)
    snapshot = chain.land(root, write_jsonl(folder / f"{root.name}.jsonl", landed))
    result, work = chain.materialize(root, snapshot, policy=False)
    assert result.success
    return work


def everything(work: Evolution) -> dict[str, dict[str, str]]:
    """The digests of every file but the manifest, of every artifact of the loops."""
    return {key: file_digests(work.heads.get(key).path) for key in work.heads.made() if key.split(".")[0] in LOOP_KEYS}


@pytest.fixture
def settings(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)


@pytest.mark.slow
@pytest.mark.usefixtures("settings")
def test_flipping_or_permuting_the_vault_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    vaults = {}
    for vault in ("true", "flipped", "permuted"):
        work = run(tmp_path / vault, tmp_path / "files", monkeypatch, rows(vault))
        found[vault] = everything(work)
        vaults[vault] = (work.heads.get("vault").path / "vault.parquet").read_bytes()
    # The vaults really differ, and the loops really labelled, kept and retrained.
    assert len(set(vaults.values())) == 3
    assert set(LOOP_KEYS) <= found["true"].keys()
    assert "rm/adapter_model.safetensors" in found["true"]["loop_2/retrained_rm"]
    assert found["flipped"] == found["true"]
    assert found["permuted"] == found["true"]


@pytest.mark.slow
@pytest.mark.usefixtures("settings")
def test_label_columns_of_any_name_never_reach_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    human = [row for row in rows("true") if row["role"] != "pool"]
    pool = labelled_rows(150, seed=4)
    plain = [row | {"role": "pool"} for row in unlabelled(pool)]
    names = ("label", "winner", "gold", "human_preference", "chosen_index", "is_a_better")
    labelled = [row | dict.fromkeys(names, f"SECRET-{i % 2}") for i, row in enumerate(plain)]
    clean = run(tmp_path / "clean", tmp_path / "files", monkeypatch, human + plain)
    with (tmp_path / "ser.toml").open("a") as file:  # else such rows are refused
        file.write("[landing.tiny]\nunlabelled = true\n")
    marked = run(tmp_path / "marked", tmp_path / "files", monkeypatch, human + labelled)
    assert everything(marked) == everything(clean)
    for key in ("splits", "encoded_pairs", "loop_1/self_labels", "loop_1/filtered_pairs"):
        for path in marked.heads.get(key).path.rglob("*"):
            assert path.is_dir() or b"SECRET" not in path.read_bytes(), path
    import pyarrow.parquet as pq

    assert pq.read_schema(marked.heads.get("splits").path / "pool.parquet").names == [
        "pair_id",
        "prompt",
        "response_a",
        "response_b",
    ]


@pytest.mark.usefixtures("settings")
def test_with_drawn_roles_the_vault_may_be_flipped_or_deleted_during_the_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = labelled_rows(500, seed=5)
    work = run(tmp_path / "true", tmp_path / "files", monkeypatch, landed)
    in_vault = {
        row["pair_id"] for row in tables.read(work.heads.get("splits").path / "roles.parquet") if row["in_vault"]
    }
    assert len(in_vault) > 100
    flipped = [
        row | {"chosen": row["rejected"], "rejected": row["chosen"]} if identity_of(row) in in_vault else row
        for row in landed
    ]

    def launch(job: Job, progress: Progress) -> dict[str, Any]:
        if job.stage == "label":
            shutil.rmtree(tmp_path / "flipped" / "artifacts" / "vault", ignore_errors=True)
        return in_process(job, progress)

    monkeypatch.setattr(evolution, "in_process", launch)
    other = run(tmp_path / "flipped", tmp_path / "files", monkeypatch, flipped)
    assert not (tmp_path / "flipped" / "artifacts" / "vault").exists()
    assert everything(other) == everything(work)
    # No loop's artifact was made from the vault, whatever way it may have come.
    vault = work.heads.get("vault").manifest["files"]["vault.parquet"]
    for key in work.heads.made():
        assert vault not in json.dumps(work.heads.get(key).manifest["inputs"]), key


def identity_of(row: dict[str, Any]) -> str:
    return pair_id(canonical_prompt(row["prompt"]), row["chosen"], row["rejected"])


def names(values: Any, above: str = "") -> list[str]:
    """The dotted names of all settings."""
    if not isinstance(values, dict) or not values:
        return [above.removesuffix(".")]
    return [name for key, value in values.items() for name in names(value, f"{above}{key}.")]


@pytest.mark.usefixtures("data_root")
def test_no_recipe_and_no_setting_can_name_the_vault() -> None:
    """None takes it for its value, but three that say where a model or an inbox is, and none is called so."""
    known = names(Settings().model_dump())
    assert len(known) > 80

    def is_refused(name: str, value: str) -> bool:
        try:
            load_settings(assignments=[f"{name}={value}"], recipe="mine" if name.startswith("recipes.mine") else None)
        except SerError:
            return True
        return False

    method = [name for name in known if name.startswith(("method.", "thresholds.")) or name == "loops"]
    told = [*known, *(f"recipes.mine.{name}" for name in method), "landing.mine.role", "landing.mine.map"]
    for value in ("vault", "vault/vault.parquet", "controls/true_label_rm", '["vault"]', '{"human": "vault"}'):
        taken = {name for name in told if not is_refused(name, value)}
        assert taken <= {"backbone.model", "backbone.revision", "automation.inbox"}, value
    sections = {name.rpartition(".")[0] for name in told if "." in name}
    for section in sorted(sections - {"landing", "recipes", "landing.mine"}):
        for name in ("vault", "human", "labels", "pseudo", "train_on"):
            assert is_refused(f"{section}.{name}", "vault"), (section, name)
