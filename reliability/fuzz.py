"""Damaged files through the landing: no crash, and every row is accounted for."""

import json
import os
import random
import shutil
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from reliability.mutations import accident
from resources.landing.files import UnreadableError, read_rows
from resources.landing.zone import Landed, Landing
from resources.settings import Settings
from tests.pairs import count_words

AT_ONCE = 500
"""Files in one landing."""


@dataclass
class Fuzzed:
    """What became of the files and of their rows."""

    files: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """`read`, `landed`, `duplicates`, `quarantined`."""
    kinds: Counter[str] = field(default_factory=Counter)


def fuzz(folder: Path, inputs: int, seed: int) -> Fuzzed:
    """Land `inputs` files, so many at once; every few landings in a new dataset.

    Raises:
        AssertionError: a row is not accounted for. The seed and the number of the landing are named.
    """
    found = Fuzzed()
    for number in range(-(-inputs // AT_ONCE)):
        draw = random.Random(f"{seed}:{number}")
        root = folder / f"root{number // 4}"
        try:
            _land(root, number, min(AT_ONCE, inputs - found.files), draw, found)
        except Exception as error:
            raise AssertionError(f"seed {seed}, landing {number}: {error!r}") from error
        if number % 4 == 3:
            shutil.rmtree(root)
    return found


def _land(root: Path, number: int, count: int, draw: random.Random, found: Fuzzed) -> None:
    folder = root / "in"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = []
    for place in range(count):
        kind, data = accident(place, draw)
        path = folder / f"{number}-{place}{kind}"
        path.write_bytes(data)
        files.append(path)
        found.kinds[kind] += 1
    expected = sum(_rows(path) for path in files)
    landed = Landing(root, Settings(), count_words).land(files, "fuzz")
    _account(landed, expected, root)
    found.files += count
    for name in ("read", "landed", "duplicates", "quarantined"):
        found.rows[name] += getattr(landed, name)


def _account(landed: Landed, expected: int, root: Path) -> None:
    assert landed.read == expected, f"{landed.read} rows read of {expected}"
    assert landed.read == landed.landed + landed.duplicates + landed.quarantined, landed
    store = root / "landing" / "fuzz" / ".landed"
    assert not list(store.rglob("*.tmp")) and not (store / "staging").exists()


def _rows(path: Path) -> int:
    """How many rows a file should count for: an unreadable one is one row, lines of JSON are counted by their ends."""
    try:
        count = sum(1 for _ in read_rows(path))
    except UnreadableError:
        return 1
    if path.suffix == ".jsonl":
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        lines = sum(1 for line in data.split(b"\n") if line.strip())
        assert count == lines, f"{path.name}: {count} rows of {lines} lines"
    return count


def in_parts(folder: Path, inputs: int, seed: int) -> Fuzzed:
    """The same in a new process for every few thousand files: one that crashes would be noticed, and named."""
    found = Fuzzed()
    size, number = 8 * AT_ONCE, 0
    while found.files < inputs:
        count = min(size, inputs - found.files)
        out = folder / "part.json"
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                part = fuzz(folder / "fuzz", count, seed * 1000 + number)
                out.write_text(json.dumps({"rows": part.rows, "kinds": part.kinds}))
                code = 0
            except BaseException:  # noqa: BLE001 - the parent only sees the code
                traceback.print_exc()
            finally:
                os._exit(code)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert ended == 0, f"seed {seed * 1000 + number}: the process ended with {ended}"
        part = json.loads(out.read_text())
        found.files += count
        found.rows.update(part["rows"])
        found.kinds.update(part["kinds"])
        shutil.rmtree(folder / "fuzz", ignore_errors=True)
        number += 1
        print(f"{found.files:,} of {inputs:,} files", flush=True)
    return found
