"""Reading published rows as a stream: only what is taken is downloaded."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from resources.landing.hub.catalogue import HubDataset
from ser.errors import SerError

HUB = "hf://datasets"
"""The hub as a file system; a folder with the same layout may take its place."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(dataset: HubDataset, revision: str) -> str:
    """The commit that a branch or tag stands at; a commit is itself, without asking the hub.

    Raises:
        SerError: the hub cannot be reached, or has no such revision.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    try:
        return str(HfApi().dataset_info(dataset.repository, revision=revision).sha)
    except (OSError, HTTPError) as error:
        raise _failed(dataset, revision, error) from error


def open_rows(dataset: HubDataset, commit: str, subset: str, split: str, hub: str = HUB) -> Iterator[dict[str, Any]]:
    """The rows of one subset in their order. The hub is asked for the files at once, for the rows as they are taken.

    Raises:
        SerError: at once or while reading: the hub cannot be reached or has no such files, or the columns are others.
    """
    import datasets
    from fsspec.core import url_to_fs
    from huggingface_hub.errors import HTTPError

    files = f"{hub}/{dataset.repository}@{commit}/{dataset.files.format(subset=subset, split=split)}"
    # The builder is named, because asking for the repository by name may answer from an old cache of another commit.
    builder = "parquet" if files.endswith(".parquet") else "json"
    try:
        system, pattern = url_to_fs(files)
        if not system.glob(pattern):
            raise FileNotFoundError(files)
        rows = datasets.load_dataset(builder, data_files={split: files}, split=split, streaming=True)
    except (OSError, HTTPError) as error:
        raise _failed(dataset, commit, error) from error

    def checked() -> Iterator[dict[str, Any]]:
        try:
            for row in rows:
                if missing := dataset.columns - row.keys():
                    raise _other_columns(dataset, commit, missing)
                yield row
        except (OSError, HTTPError) as error:
            raise _failed(dataset, commit, error) from error

    return checked()


def in_turn(streams: Iterable[Iterator[Any]]) -> Iterator[Any]:
    """One of each stream, then the next of each, until all are at their end."""
    waiting = deque(streams)
    while waiting:
        stream = waiting.popleft()
        for item in stream:
            yield item
            waiting.append(stream)
            break


def _failed(dataset: HubDataset, revision: str, error: Exception) -> SerError:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, (FileNotFoundError, RepositoryNotFoundError, RevisionNotFoundError)):
        return SerError(
            f"the hub has no such files in {dataset.repository} at revision {revision}; nothing has landed.\n"
            "Check --revision and --subset."
        )
    why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return SerError(
        f"the Hugging Face hub cannot be reached for {dataset.repository}, so nothing has landed ({why}): "
        "check the network and HF_HUB_OFFLINE, and run this again."
    )


def _other_columns(dataset: HubDataset, commit: str, missing: Iterable[str]) -> SerError:
    return SerError(
        f"{dataset.repository} at revision {commit} has no column {', '.join(sorted(missing))}; nothing has landed.\n"
        "Its layout has changed: name an earlier commit with --revision."
    )
