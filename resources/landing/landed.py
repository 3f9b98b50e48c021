"""One landing: files, as they are, become parts of a dataset and its next snapshot."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources.landing.files import files_of, read_opened
from resources.landing.merge import Merge
from resources.landing.notes import Note, Notes
from resources.landing.opened import Openable
from resources.landing.parts import PARTS
from resources.landing.quarantine import Quarantine
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.snapshots import snapshot_contents
from resources.landing.stage import Failed, FileReport, Origin, Reader, Staged, Staging, cannot_read, fail
from resources.landing.store import DatasetStore
from resources.landing.waiting import WaitingFile
from ser.data.pairs import Pair

_SHOWN = 2
"""Pairs that a preview shows."""


@dataclass(frozen=True)
class Landed:
    """What a landing did, in rows (read = landed + duplicates + quarantined), and pairs of its snapshot.

    `unnamed_votes` are votes without an annotator on pairs that had landed before.

    Rows are pairs once rankings are expanded; a row without a pair is one. A file that cannot be read has no rows and
    stands in `files` with the reason. `snapshot` is None while the dataset has none: nothing has landed.
    """

    dataset: str
    snapshot: str | None
    read: int
    landed: int
    labels_added: int
    unnamed_votes: int
    duplicates: int
    quarantined: int
    labelled: int
    unlabelled: int
    reasons: list[dict[str, Any]]
    files: list[FileReport]

    @property
    def nothing(self) -> bool:
        """Whether no row landed, and none was there already."""
        return not self.landed and not self.duplicates


def checked_files(paths: Sequence[Path]) -> list[Openable]:
    """The files that are meant, each of which can be opened.

    Raises:
        SerError: one cannot be, is no file, or is a directory that is no saved data set.
    """
    files: list[Openable] = []
    for path in map(Path, paths):
        try:
            for file in files_of(path):
                file.open().close()
                files.append(file)
        except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
            reason = error.strerror if isinstance(error, OSError) else error
            raise cannot_read(path, reason) from error
    return files


def not_landed(files: Sequence[WaitingFile], notes: Notes, failed: Failed) -> list[WaitingFile]:
    """Those of `files` whose content has not landed yet; only unfamiliar ones are read to find out.

    Only under the lock of the store.

    Args:
        failed: hears which file cannot be read.
    """
    known, fresh, again = notes.read(), [], []
    for file in files:
        if known.saw(file.mark):
            continue
        try:
            with file.open() as opened:
                mark, digest = opened.mark, opened.digest()
        except OSError as error:
            failed(file.path, error)
            continue
        if digest in known.by_digest:
            again.append(Note(mark, digest, known.by_digest[digest].unread))
        else:
            fresh.append(file)
    if again:
        notes.add(again)
    return fresh


def land_files(
    store: DatasetStore,
    quarantine: Quarantine,
    files: Sequence[Openable],
    mapping: ColumnMap,
    reader: Reader = read_opened,
    origin: Origin = "landed",
    failed: Failed = fail,
) -> Landed:
    """Land files as one landing. Only under the lock of the store.

    Args:
        failed: hears which file could not be opened, or not be read to its end; the others land. By default none does.

    Raises:
        SerError: what landed before is damaged; nothing is written.
    """
    known = _known(store)
    store.sweep()
    quarantine.sweep()
    with _scratch(store.folder / "staging") as folder:
        staged = Staging(mapping, reader, origin, quarantine.add_file, failed).read(files, folder)
        with store.adding_parts():
            with Merge(staged, known, datetime.now(UTC)) as merge:
                quarantine.add_rows(merge.rejected_rows([file.path.name for file in staged.files]))
                gained = {kind: store.add_part(kind, rows) for kind, rows in merge.new_rows()}
                reasons = merge.reasons()
            contents = _contents(store, gained, merge.landed_at.isoformat())  # now: each database may fill its memory
        if any(gained.values()):
            store.commit(f"{store.dataset}-{contents['digest'][:12]}", contents, merge.landed_at.isoformat())
        done = _landed(store, contents, staged, merge, reasons)
    store.notes(notes_name(mapping)).add(_notes(staged, store.dataset))
    return done


def _notes(staged: Staged, dataset: str) -> Iterator[Note]:
    for mark, digest, report in zip(staged.marks, staged.digests, staged.reports, strict=True):
        no_pair = None if report.pairs else f"no row is a pair: ser quarantine --dataset {dataset}"
        if mark is not None:
            yield Note(mark, digest, report.unread or no_pair)


def preview_files(
    store: DatasetStore, files: Sequence[Openable], mapping: ColumnMap
) -> tuple[Landed, list[tuple[Pair, str | None]]]:
    """What landing these files would do, and the first pairs with their labels. Nothing is written.

    Raises:
        SerError: what landed before is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        staged = Staging(mapping).read(files, Path(folder))
        with Merge(staged, _known(store), datetime.now(UTC)) as merge:
            done = _landed(store, store.contents(store.current()), staged, merge, merge.reasons())
        return done, staged.first_pairs(_SHOWN)


def _contents(store: DatasetStore, gained: dict[str, list[str]], until: str) -> dict[str, Any]:
    """What the current snapshot holds with what was gained at the time `until`."""
    contents = store.contents(store.current())
    if not any(gained.values()):
        return contents
    parts = {kind: store.merge_small(kind, contents["parts"][kind] + gained[kind]) for kind in PARTS}
    return snapshot_contents(store, parts) | {"until": until}


def _landed(
    store: DatasetStore, contents: dict[str, Any], staged: Staged, merge: Merge, reasons: list[dict[str, Any]]
) -> Landed:
    counts = merge.counts
    return Landed(
        store.dataset, store.current(), staged.rows, counts.landed, counts.labels_added, counts.unnamed_votes,
        counts.duplicates, counts.quarantined, contents["labelled"], contents["pairs"] - contents["labelled"],
        reasons, staged.reports,
    )  # fmt: skip


def notes_name(mapping: ColumnMap) -> str:
    """Under what name it is noted which files have landed: under another map the same file says something else."""
    if mapping == ColumnMap():
        return "files"
    said = sorted(mapping.columns.items()), sorted(mapping.values.items()), mapping.role, mapping.unlabelled
    return f"files-{hashlib.sha256(repr(said).encode()).hexdigest()[:12]}"


def _known(store: DatasetStore) -> dict[str, list[Path]]:
    """The parts of the current snapshot, by kind.

    Raises:
        SerError: a part, or what else is known of the dataset, is damaged or gone.
    """
    store.about()
    parts = store.contents(store.current())["parts"]
    return {kind: store.files(kind, parts) for kind in PARTS}


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards (or by the next landing, if this one is killed)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
