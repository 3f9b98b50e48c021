"""Damaged files through the landing: no crash, and every row is accounted for."""

import base64
import io
import json
import os
import random
import re
import shutil
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reliability.layouts import decompressed
from reliability.mutations import accident
from resources.landing.files import RawRow, UnreadableError, read_rows
from resources.landing.landed import Landed
from resources.landing.zone import Landing
from resources.settings import Settings

AT_ONCE = 500
"""Files in one landing."""

_BETWEEN_ROWS = re.compile(rb"[\s,;|\"\[\]]|\xef\xbb\xbf")


@dataclass
class Fuzzed:
    """What became of the files and of their rows."""

    files: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """`read`, `landed`, `duplicates`, `quarantined`."""
    kinds: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    """Files that were left undamaged: of them it is known without reading how many rows they have."""


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
    files, expected = [], 0
    for place in range(count):
        kind, data, rows = accident(place, draw)
        path = folder / f"{number}-{place}{kind}"
        path.write_bytes(data)
        files.append(path)
        found.kinds[kind] += 1
        found.whole += rows is not None
        expected += _rows(path, rows)
    landed = Landing(root, Settings()).land(files, "fuzz")
    _account(landed, expected, root)
    found.files += count
    for name in ("read", "landed", "duplicates", "quarantined"):
        found.rows[name] += getattr(landed, name)


def _account(landed: Landed, expected: int, root: Path) -> None:
    assert landed.read == expected, f"{landed.read} rows read of {expected}"
    assert landed.read == landed.landed + landed.duplicates + landed.quarantined, landed
    store = root / "landing" / "fuzz" / ".landed"
    assert not list(store.rglob("*.tmp")) and not (store / "staging").exists()


def _rows(path: Path, written: int | None) -> int:
    """How many rows a file should count for, found out without our readers as far as it can be.

    An unreadable file has none, an undamaged file has what was written, a parquet or arrow file what it announces,
    and in a text every sign is part of a row.
    """
    told: list[str] = []
    try:
        rows = list(read_rows(path, told.append))
    except UnreadableError:
        assert written in (None, 1), f"{path.name}: unreadable, with {written} good rows"
        return 0
    assert written is None or len(rows) == written, f"{path.name}: {len(rows)} rows of {written}"
    data = decompressed(path.read_bytes())
    if data.startswith(b"PAR1\x15") or (data.startswith(b"PAR1") and ".parquet" in path.suffixes):
        said = pq.read_metadata(io.BytesIO(data))
        announced = sum(said.row_group(number).num_rows for number in range(said.num_row_groups))
        assert len(rows) == announced, f"{path.name}: {len(rows)} rows of {announced}"
    elif data.startswith(b"ARROW1\0\0"):
        announced = pa.ipc.open_file(data).read_all().num_rows
        assert len(rows) == announced, f"{path.name}: {len(rows)} rows of {announced}"
    elif ".arrow" not in path.suffixes and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _check_nothing_is_lost(path.name, data, rows, told)
    return len(rows)


def _check_nothing_is_lost(name: str, data: bytes, rows: list[RawRow], told: list[str]) -> None:
    """Every byte of a text stands in a row, in its order, but for what is around rows and for a table's header."""
    if any(assumption.startswith("the rows under") for assumption in told):
        return
    encoding = "cp1252" if "read as cp1252" in told else "utf-8"
    exact = (base64.b64decode(row.raw_base64) if row.raw_base64 else row.raw.encode(encoding) for row in rows)
    found, whole = (_BETWEEN_ROWS.sub(b"", text) for text in (b"".join(exact), data))
    table = name.split(".")[1] in ("csv", "tsv")
    assert whole.endswith(found) if table else whole == found, f"{name}: {found!r} of {whole!r}"


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
                out.write_text(json.dumps({"rows": part.rows, "kinds": part.kinds, "whole": part.whole}))
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
        found.whole += part["whole"]
        shutil.rmtree(folder / "fuzz", ignore_errors=True)
        number += 1
        print(f"{found.files:,} of {inputs:,} files", flush=True)
    return found
