"""What was measured, a row each, in a file that is written as they come: a run that was cut off goes on there."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROWS = "rows.jsonl"
_SECTION, _RUN = "whole section", "run"
"""Names of the rows that end a section, and that begin a run."""


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure of ours.

    Attributes:
        work, peer: what was done, and against whom; of ours alone there is no peer.
        ours, theirs: `unit` a second of both sides.
        must, aim: of the ratio of ours to theirs, or of theirs to ours where `lower` is better.
        most_gb: memory that ours may take.
        share_ours, share_theirs: needed FLOP/s of both sides, by the ceiling of a large matrix product.
        gb_ours, gb_theirs: the most that was allocated.
        largest, mean: differences of the rewards, in standard deviations of the peer's.
        loss_ours, loss_theirs: of the first step, where it is over the same pairs.
        note: what else there is to say, or what went wrong.
    """

    section: str
    work: str
    peer: str = ""
    unit: str = "pairs"
    ours: float | None = None
    theirs: float | None = None
    must: float | None = None
    aim: float | None = None
    lower: bool = False
    most_gb: float | None = None
    share_ours: float | None = None
    share_theirs: float | None = None
    gb_ours: float | None = None
    gb_theirs: float | None = None
    largest: float | None = None
    mean: float | None = None
    loss_ours: float | None = None
    loss_theirs: float | None = None
    note: str = ""

    @property
    def name(self) -> tuple[str, str, str]:
        """What a later row of the same replaces."""
        return self.section, self.work, self.peer

    @property
    def ratio(self) -> float | None:
        """Of the speeds; ours to theirs, or theirs to ours where `lower` is better."""
        if not self.ours or not self.theirs:
            return None
        return self.theirs / self.ours if self.lower else self.ours / self.theirs

    @property
    def reached(self) -> str:
        """The better of the targets that are reached."""
        if self.ratio is None or self.must is None or self.aim is None:
            return "–"
        sign = -1 if self.lower else 1
        if self.most_gb is not None and self.gb_ours is not None and self.gb_ours > self.most_gb:
            return "missed"
        return next((word for word in ("aim", "must") if sign * self.ratio >= sign * getattr(self, word)), "missed")


@dataclass(frozen=True)
class Run:
    """What was measured on, when, and the ceiling."""

    card: str
    versions: str
    date: str
    ceiling_tflops: float


class Journal:
    """The rows in a folder."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._path = folder, folder / ROWS
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        said: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.runs = [Run(**one[_RUN]) for one in said if _RUN in one]
        self.sections = {one[_SECTION]: float(one["seconds"]) for one in said if _SECTION in one}
        self._rows = {row.name: row for row in (Row(**one) for one in said if "work" in one)}

    @property
    def rows(self) -> list[Row]:
        """The latest of each name, in the order in which they first came."""
        return list(self._rows.values())

    def begin(self, card: str, versions: str, ceiling: float) -> None:
        """Write on what is measured from here on.

        Raises:
            ValueError: the rows that are there are of another card, or of other versions.
        """
        if self.runs and (self.runs[0].card, self.runs[0].versions) != (card, versions):
            raise ValueError(f"{self._path} is of {self.runs[0].card}, {self.runs[0].versions}: name another folder")
        now = datetime.now(UTC).date().isoformat()
        self.runs.append(Run(card, versions, now, ceiling / 1e12))
        self._append({_RUN: asdict(self.runs[-1])})

    def add(self, row: Row) -> None:
        """Write a row."""
        self._rows[row.name] = row
        said = {key: value for key, value in asdict(row).items() if value not in (None, "", False)}
        self._append({key: float(f"{one:.5g}") if isinstance(one, float) else one for key, one in said.items()})

    def end(self, section: str, seconds: float) -> None:
        """Write that a section is over: a later run leaves it out."""
        self.sections[section] = seconds
        self._append({_SECTION: section, "seconds": round(seconds, 1)})

    def _append(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with self._path.open("a") as file:
            file.write(text + "\n")
