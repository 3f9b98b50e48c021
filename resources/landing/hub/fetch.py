"""From a published data set to one file of a landing folder, which is there whole or not at all."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resources.disk import read_json, replace
from resources.landing.comparison import Row
from resources.landing.hub.catalogue import HubDataset
from resources.landing.hub.stream import HUB, commit_of, in_turn, open_rows
from resources.landing.shapes.reader import ShapeReader
from resources.landing.store import write_json
from resources.locks import only_writer
from ser.data.pairs import prompt_messages
from ser.errors import SerError
from ser.progress import Progress, silent

_TOLD_EVERY = 100


@dataclass(frozen=True)
class Fetched:
    """What a file of the landing folder was made of.

    `rows` were read, `pairs` written; rows without a pair are counted in `skipped` by the reason. `subset` is None
    where none was asked for.
    """

    file: str
    repository: str
    revision: str
    subset: str | None
    split: str
    limit: int
    rows: int
    pairs: int
    skipped: dict[str, int]


def fetch(
    dataset: HubDataset,
    folder: Path,
    *,
    limit: int,
    subset: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    progress: Progress = silent,
    hub: str = HUB,
) -> Fetched:
    """Write at most `limit` pairs into a file of `folder` that is named by what was asked for.

    If that file is there already, nothing is read. A killed process leaves no such file; what it had written is
    overwritten by the next that fetches into this folder.

    Raises:
        SerError: no such split, subset or revision; the hub cannot be reached; none of the rows is a pair.
    """
    subsets, split = dataset.subsets_of(subset), dataset.split(split)
    commit = commit_of(dataset, revision or dataset.revision)
    name = "-".join(["hub", dataset.name, *([subset] if subset else []), split, commit[:12], str(limit)]) + ".jsonl"
    file, note = folder / name, folder / f".{name}.note"  # a landing passes over names with a dot
    if not _complete(file, note):
        # Opened before there is a folder, so that nothing is left behind when the hub cannot be reached.
        stream = in_turn([_landing_rows(dataset, commit, each, split, hub) for each in subsets])
        scratch = folder / ".hub"
        with only_writer(scratch):
            if not _complete(file, note):  # whoever was waited for may have made it
                counts = _write(scratch / "rows", stream, limit, progress)
                fetched = Fetched(name, dataset.repository, commit, subset, split, limit, **counts)
                if not fetched.pairs:
                    raise SerError(f"none of the {fetched.rows} rows of {dataset.name} is a pair: {fetched.skipped}.")
                write_json(note, asdict(fetched))
                replace(scratch / "rows", file)
    return Fetched(**read_json(note, "Delete it, and run this again."))


def _complete(file: Path, note: Path) -> bool:
    """Whether the file is there, with the note that is written before it."""
    return file.exists() and note.exists()


def _landing_rows(
    dataset: HubDataset, commit: str, subset: str, split: str, hub: str
) -> Iterator[list[dict[str, Any]] | str]:
    """The landing rows of each published row, or why it has none."""
    rows = open_rows(dataset, commit, subset, split, hub)
    source = "/".join(part for part in (dataset.name, subset) if part)
    reader = ShapeReader()

    def read() -> Iterator[list[dict[str, Any]] | str]:
        for number, row in enumerate(rows):
            found = reader.read(row)
            about = {"id": f"{split}/{number}", "source": source, "annotator": dataset.annotator}
            pairs = [about | _landing_row(pair) for pair in found if isinstance(pair, Row)]
            yield pairs or next(reason for reason in found if isinstance(reason, str))

    return read()


def _landing_row(row: Row) -> dict[str, Any]:
    """A row as the landing reads it again; its metadata are columns of their own."""
    pair, known = row.pair, {"group": row.group, "annotator": row.annotator}
    if row.preferred is None:
        texts = {"response_a": pair.response_a, "response_b": pair.response_b}
    else:
        better, worse = (pair.response_a, pair.response_b)[:: 1 if row.preferred == "a" else -1]
        texts = {"chosen": better, "rejected": worse}
    metadata = json.loads(row.metadata)
    return {**metadata, "prompt": prompt_messages(pair.prompt), **texts} | {k: v for k, v in known.items() if v}


def _write(path: Path, stream: Iterator[list[dict[str, Any]] | str], limit: int, progress: Progress) -> dict[str, Any]:
    """Write the first `limit` landing rows as JSON lines, and return the counts."""
    rows = pairs = 0
    skipped: Counter[str] = Counter()
    path.unlink(missing_ok=True)  # what a killed process left, or a link that somebody put here
    with path.open("x") as file:
        for found in stream:
            rows += 1
            if isinstance(found, str):
                skipped[found] += 1
                continue
            for pair in found[: limit - pairs]:
                file.write(json.dumps(pair) + "\n")
                pairs += 1
                if pairs % _TOLD_EVERY == 0:
                    progress(pairs, limit, "pairs")
            if pairs == limit:
                break
    progress(pairs, pairs, "pairs")
    return {"rows": rows, "pairs": pairs, "skipped": dict(sorted(skipped.items()))}
