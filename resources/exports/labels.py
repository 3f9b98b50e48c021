"""The kept pseudo-labelled pairs of a run as JSON lines, in TRL's preference format with their provenance."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.disk import write_whole
from resources.landing.database import add_view, open_database
from resources.landing.parts import PARTS
from ser.data import tables
from ser.data.pairs import prompt_messages
from ser.errors import SerError

COLUMNS = (
    "prompt", "chosen", "rejected", "pair_id", "loop", "rm_version", "confidence", "rule", "source", "snapshot",
)  # fmt: skip
"""Three of TRL's (explicit prompt, lists of chat messages), then who gave the label, how sure it was, and why kept."""

_ROWS = """
SELECT p.prompt, p.response_a, p.response_b, f.preferred, pair_id, f.rule, s.confidence, l.source
FROM filtered f JOIN pool p USING (pair_id) JOIN self_labels s USING (pair_id) JOIN landed l USING (pair_id)
WHERE f.kept ORDER BY pair_id
"""


@dataclass(frozen=True)
class LoopLabels:
    """What one loop labelled and kept: its tables, and the version of the reward model that gave the labels."""

    loop: int
    rm_version: str
    self_labels: Path
    filtered: Path


@dataclass(frozen=True)
class KeptLabels:
    """The kept labels of a run: what its loops kept, and the tables that say what the pairs are."""

    snapshot: str
    landed: Path
    pool: Path
    loops: Sequence[LoopLabels]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each kept pair, by loop and pair_id; memory does not grow with the pool."""
        for loop in self.loops:
            yield from self._rows(loop)

    def _rows(self, loop: LoopLabels) -> Iterator[dict[str, Any]]:
        views = {
            "landed": (self.landed, PARTS["pairs"]),
            "pool": (self.pool, tables.PAIRS),
            "self_labels": (loop.self_labels, tables.SELF_LABELS),
            "filtered": (loop.filtered, tables.FILTERED),
        }
        with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as con:
            for name, (path, schema) in views.items():
                add_view(con, name, [path], schema)
            for batch in con.sql(_ROWS).to_arrow_reader(tables.ROWS):
                for row in batch.to_pylist():
                    yield _preference(row, loop, self.snapshot)


def write_lines(labels: KeptLabels, path: Path) -> int:
    """Write the labels as JSON lines and return how many there are."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in labels.rows():
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_file(labels: KeptLabels, path: Path) -> int:
    """Write the labels as one file, whole or not at all; a file of labels that is there is replaced.

    Raises:
        SerError: there is another file, or it cannot be written.
    """
    if path.exists() and not _holds_labels(path):
        raise SerError(f"{path} exists and is no earlier export of labels. Name another file.")
    count: list[int] = []
    try:
        write_whole(path, lambda temporary: count.append(write_lines(labels, temporary)))
    except OSError as error:
        raise SerError(f"cannot write {path}: {error.strerror or error}. Mend that, or name another file.") from error
    return count[0]


def _holds_labels(path: Path) -> bool:
    """Whether the first line of a file has the columns of an export, and no others."""
    try:
        with path.open(encoding="utf-8") as file:
            return tuple(json.loads(file.readline())) == COLUMNS
    except (OSError, ValueError, TypeError):
        return False


def _preference(row: dict[str, Any], loop: LoopLabels, snapshot: str) -> dict[str, Any]:
    one, other = ("response_a", "response_b") if row["preferred"] == "a" else ("response_b", "response_a")
    provenance = {"pair_id": row["pair_id"], "loop": loop.loop, "rm_version": loop.rm_version}
    return {
        "prompt": prompt_messages(row["prompt"]),
        "chosen": [{"role": "assistant", "content": row[one]}],
        "rejected": [{"role": "assistant", "content": row[other]}],
        **provenance,
        "confidence": row["confidence"],
        "rule": row["rule"],
        "source": row["source"],
        "snapshot": snapshot,
    }
