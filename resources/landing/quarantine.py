"""Where what cannot land is kept, with the reason, in files named by content: nothing is kept twice."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from resources.disk import clear, replace, write_whole
from resources.landing.opened import OpenedFile
from resources.landing.reading.rows import HEAD, Whole, cut_row
from resources.landing.reasons import fold
from resources.landing.waiting import WaitingLink

_EXAMPLES = 3
LANDING_BYTES = 256 * 2**20
"""What is kept of one landing: of the rows beyond it, how many there were of each reason; of files, the beginning."""
_MOST_REASONS = 1000
_OPTIONAL = ("raw_base64", "raw_bytes", "raw_sha256", "rows", "copy")


@dataclass
class Reasons:
    """Rows, or whole files, of one reason, in the words of the first of them, and a few of them."""

    reason: str
    whole_files: bool
    rows: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Quarantine:
    """The bad rows and files of one dataset, in `quarantine/<dataset>`.

    Each `.jsonl` file holds `{"reason", "file", "line", "raw"}` rows. `raw_base64` is there when `raw` is not
    exact; `raw_bytes` and `raw_sha256` are there when `raw` is only the beginning, and are of all of it. With `rows`, a
    row stands for so many that were not kept any more: `line` is that of the first, `raw` is null, and `raw_sha256` is
    over what would have been kept of them. Of a file that could not be read at all `line` is null, and `copy` names the
    copy, or else `raw` is its beginning.

    An object takes what one landing leaves.
    """

    def __init__(self, root: Path, dataset: str):
        self.folder = root / "quarantine" / dataset
        self._room = _Room(LANDING_BYTES)

    def add_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep rows; those of one file, which must be adjacent, are kept together."""
        for _, group in groupby(rows, key=lambda row: row["number"]):
            self._add(self._room.kept(group))

    def add_file(self, file: OpenedFile, reason: str) -> None:
        """Keep a copy of a whole file, or its beginning if there is no room for more.

        Raises:
            ChangedError: somebody has written to it since it was opened.
        """
        copy = self.folder / f"{file.digest()[:24]}.copy"
        kept: dict[str, Any] = {"raw": None, "copy": copy.name}
        if not copy.exists():
            if self._room.take(file.size):
                write_whole(copy, file.copy_to)
            else:
                kept = _beginning(file, reason)
        self._add([{"reason": reason, "file": file.name, "line": None, **kept}])

    def add_link(self, link: WaitingLink) -> None:
        """Note a link that was not followed."""
        self._add([_link(link)])

    def has_link(self, link: WaitingLink) -> bool:
        """Whether a link has been noted, with where it leads now."""
        return self._place(hashlib.sha256(_line(_link(link))).hexdigest()).exists()

    def reasons(self) -> list[Reasons]:
        """All that is held, by reason, the most frequent first."""
        found: dict[tuple[str, bool], Reasons] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    whole = row["line"] is None
                    one = found.setdefault((fold(row["reason"]), whole), Reasons(row["reason"], whole))
                    one.rows += row.get("rows", 1)
                    if len(one.examples) < _EXAMPLES:
                        one.examples.append(row)
        return sorted(found.values(), key=lambda one: -one.rows)

    def sweep(self) -> None:
        """Remove what a killed landing left half-written."""
        clear(self.folder)

    def _add(self, rows: Iterable[dict[str, Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / ".rows.tmp"
        digest = hashlib.sha256()
        with temporary.open("wb") as file:
            for row in rows:
                data = _line(row)
                digest.update(data)
                file.write(data)
        path = self._place(digest.hexdigest())
        if path.exists():
            temporary.unlink()
        else:
            replace(temporary, path)

    def _place(self, digest: str) -> Path:
        return self.folder / f"{digest[:24]}.jsonl"


class _Room:
    """What may still be kept of a landing."""

    def __init__(self, size: int):
        self._left = size

    def take(self, size: int) -> bool:
        """Take up so many bytes, if there is room for them."""
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits

    def kept(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows of a file as far as there is room, and then a row for all others of each reason."""
        others: dict[str, tuple[dict[str, Any], Any]] = {}
        for row in rows:
            data = _line(row)
            if self.take(len(data)):
                yield row
                continue
            reason = fold(row["reason"])
            if reason not in others and len(others) >= _MOST_REASONS:
                reason, row = "", {**row, "reason": "one of many other reasons"}
            first = {**row, "raw": None, "raw_base64": None, "raw_bytes": None, "rows": 0}
            said, digest = others.setdefault(reason, (first, hashlib.sha256()))
            said["rows"] += 1
            digest.update(data)
        for said, digest in others.values():
            yield {**said, "raw_sha256": digest.hexdigest()}


def _beginning(file: OpenedFile, reason: str) -> dict[str, Any]:
    with file.open() as stream:
        head = stream.read(HEAD).decode("utf-8", "surrogateescape")
    row = cut_row(0, head, Whole(file.size, file.digest()), reason)
    return {"raw": row.raw, "raw_base64": row.raw_base64, "raw_bytes": file.size, "raw_sha256": file.digest()}


def _link(link: WaitingLink) -> dict[str, Any]:
    reason = f"a link out of the folder, to {link.target}, is not followed; put the file itself here"
    return {"reason": reason, "file": link.path.name, "line": None, "raw": None}


def _line(row: dict[str, Any]) -> bytes:
    shown = {name: row[name] for name in ("reason", "file", "line", "raw")}
    shown |= {name: row[name] for name in _OPTIONAL if row.get(name) is not None}
    # A file's name may be bytes that are no text: Python's lone surrogates, which JSON can escape.
    return json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
