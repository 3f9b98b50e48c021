"""Places that change while they are read: files and folders that become links, a file that is written to."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from reliability.abuse import Case
from reliability.abuse_places import DATASET, row_of, zone_of
from resources.disk import exchange
from resources.landing.folders import NotAllLandedError
from resources.landing.waiting import held
from ser.errors import SerError

SWAPPED_LANDINGS = 100
"""Landings while a name is a file, or a folder, and a link in turn, some hundred thousand times."""

_SECRET = "the password is swordfish"
_SECRET = "the password is swordfish"
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
    (folder / "a.jsonl").write_text(json.dumps(row_of(0)) + "\n")
    outside = folder.parent / "outside"
    outside.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        (outside / name).write_text(json.dumps(row_of(10**6)) + f"\n{_SECRET}\n")


def _swap(folder_too: bool, files: Path, root: Path) -> str:
    """Land while a file, or the whole folder, is a link to what is outside every other moment."""
    zone, folder = zone_of(files, root)
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
                file.write(json.dumps(row_of(number)))
            try:
                zone.land_waiting(DATASET)
            except (SerError, OSError):
                refused += 1
            swapped = swaps()
    if folder.is_symlink():
        exchange(one, other)
    with suppress(NotAllLandedError):
        zone.land_waiting(DATASET)
    assert before == {path.name: path.read_bytes() for path in outside.iterdir()}, "something was written outside"
    kept = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(_SECRET.encode() in path.read_bytes() for path in kept), "what is outside was read"
    landed = zone.counts(DATASET)["pairs"]
    assert landed >= SWAPPED_LANDINGS, f"of {SWAPPED_LANDINGS} files only {landed} landed"
    return (
        f"{swapped:,} swaps during {SWAPPED_LANDINGS} landings, {refused} of which were refused or left something "
        f"waiting; all files landed in the end, and nothing outside was read or written"
    )


def _written_to(files: Path, root: Path) -> str:
    """Land a file that is written anew in its place, other rows each time, as long as it is landed."""
    zone, folder = zone_of(files, root)
    path, landings, waited, whole = folder / "a.jsonl", 0, 0, 0
    path.touch()
    with subprocess.Popen([sys.executable, "-c", _WRITING, str(path)]) as process:
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                landings += 1
                try:
                    done = zone.land_waiting(DATASET)
                    whole += done is not None and done.landed > 0
                except NotAllLandedError:
                    waited += 1
        finally:
            process.kill()
    pairs = zone.counts(DATASET)["pairs"] if zone.datasets() else 0
    assert pairs == 100 * whole, f"{pairs} pairs of {whole} versions with a hundred each: rows of two landed as one"
    return f"of {landings} looks {whole} landed all rows of one version, and {waited} left it waiting"


CASES: list[Case] = [
    Case("a file that turns into a link and back", _secret, partial(_swap, False)),
    Case("a folder that turns into a link and back", _secret, partial(_swap, True)),
    Case("a file that is written to while it lands", lambda folder: None, _written_to),
]
"""All of them."""
