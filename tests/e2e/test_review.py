"""The review queue through the command: from a run to people and back into the seed."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from resources.audit.database import AuditDatabase
from resources.evolution import Evolution
from resources.heads import known_evolutions
from ser.data import tables
from ser_dagster.cli import main
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

pytestmark = pytest.mark.slow

EVERY_FILE = ["label-studio-config.xml", "label-studio-tasks.json", "queue-why.csv", "queue.csv", "queue.jsonl"]


def pairs(flipped: bool) -> list[dict[str, Any]]:
    """150 pairs outside the pool and 120 in it, of two domains, which the vault knows."""
    human = [
        row | {"role": role}
        for role, seed in (("seed", 1), ("calibration", 2), ("test", 3))
        for row in labelled_rows(50, seed)
    ]
    pool = labelled_rows(120, seed=4)
    if flipped:
        pool = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in pool]
    return human + [row | {"role": "pool", "source": f"d{i % 2}"} for i, row in enumerate(pool)]


def probabilities(loop: int, number: int, pair_id: str) -> tuple[float, float]:
    """Loop 1 keeps 30 pairs; in loop 2 a third of the rest turns round."""
    if loop == 1:
        return (0.9, 0.1) if number < 30 else (0.549, 0.4 + number / 10_000)
    return (0.1, 0.9 - number / 1000) if number % 3 == 0 else (0.549, 0.4 + number / 10_000)


@pytest.fixture
def settings(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ser.toml").write_text("loops = 2\n[thresholds]\nn_min = 5\n" + chain.SETTINGS)
    chain.inject(monkeypatch, probabilities)
    return data_root


def ser(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """The JSON document that a command prints."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


ROLES = ("seed", "calibration", "test", "pool", "vault")


def splits(root: Path, snapshot: str) -> dict[str, dict[str, Any]]:
    """The tables of the roles of a snapshot that was run, by pair_id."""
    settings = next(one.settings for one in known_evolutions(root) if one.snapshot == snapshot)
    heads = Evolution(root, settings, snapshot).heads
    folders = {role: heads.get("vault" if role == "vault" else "splits").path for role in ROLES}
    return {
        role: {row["pair_id"]: row.get("preferred") for row in tables.read(folders[role] / f"{role}.parquet")}
        for role in ROLES
    }


def run(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, flipped: bool) -> str:
    monkeypatch.setenv("SER_DATA", str(root))
    snapshot = chain.land(root, write_jsonl(folder / f"{root.name}.jsonl", pairs(flipped)))
    assert chain.materialize(root, snapshot, policy=False)[0].success
    return snapshot


def forget_labels(root: Path, pairs: list[str]) -> None:
    """Take the labels of these pairs out of the audit, as if nobody had given them."""
    with AuditDatabase(root / "audit.duckdb").writing() as connection:
        connection.execute("DELETE FROM human_labels WHERE pair_id IN (SELECT unnest(?))", [pairs])


