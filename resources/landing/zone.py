"""The landing zone: the only door for pairs and labels; what has landed is never changed or lost."""

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resources.disk import file_digest
from resources.landing.files import read_rows
from resources.landing.folders import (
    DATASET_NAME,
    Arrivals,
    NotAllLandedError,
    arrivals,
    dataset_folders,
    finished,
)
from resources.landing.merge import Merge
from resources.landing.quarantine import Quarantine
from resources.landing.snapshots import find_pairs, snapshot_contents, touched_pairs, write_tables
from resources.landing.stage import Reader, Staged, stage
from resources.landing.store import PARTS, DatasetStore, fingerprint
from resources.landing.token_counts import TokenCounter
from resources.settings import Settings
from ser.errors import SerError
from ser.pairs import Pair
from ser.specs import MIN_PROMPT_TOKENS

_NAMES = "Use up to 64 small letters, digits, '.', '-' and '_', and begin with a letter or digit."


@dataclass(frozen=True)
class Landed:
    """What a landing did, in rows (read = landed + duplicates + quarantined), and pairs of its snapshot."""

    dataset: str
    snapshot: str
    read: int
    landed: int
    labels_added: int
    duplicates: int
    quarantined: int
    labelled: int
    unlabelled: int


class Landing:
    """Datasets under a data root: files come into `landing/<dataset>`, bad rows go to `quarantine/<dataset>`.

    Args:
        root: the data root.
        token_counter: see `resources.landing.token_counts`.
    """

    def __init__(self, root: Path, settings: Settings, token_counter: TokenCounter):
        self._root, self._settings, self._counter = root, settings, token_counter

    def land(self, files: Sequence[Path], dataset: str, reader: Reader = read_rows) -> Landed:
        """Land files, as one landing; the dataset is made if it is new.

        Args:
            reader: what the rows of a file are.

        Raises:
            SerError: before anything lands: bad name, no such file, a directory; or no file has a row in it.
        """
        store = self._store(dataset)
        files = [_checked(Path(file)) for file in files]
        with store.lock():
            done = self._land(store, files, reader)
        if done is None:
            names = ", ".join(path.name for path in files) or "no file"
            raise SerError(f"nothing to land in {names}: no rows.\nPut rows in and land again.")
        return done

    def land_waiting(self, dataset: str) -> Landed | None:
        """Land what is new among the files in the dataset's folder; None if there are no rows in it.

        A link that leads out of the folder is not followed: whoever may put files here must not be able to have
        others read. It is named in quarantine.

        Raises:
            NotAllLandedError: some of the files cannot be read; the others have landed.
        """
        store = self._store(dataset)
        found, links = finished(store.folder.parent)
        if not found and not links:
            return None
        with store.lock():
            for link in links:
                Quarantine(self._root, dataset).add_link(link)
            files, unread = store.not_landed(found)
            done = self._land(store, files) if files else None
        if unread:
            raise NotAllLandedError(dataset, unread)
        return done

    def folder(self, dataset: str) -> Path:
        """Where files of a dataset are put.

        Raises:
            SerError: it cannot be the name of a dataset.
        """
        return self._store(dataset).folder.parent

    def arrivals(self, dataset: str) -> Arrivals | None:
        """When what `land_waiting` would look at was put in place; None if there is nothing."""
        store, quarantine = self._store(dataset), Quarantine(self._root, dataset)
        files, links = finished(store.folder.parent)
        return arrivals(store.unfamiliar(files), [link for link in links if not quarantine.has_link(link)])

    def folders(self) -> list[str]:
        """Datasets with a folder to put files in, landed or not: where `land_waiting` is worth a call."""
        return dataset_folders(self._root)

    def datasets(self) -> list[str]:
        """Datasets that have a snapshot."""
        return [name for name in self.folders() if self._store(name).current()]

    def only_dataset(self, named: str | None) -> str:
        """The dataset that was named, or else the only one.

        Raises:
            SerError: none was named, and there is not exactly one.
        """
        if named:
            return named
        known = self.datasets()
        if len(known) != 1:
            raise SerError(f"name the dataset with --dataset; known are: {', '.join(known) or 'none'}.")
        return known[0]

    def current_snapshot(self, dataset: str) -> str:
        """The name of a dataset's newest snapshot.

        Raises:
            SerError: there is no such dataset; lists those there are. Or its folder is a link, or damaged.
        """
        possible = DATASET_NAME.fullmatch(dataset)
        current = self._store(dataset).current() if possible else None
        if current is None:
            names = ", ".join(self.datasets()) or "none"
            if not possible:
                raise SerError(
                    f"unknown dataset {dataset!r}, which cannot be the name of one. Known: {names}.\n{_NAMES}"
                )
            raise SerError(
                f"unknown dataset {dataset!r}. Known: {names}.\nLand files first: ser land FILE --dataset {dataset}"
            )
        return current

    def counts(self, dataset: str) -> dict[str, Any]:
        """The current snapshot of a dataset with its `pairs`, `labelled` and `unlabelled`."""
        snapshot = self.current_snapshot(dataset)
        contents = self._store(dataset).contents(snapshot)
        pairs, labelled = contents["pairs"], contents["labelled"]
        return {"snapshot": snapshot, "pairs": pairs, "labelled": labelled, "unlabelled": pairs - labelled}

    def gained(self, dataset: str, since: str | None) -> int:
        """Pairs of the current snapshot that are new, or have a new label, since the snapshot `since` (or ever)."""
        store = self._store(dataset)
        before = store.contents(since if since and store.has(since) else None)
        return touched_pairs(store, store.contents(store.current())["parts"], before["parts"])

    def has(self, snapshot: str) -> bool:
        """Whether `snapshot` has landed here."""
        dataset, _, digest = snapshot.rpartition("-")
        return bool(DATASET_NAME.fullmatch(dataset)) and digest.isalnum() and self._store(dataset).has(snapshot)

    def dataset_of(self, snapshot: str) -> str:
        """The dataset that a snapshot is of.

        Raises:
            SerError: there is no such snapshot.
        """
        if self.has(snapshot):
            return snapshot.rpartition("-")[0]
        raise SerError(f"unknown snapshot {snapshot!r}. Known datasets: {', '.join(self.datasets()) or 'none'}.")

    def seed_fraction(self, dataset: str) -> float | None:
        """The seed's share of the labelled training prompts that land; None while no pair has landed."""
        return self._settings.roles.seed_fraction or self._store(dataset).about().get("seed_fraction")

    def created(self, dataset: str) -> str:
        """When a dataset first landed: one that was forgotten and lands again is another."""
        return str(self._store(dataset).about().get("created", ""))

    def write_snapshot(self, snapshot: str, out: Path) -> dict[str, int]:
        """Write a snapshot's pairs, labels and judge labels as parquet into `out`, and return the counts."""
        store = self._store(self.dataset_of(snapshot))
        return write_tables(store, store.contents(snapshot)["parts"], out)

    def find_pairs(self, dataset: str, pair_ids: Collection[str]) -> dict[str, Pair]:
        """Those of the pairs that the current snapshot has, by their identity."""
        store = self._store(dataset)
        return find_pairs(store, store.contents(store.current())["parts"], pair_ids)

    def _store(self, dataset: str) -> DatasetStore:
        if not DATASET_NAME.fullmatch(dataset):
            raise SerError(f"{dataset!r} cannot be the name of a dataset.\n{_NAMES}")
        return DatasetStore(self._root, dataset)

    def _land(self, store: DatasetStore, files: Sequence[Path], reader: Reader = read_rows) -> Landed | None:
        """Land checked files under the lock; None if they hold no row."""
        _known(store)  # a damaged part stops a landing before it writes anything
        quarantine = Quarantine(self._root, store.dataset)
        store.sweep()
        quarantine.sweep()
        marks = [(fingerprint(path), file_digest(path)) for path in files]  # before reading: a file may change
        limit = self._settings.encoding.max_length - MIN_PROMPT_TOKENS
        done = None
        with _scratch(store.folder / "staging") as folder:
            staged = stage(files, folder, limit, reader)
            for number in staged.empty:
                size = files[number].stat().st_size
                quarantine.add_file(files[number], "no rows in the file" if size else "empty file")
            for number, reason in staged.unreadable.items():
                quarantine.add_file(files[number], reason)
            if staged.read:
                done = self._merge(store, staged, quarantine, limit)
        for mark, digest in marks:
            store.remember(mark, digest)
        return done

    def _merge(self, store: DatasetStore, staged: Staged, quarantine: Quarantine, limit: int) -> Landed:
        before = store.contents(store.current())
        with Merge(staged, _known(store), datetime.now(UTC)) as merge:
            merge.count_tokens(self._counter, limit)
            merge.decide_purposes()
            stored = store.about().get("seed_fraction") if before["pairs"] else None
            fraction = merge.decide_labels(self._settings.roles.seed_fraction or stored)
            quarantine.add_rows(merge.rejected_rows([path.name for path in staged.files]))
            gained = {kind: store.add_part(kind, rows) for kind, rows in merge.new_rows()}
        parts = {kind: before["parts"][kind] + gained[kind] for kind in PARTS}
        if store.current() is None or any(gained.values()):
            contents = snapshot_contents(store, parts)
            snapshot = f"{store.dataset}-{contents['digest'][:12]}"
            store.commit(snapshot, contents, stored if stored is not None else fraction, merge.landed_at.isoformat())
        else:
            contents, snapshot = before, str(store.current())
        quarantined = merge.quarantined + len(staged.unreadable)
        labelled, pairs = contents["labelled"], contents["pairs"]
        return Landed(
            store.dataset, snapshot, staged.read, merge.landed, merge.labels_added, merge.duplicates,
            quarantined, labelled, pairs - labelled,
        )  # fmt: skip


def _known(store: DatasetStore) -> dict[str, list[Path]]:
    """The parts of the current snapshot, by kind."""
    parts = store.contents(store.current())["parts"]
    return {kind: store.files(kind, parts) for kind in PARTS}


def _checked(path: Path) -> Path:
    """A file that can be opened."""
    try:
        if path.is_dir():
            raise SerError(f"{path} is a directory. Name the files in it: {path}/*.jsonl")
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise SerError(f"{path} cannot be read: {reason}. Nothing has landed; check the path.") from error


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards (or by the next landing, if this one is killed)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
