"""Hostile places: far too many files, landings without end, what is no file or no store."""

import csv
import json
import os
import socket
import time
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reliability.abuse import Case
from resources.landing.folders import NotAllLandedError
from resources.landing.ignored_files import misplaced
from resources.landing.parts import PARTS
from resources.landing.store import DatasetStore
from resources.landing.zone import Landing
from resources.settings import Settings
from ser.errors import SerError

FILES = 10_000
LANDINGS = 2_000
DATASET = "many"


def row_of(number: int) -> dict[str, str]:
    """A row that lands."""
    return {"prompt": f"Question {number}?", "chosen": f"good answer {number}", "rejected": f"bad answer {number}"}


def write_row(path: Path, row: dict[str, str]) -> None:
    """Write a file of one row, as its name says."""
    if path.suffix == ".jsonl":
        path.write_text(json.dumps(row) + "\n")
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([row, row.values()])
    else:
        pq.write_table(pa.table({name: [text] for name, text in row.items()}), path)


def _many(endings: list[str], folder: Path) -> None:
    for number in range(FILES):
        write_row(folder / f"{number}{endings[number % len(endings)]}", row_of(number))


def _unreadable(folder: Path) -> None:
    for number in range(FILES):
        (folder / f"{number}.parquet").write_bytes(b"PAR1 %d and no more" % number)


def zone_of(files: Path, root: Path) -> tuple[Landing, Path]:
    """A landing zone into whose folder the files were put."""
    folder = root / "landing" / DATASET
    folder.parent.mkdir(parents=True)
    files.rename(folder)
    return Landing(root, Settings()), folder


def _land_all(files: Path, root: Path) -> str:
    zone, _ = zone_of(files, root)
    done = zone.land_waiting(DATASET)
    assert done is not None
    snapshots = len(DatasetStore(root, DATASET).snapshots())
    started = time.perf_counter()
    assert zone.arrivals(DATASET) is None
    look = time.perf_counter() - started
    unread = sum(bool(file.unread) for file in done.files)
    assert done.landed + unread == FILES
    said = [f"{done.landed:,} rows landed as {snapshots} snapshot" if snapshots else "nothing landed"]
    said += [f"{unread:,} files in quarantine"] if unread else []
    return f"{', '.join(said)}; the next look takes {look:.1f} s"


def _land_one_by_one(files: Path, root: Path) -> str:
    zone, took = Landing(root, Settings()), []
    for number in range(LANDINGS):
        file = files / f"{number}.jsonl"
        write_row(file, row_of(number))
        started = time.perf_counter()
        zone.land([file], DATASET)
        took.append(time.perf_counter() - started)
    store = DatasetStore(root, DATASET)
    contents = store.contents(store.current())
    assert (contents["number"], contents["pairs"]) == (LANDINGS, LANDINGS)
    parts = sum(map(len, contents["parts"].values()))
    return (
        f"a landing took {mean(took[:100]) * 1000:.0f} ms in the first hundred and {mean(took[-100:]) * 1000:.0f} ms "
        f"in the last; the last of {LANDINGS:,} snapshots has {parts} parts"
    )


def _odd(folder: Path) -> None:
    """One of everything that is no file, and a file."""
    write_row(folder / "good.jsonl", row_of(1))
    os.mkfifo(folder / "pipe.jsonl")
    os.mkfifo(folder / ".pipe")
    (folder / "folder.jsonl").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.jsonl"))
    targets = {
        "link_to_a_pipe": ".pipe", "zero": "/dev/zero", "random": "/dev/urandom", "terminal": "/dev/tty",
        "kernel": "/proc/kmsg", "memory": "/proc/self/mem", "passwords": "/etc/passwd", "nowhere": "gone",
        "round": "round.jsonl", "process": "/proc/self/environ",
    }  # fmt: skip
    for name, target in targets.items():
        (folder / f"{name}.jsonl").symlink_to(target)


def _refuse(files: Path, root: Path) -> str:
    """Name each of them, and find all of them in the landing folder."""
    named = Landing(root / "named", Settings())
    longest, refused = 0.0, 0
    for path in sorted(files.glob("*.jsonl")):
        started = time.perf_counter()
        try:
            done: Any = named.land([path], DATASET)
        except SerError:
            done, refused = None, refused + 1
            longest = max(longest, time.perf_counter() - started)
        assert done is None or path.name in ("good.jsonl", "passwords.jsonl"), path
    zone, _ = zone_of(files, root)
    done = zone.land_waiting(DATASET)
    assert done is not None and done.landed == 1, done
    return (
        f"named, {refused} were refused, each within {longest:.2f} s; in the landing folder the one file landed and "
        f"{len(misplaced(root))} were passed over and told"
    )


def _holes(folder: Path) -> None:
    write_row(folder / "good.jsonl", row_of(1))
    with (folder / "holes.jsonl").open("wb") as file:
        file.seek(10**12)
        file.write(b"\n")


def _pass_over(files: Path, root: Path) -> str:
    zone, _ = zone_of(files, root)
    try:
        zone.land_waiting(DATASET)
    except NotAllLandedError as error:
        assert zone.counts(DATASET)["pairs"] == 1
        return f"1 landed, and it is said: {error}"
    raise AssertionError("the file of holes was read")


def _plant(folder: Path) -> None:
    """Stores in which the parts of a snapshot are a device, a file outside, and another dataset's."""
    facts = {"pairs": 1, "labelled": 1, "number": 1, "after": None, "until": None, "landed_at": "2026-01-01T00:00:00Z"}
    for number, part in enumerate(
        ("/dev/zero", "/etc/passwd", f"../../../good/.landed/parts/pairs-{'0' * 32}.parquet")
    ):
        store = folder / f"evil{number}" / ".landed"
        (store / "snapshots").mkdir(parents=True)
        (store / "current").write_text("evil-1")
        said = {"parts": {kind: [part] for kind in PARTS}, **facts}
        (store / "snapshots" / "evil-1.json").write_text(json.dumps(said))
    (folder / "folder" / ".landed" / "current").mkdir(parents=True)


def _tell_planted(files: Path, root: Path) -> str:
    zone = Landing(root, Settings())
    root.mkdir()
    files.rename(root / "landing")
    (root / "landing" / "good").mkdir()
    write_row(root / "landing" / "good" / "a.jsonl", row_of(1))
    zone.land_waiting("good")
    refused = 0
    for dataset in zone.datasets():
        try:
            zone.gained(dataset, None)
        except SerError:
            refused += 1
    assert zone.counts("good")["pairs"] == 1
    return f"{refused} datasets were refused by name, and 1 row of another landed"


CASES: list[Case] = [
    *(
        Case(f"{FILES:,} files of one row: {name}", partial(_many, endings), _land_all)
        for name, endings in {
            "jsonl": [".jsonl"],
            "csv": [".csv"],
            "parquet": [".parquet"],
            "a mixture": [".jsonl", ".csv", ".parquet"],
        }.items()
    ),
    Case(f"{FILES:,} files that cannot be read", _unreadable, _land_all),
    Case(f"{LANDINGS:,} landings of one row", lambda folder: None, _land_one_by_one),
    Case("pipes, devices, sockets and links", _odd, _refuse),
    Case("a file of 1 TB that is all holes but for its end", _holes, _pass_over),
    Case("stores that were put there", _plant, _tell_planted),
]
"""All of them."""