def answer(queue: list[dict[str, str]], path: Path, word: str) -> Path:
    """The queue with `word` in its first 30 rows, as a spreadsheet saves it."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, queue[0].keys())
        writer.writeheader()
        writer.writerows(row | {"preferred": word if place < 30 else ""} for place, row in enumerate(queue))
    return path


def test_from_a_run_to_people_and_into_the_next_run(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "flipped"
    flipped = splits(other, run(other, tmp_path, monkeypatch, flipped=True))
    ser(capsys, "review", "export", "--n", "40", "--to", other / "queue")
    snapshot = run(settings, tmp_path, monkeypatch, flipped=False)
    before = splits(settings, snapshot)
    done = ser(capsys, "review", "export", "--n", "40")
    assert done == done | {"dataset": "tiny", "snapshot": snapshot, "loops": 2, "n": 40, "known": 40}
    assert set(done["reasons"]) == {"against_seed", "flipped", "near_cut"}
    assert min(done["sources"].values()) >= 15
    folder = settings / "review" / snapshot / done["settings"]
    assert Path(done["folder"]) == folder
    assert ser(capsys, "review", "export", "--n", "40") == done

    # Every label of the vault is another, and every byte of the queue the same.
    assert before["vault"].keys() == flipped["vault"].keys()
    assert all(before["vault"][pair_id] != label for pair_id, label in flipped["vault"].items())
    found: dict[Any, bytes] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(found) == EVERY_FILE
    assert found == {path.name: path.read_bytes() for path in (other / "queue").iterdir()}

    # The labels that a pool has are skipped by their presence alone.
    assert main(["review", "export", "--skip-known"]) == 1
    assert "has a human label already: there is none to ask for" in capsys.readouterr().err
    nobodys = sorted(before["pool"])[::2]
    for root in (other, settings):
        forget_labels(root, nobodys)
        monkeypatch.setenv("SER_DATA", str(root))
        rest = ser(capsys, "review", "export", "--skip-known", "--n", "40")
        assert (rest["n"], rest["known"], rest["folder"]) == (40, 0, f"{root}/review/{rest['evolution']}-skip-known")
        found |= {(root.name, path.name): path.read_bytes() for path in Path(rest["folder"]).iterdir()}
    assert all(
        found[other.name, name] == found[settings.name, name] != found[name] for name in ("queue.csv", "queue.jsonl")
    )
    some = ser(capsys, "review", "export", "--n", "40", "--to", other / "some")
    assert 0 < some["known"] < 40
    assert main(["review", "export", "--n", "40", "--to", str(other / "some")]) == 0
    assert f"{some['known']} of them have a human label already; --skip-known leaves" in capsys.readouterr().out

    with (folder / "queue.csv").open(encoding="utf-8-sig", newline="") as file:
        queue = list(csv.DictReader(file))
    asked = [row["pair_id"].removeprefix("'") for row in queue]
    assert len(set(asked)) == len(asked) == 40
    assert set(asked) <= before["pool"].keys()
    for name, word in (("ann", "a"), ("ben", "b"), ("eva", "a")):
        path = answer(queue, tmp_path / f"{name}.csv", word)
        taken = ser(capsys, "review", "import", path, "--annotator", name)
        assert taken == taken | {"read": 30, "landed": 30, "labels_added": 30, "quarantined": 0, "unanswered": 10}
    more = ser(capsys, "review", "export", "--n", "40")  # of the evolution before, and nothing is asked twice
    assert more["evolution"] == done["evolution"] and more["folder"] == f"{folder}-after-30"
    with (Path(more["folder"]) / "queue.csv").open(encoding="utf-8-sig", newline="") as file:
        others = {row["pair_id"].removeprefix("'") for row in csv.DictReader(file)}
    assert len(others) == 40 and not others & set(asked[:30]) and set(asked[30:]) <= others
    result, work = chain.materialize(settings, taken["snapshot"], policy=False)
    assert result.success
    after = splits(settings, taken["snapshot"])
    assert after["seed"] == before["seed"] | dict.fromkeys(asked[:30], "a")
    assert after["pool"].keys() == before["pool"].keys() - set(asked[:30])
    assert after["vault"].keys() == after["pool"].keys()
    assert (after["calibration"], after["test"]) == (before["calibration"], before["test"])
    assert chain.summary(work, "seed_rm")["n_human"] == 80
    assert chain.checks(result)["audit_sync:audit_equals_parquet"]


def test_before_a_run_there_is_nothing_to_choose_from(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", "export"]) == 1
    assert "no dataset has landed yet" in capsys.readouterr().err
    chain.land(settings, write_jsonl(tmp_path / "pairs.jsonl", pairs(flipped=False)))
    assert main(["review", "export"]) == 1
    assert "Run: ser run --dataset tiny" in capsys.readouterr().err
    assert main(["review", "export", "--dataset", "nope"]) == 1
    assert "unknown dataset 'nope'" in capsys.readouterr().err
    for wrong in (["export", "--n", "0"], ["import", "x.csv"], []):
        with pytest.raises(SystemExit) as stop:
            main(["review", *wrong])
        assert stop.value.code == 2
