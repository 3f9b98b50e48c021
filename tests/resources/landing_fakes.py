"""What the tests of the landing zone share: rows, files of every format, and reading what came of them."""

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.zone import Landing
from resources.settings import Roles, Settings
from ser.specs import Encoding
from tests.pairs import count_words


def landing(root: Path, seed_fraction: float | None = None, max_length: int = 512) -> Landing:
    """A landing zone in `root`."""
    settings = Settings(roles=Roles(seed_fraction=seed_fraction), encoding=Encoding(max_length=max_length))
    return Landing(root, settings, count_words)


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


def roles(zone: Landing, dataset: str, out: Path) -> dict[str, str]:
    """pair_id to role in the current snapshot."""
    return {row["pair_id"]: row["role"] for row in snapshot(zone, zone.current_snapshot(dataset), out)["pairs"]}


def quarantined(root: Path, dataset: str = "demo") -> list[dict[str, Any]]:
    """All rows in quarantine, in the order of their files' names and lines."""
    files = sorted((root / "quarantine" / dataset).glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["file"], row["line"] or 0))


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file under `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
