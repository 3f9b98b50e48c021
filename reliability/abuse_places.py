"""Hostile places: far too many files, landings without end, files that are links, pipes or devices, or become so."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reliability.abuse import Case
from resources.disk import exchange
from resources.landing.folders import NotAllLandedError
from resources.landing.ignored_files import misplaced
from resources.landing.store import DatasetStore
from resources.landing.waiting import held
from resources.landing.zone import Landing
from resources.settings import Settings
from ser.errors import SerError

FILES = 10_000
LANDINGS = 2_000
SWAPPED_LANDINGS = 100
"""Landings while a name is a file, or a folder, and a link in turn, some hundred thousand times."""

_SECRET = "the password is swordfish"
_DATASET = "many"
_SWAPPING = """
import ctypes, os, sys
libc, here, exchange = ctypes.CDLL(None), -100, 2
one, other = map(os.fsencode, sys.argv[1:])
count = 0
while libc.renameat2(here, one, here, other, exchange) == 0:
    count += 1
    if count % 100 == 0:
        print(count, flush=True)
sys.exit("no exchange of names on this file system")
"""
_WRITING = """
import itertools, json, sys, time
for number in itertools.count():
    rows = [{"prompt": f"Question {row:02}?", "chosen": f"good {number:06}", "rejected": "bad"} for row in range(100)]
    with open(sys.argv[1], "r+") as file:
        file.write("".join(json.dumps(row) + chr(10) for row in rows))
    time.sleep(0.3)
