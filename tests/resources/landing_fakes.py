"""What the tests of the landing zone share: rows, files of every format, and reading what came of them."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.inbox import datasets_in, fetch
from resources.landing.landed import Landed
from resources.landing.zone import Landing
from resources.settings import Settings
from ser.progress import silent
from ser.specs import Roles
from ser.stages import split, vault
from ser.stages.split import SplitInputs, SplitSpec
from ser.stages.vault import VaultInputs, VaultSpec


def landing(root: Path, **roles: Any) -> Landing:
    """A landing zone in `root`."""
    return Landing(root, Settings(roles=Roles(**roles)))


def fetch_all(uri: str, root: Path, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Fetch every folder of an inbox, as the sensor does."""
    return [copy for dataset in datasets_in(uri, tell) for copy in fetch(uri, root, dataset, tell)]


def pair(number: int, label: str | None = "a", **more: Any) -> dict[str, Any]:
    """A row of pair `number`, which has a prompt of its own unless `more` says otherwise."""
    texts = {"response_a": f"good answer {number}", "response_b": f"bad answer {number}"}
    return {"prompt": f"question {number}", **texts, "preferred": label, **more}


def jsonl(path: Path, rows: Iterable[dict[str, Any] | str | bytes]) -> Path:
    """A JSONL file (compressed if its name says so); a string or bytes is a line as it is."""
    lines = [row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
             for row in rows]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)
    return path


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A CSV or parquet file, in which a list is JSON text (CSV) or a list (parquet)."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(
            {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
            for row in rows
        )
    return path


def snapshot(zone: Landing, name: str, out: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables of a snapshot."""
    out.mkdir(parents=True, exist_ok=True)
    zone.write_snapshot(name, out)
    kinds = ("pairs", "labels", "judge_labels", "pair_times", "label_times")
    return {kind: pq.read_table(out / f"{kind}.parquet").to_pylist() for kind in kinds}


def splits(zone: Landing, dataset: str, out: Path, **settings: Any) -> Path:
    """The folder with the tables of the current snapshot by role."""
    snapshot(zone, zone.current_snapshot(dataset), out)
    (out / "splits").mkdir(exist_ok=True)
    inputs = {name: out / f"{name}.parquet" for name in ("pairs", "labels", "judge_labels")}
    split.run(SplitSpec(roles=Roles(**settings)), SplitInputs(**inputs), out / "splits", silent)
    return out / "splits"


def vault_of(zone: Landing, dataset: str, out: Path, **settings: Any) -> Path:
    """The table of the labels that the vault of the current snapshot has."""
    snapshot(zone, zone.current_snapshot(dataset), out)
    inputs = {name: out / f"{name}.parquet" for name in ("pairs", "labels", "judge_labels")}
    vault.run(VaultSpec(roles=Roles(**settings)), VaultInputs(**inputs), out, silent)
    return out / "vault.parquet"


def roles(zone: Landing, dataset: str, out: Path, **settings: Any) -> dict[str, str]:
    """pair_id to role in the current snapshot."""
    table = pq.read_table(splits(zone, dataset, out, **settings) / "roles.parquet")
    return {row["pair_id"]: row["role"] for row in table.to_pylist()}


def numbers(done: Landed) -> tuple[int, ...]:
    """Rows read, landed, labels added, duplicates, quarantined; pairs labelled and unlabelled."""
    return (done.read, done.landed, done.labels_added, done.duplicates, done.quarantined, done.labelled,
            done.unlabelled)  # fmt: skip


def quarantined(root: Path, dataset: str = "demo") -> list[dict[str, Any]]:
    """All rows in quarantine, in the order of their files' names and lines."""
    files = sorted((root / "quarantine" / dataset).glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["file"], row["line"] or 0))


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file under `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
