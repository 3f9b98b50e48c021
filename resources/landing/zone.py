"""The landing zone: the only door for pairs and labels; what has landed is never changed or lost."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from resources.landing.files import read_opened
from resources.landing.folders import (
    DATASET_NAME,
    NAMES,
    NotAllLandedError,
    dataset_folders,
    known_words,
    only_dataset,
)
from resources.landing.known_roles import known_roles
from resources.landing.landed import Landed, checked_files, land_files, not_landed, notes_name, preview_files
from resources.landing.quarantine import Quarantine
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.snapshots import find_pairs, reviewed_pairs, touched_pairs, write_tables
from resources.landing.stage import Origin, Reader
from resources.landing.store import DatasetStore
from resources.landing.waiting import Arrivals, Waiting, arrivals, held, waiting
from resources.settings import Settings
from ser.data.pairs import Pair
from ser.data.role_assignment import Assignment
from ser.errors import SerError


class Landing:
    """Datasets under a data root: files come into `landing/<dataset>`, bad rows go to `quarantine/<dataset>`."""

    def __init__(self, root: Path, settings: Settings):
        self._root, self._settings = root, settings

    def land(
        self,
        files: Sequence[Path],
        dataset: str,
        mapping: ColumnMap | None = None,
        reader: Reader = read_opened,
        origin: Origin = "landed",
    ) -> Landed:
        """Land files, as one landing; the dataset is made if it is new and a row lands.

        Args:
            mapping: what the columns are; by default as the settings say.
            reader: what the rows of a file are.

        Raises:
            SerError: before anything lands: bad name, no such file, a directory that is no saved data set.
        """
        store = self._store(dataset)
        checked = checked_files(files)
        mapping = self.mapping(dataset) if mapping is None else mapping
        with store.lock():
            try:
                return land_files(store, Quarantine(self._root, dataset), checked, mapping, reader, origin)
            finally:
                if not store.has_landed():
                    with _waiting(store) as found:
                        if not found.files and not found.links:
                            store.abandon()

    def preview(
        self, files: Sequence[Path], dataset: str, mapping: ColumnMap
    ) -> tuple[Landed, list[tuple[Pair, str | None]]]:
        """What `land` would do, and the first pairs with their labels. Nothing is written.

        Raises:
            SerError: as `land`.
        """
        return preview_files(self._store(dataset), checked_files(files), mapping)

    def mapping(self, dataset: str) -> ColumnMap:
        """What the settings say of a dataset's columns."""
        said = self._settings.landing.get(dataset)
        return ColumnMap() if said is None else ColumnMap(said.map, said.values, said.role, said.unlabelled)

    def land_waiting(self, dataset: str) -> Landed | None:
        """Land what is new among the files in the dataset's folder; None if nothing is.

        A link that leads out of the folder is not followed: whoever may put files here must not be able to have
        others read. It is named in quarantine.

        Raises:
            NotAllLandedError: some of the files cannot be opened; the others have landed.
        """
        store, mapping = self._store(dataset), self.mapping(dataset)
        quarantine = Quarantine(self._root, dataset)
        with _waiting(store) as found:
            if not found.files and not found.links:
                return None
            failed: dict[Path, OSError] = {}
            with store.lock():
                for link in found.links:
                    quarantine.add_link(link)
                files = not_landed(found.files, store.notes(notes_name(mapping)), failed.__setitem__)
                done = land_files(store, quarantine, files, mapping, failed=failed.__setitem__) if files else None
        if failed:
            raise NotAllLandedError(dataset, failed)
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
        with _waiting(store) as found:
            known = store.notes(notes_name(self.mapping(dataset))).read()
            unfamiliar = [file for file in found.files if not known.saw(file.mark)]
            return arrivals(unfamiliar, [link for link in found.links if not quarantine.has_link(link)])

    def unread(self, dataset: str) -> dict[str, str]:
        """The files in the dataset's folder of which nothing could land, and why: they wait for a hand."""
        store = self._store(dataset)
        with _waiting(store) as found:
            known = store.notes(notes_name(self.mapping(dataset))).read()
        reasons = {file.mark[0]: known.unread(file.mark) for file in found.files}
        return {name: reason for name, reason in reasons.items() if reason}

    def folders(self) -> list[str]:
        """Datasets with a folder to put files in, landed or not: where `land_waiting` is worth a call."""
        return dataset_folders(self._root)

    def datasets(self) -> list[str]:
        """Datasets that have a snapshot, or had one and are damaged: whoever asks for such a one is told."""
        return [name for name in self.folders() if self.has_landed(name)]

    def has_landed(self, dataset: str) -> bool:
        """Whether a dataset has a snapshot, or had one and is damaged."""
        try:
            return self._store(dataset).current() is not None
        except (SerError, OSError):
            return True

    def only_dataset(self, named: str | None) -> str:
        """The dataset that was named, or else the only one.

        Raises:
            SerError: none was named, and there is not exactly one.
        """
        if named:
            return named
        return only_dataset(self.datasets())

    def current_snapshot(self, dataset: str) -> str:
        """The name of a dataset's newest snapshot.

        Raises:
            SerError: there is no such dataset; lists those there are. Or its folder is a link, or damaged.
        """
        possible = DATASET_NAME.fullmatch(dataset)
        current = self._store(dataset).current() if possible else None
        if current is None:
            known = known_words(self.datasets())
            if not possible:
                raise SerError(f"unknown dataset {dataset!r}, which cannot be the name of one. {known}\n{NAMES}")
            raise SerError(f"unknown dataset {dataset!r}. {known}\nLand files first: ser land FILE --dataset {dataset}")
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
        return touched_pairs(store, store.contents(store.current())["parts"], before["until"])

    def reviewed(self, dataset: str) -> frozenset[str]:
        """The pairs of the current snapshot that people have answered in a review, whatever they answered."""
        store = self._store(dataset)
        return reviewed_pairs(store, store.contents(store.current())["parts"])

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

    def roles(self, snapshot: str) -> Assignment:
        """What the pairs of a snapshot are used for under the settings, in numbers."""
        store = self._store(self.dataset_of(snapshot))
        return known_roles(store, snapshot, self._settings.roles)

    def created(self, dataset: str) -> str:
        """When a dataset first landed: one that was forgotten and lands again is another."""
        return str(self._store(dataset).about().get("created", ""))

    def write_snapshot(self, snapshot: str, out: Path) -> dict[str, Any]:
        """Write a snapshot's tables as parquet into `out`, and return its number and counts of rows."""
        return write_tables(self._store(self.dataset_of(snapshot)), snapshot, out)

    def pair_files(self, snapshot: str) -> list[Path]:
        """The parquet files that the texts of a snapshot's pairs lie in."""
        store = self._store(self.dataset_of(snapshot))
        return store.files("pairs", store.contents(snapshot)["parts"])

    def find_pairs(self, dataset: str, pair_ids: Collection[str]) -> dict[str, Pair]:
        """Those of the pairs that the current snapshot has, by their identity."""
        store = self._store(dataset)
        return find_pairs(store, store.contents(store.current())["parts"], pair_ids)

    def _store(self, dataset: str) -> DatasetStore:
        if not DATASET_NAME.fullmatch(dataset):
            raise SerError(f"{dataset!r} cannot be the name of a dataset.\n{NAMES}")
        return DatasetStore(self._root, dataset)


@contextmanager
def _waiting(store: DatasetStore) -> Iterator[Waiting]:
    """What waits in the folder of a dataset, which is held open meanwhile."""
    folder = store.dataset_folder
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(held(folder))
        except FileNotFoundError:
            yield Waiting([], [], {})
            return
        yield waiting(folder, handle)