"""


def _row(number: int) -> dict[str, str]:
    return {"prompt": f"Question {number}?", "chosen": f"good answer {number}", "rejected": f"bad answer {number}"}


def _write(path: Path, row: dict[str, str]) -> None:
    if path.suffix == ".jsonl":
        path.write_text(json.dumps(row) + "\n")
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([row, row.values()])
    else:
        pq.write_table(pa.table({name: [text] for name, text in row.items()}), path)


def _many(endings: list[str], folder: Path) -> None:
    for number in range(FILES):
        _write(folder / f"{number}{endings[number % len(endings)]}", _row(number))


def _unreadable(folder: Path) -> None:
    for number in range(FILES):
        (folder / f"{number}.parquet").write_bytes(b"PAR1 %d and no more" % number)


def _zone(files: Path, root: Path) -> tuple[Landing, Path]:
    """A landing zone into whose folder the files were put."""
    folder = root / "landing" / _DATASET
    folder.parent.mkdir(parents=True)
    files.rename(folder)
    return Landing(root, Settings()), folder


def _land_all(files: Path, root: Path) -> str:
    zone, _ = _zone(files, root)
    done = zone.land_waiting(_DATASET)
    assert done is not None
    snapshots = len(DatasetStore(root, _DATASET).snapshots())
    started = time.perf_counter()
    assert zone.arrivals(_DATASET) is None
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
        _write(file, _row(number))
        started = time.perf_counter()
        zone.land([file], _DATASET)
        took.append(time.perf_counter() - started)
    store = DatasetStore(root, _DATASET)
    contents = store.contents(store.current())
    assert (contents["number"], contents["pairs"]) == (LANDINGS, LANDINGS)
    parts = sum(map(len, contents["parts"].values()))
    return (
        f"a landing took {mean(took[:100]) * 1000:.0f} ms in the first hundred and {mean(took[-100:]) * 1000:.0f} ms "
        f"in the last; the last of {LANDINGS:,} snapshots has {parts} parts"
    )


@contextmanager
def _swapping(one: Path, other: Path) -> Iterator[Callable[[], int]]:
    """Another process lets two names change places, again and again; it says how often it has."""
    with subprocess.Popen(
        [sys.executable, "-c", _SWAPPING, str(one), str(other)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout
        os.set_blocking(said.fileno(), False)
        swaps = 0

        def so_far() -> int:
            nonlocal swaps
            with suppress(TypeError):  # nothing new was said
                lines = said.read().split()
                swaps = int(lines[-1]) if lines else swaps
            return swaps

        try:
            yield so_far
        finally:
            process.kill()


def _secret(folder: Path) -> None:
    (folder / "a.jsonl").write_text(json.dumps(_row(0)) + "\n")
    outside = folder.parent / "outside"
    outside.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        (outside / name).write_text(json.dumps(_row(10**6)) + f"\n{_SECRET}\n")


def _swap(folder_too: bool, files: Path, root: Path) -> str:
    """Land while a file, or the whole folder, is a link to what is outside every other moment."""
    zone, folder = _zone(files, root)
    outside = files.parent / "outside"
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    if folder_too:
        one, other = folder, root / "landing" / ".link"
        other.symlink_to(outside)
    else:
        one, other = folder / "a.jsonl", folder / ".link"
        other.symlink_to(outside / "a.jsonl")
    refused = swapped = 0
    with held(folder) as handle, _swapping(one, other) as swaps:
        for number in range(1, SWAPPED_LANDINGS + 1):
            new = os.open(f"{number}.jsonl", os.O_WRONLY | os.O_CREAT, dir_fd=handle)
            with os.fdopen(new, "w") as file:
                file.write(json.dumps(_row(number)))
            try:
                zone.land_waiting(_DATASET)
            except (SerError, OSError):
                refused += 1
            swapped = swaps()
    if folder.is_symlink():
        exchange(one, other)
    with suppress(NotAllLandedError):
        zone.land_waiting(_DATASET)
    assert before == {path.name: path.read_bytes() for path in outside.iterdir()}, "something was written outside"
    kept = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(_SECRET.encode() in path.read_bytes() for path in kept), "what is outside was read"
    landed = zone.counts(_DATASET)["pairs"]
    assert landed >= SWAPPED_LANDINGS, f"of {SWAPPED_LANDINGS} files only {landed} landed"
    return (
        f"{swapped:,} swaps during {SWAPPED_LANDINGS} landings, {refused} of which were refused or left something "
        f"waiting; all files landed in the end, and nothing outside was read or written"
    )


def _odd(folder: Path) -> None:
    """One of everything that is no file, and a file."""
    _write(folder / "good.jsonl", _row(1))
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
            done: Any = named.land([path], _DATASET)
        except SerError:
            done, refused = None, refused + 1
            longest = max(longest, time.perf_counter() - started)
        assert done is None or path.name in ("good.jsonl", "passwords.jsonl"), path
    zone, _ = _zone(files, root)
    done = zone.land_waiting(_DATASET)
    assert done is not None and done.landed == 1, done
    return (
        f"named, {refused} were refused, each within {longest:.2f} s; in the landing folder the one file landed and "
        f"{len(misplaced(root))} were passed over and told"
    )


def _written_to(files: Path, root: Path) -> str:
    """Land a file that is written anew in its place, other rows each time, as long as it is landed."""
    zone, folder = _zone(files, root)
    path, landings, waited, whole = folder / "a.jsonl", 0, 0, 0
    path.touch()
    with subprocess.Popen([sys.executable, "-c", _WRITING, str(path)]) as process:
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                landings += 1
                try:
                    done = zone.land_waiting(_DATASET)
                    whole += done is not None and done.landed > 0
                except NotAllLandedError:
                    waited += 1
        finally:
            process.kill()
    pairs = zone.counts(_DATASET)["pairs"] if zone.datasets() else 0
    assert pairs == 100 * whole, f"{pairs} pairs of {whole} versions with a hundred each: rows of two landed as one"
    return f"of {landings} looks {whole} landed all rows of one version, and {waited} left it waiting"


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
    Case("a file that turns into a link and back", _secret, partial(_swap, False)),
    Case("a folder that turns into a link and back", _secret, partial(_swap, True)),
    Case("pipes, devices, sockets and links", _odd, _refuse),
    Case("a file that is written to while it lands", lambda folder: None, _written_to),
]
"""All of them."""
