"""Which data sets there are: where each is published, and at which commit. Their rows are read as any file's."""

import re
from dataclasses import dataclass

from ser.errors import SerError

_FOLDER = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True)
class HubDataset:
    """A published data set.

    Attributes:
        name: what we call it.
        repository: what the hub calls it.
        revision: the commit that is read unless another is asked for; the name of a branch is looked up first.
        files: the pattern of its files, with `{split}` and, if there are subsets, `{subset}`.
        columns: what every row must have.
        splits: the first is the default.
        subsets: read in turn unless one is asked for.
        other_subsets: whether there are more than those.
        annotator: who gave the labels, where no column says it.
    """

    name: str
    repository: str
    revision: str
    files: str
    columns: frozenset[str]
    splits: tuple[str, ...]
    subsets: tuple[str, ...] = ()
    other_subsets: bool = False
    annotator: str | None = None

    def split(self, asked: str | None) -> str:
        """The split to read.

        Raises:
            SerError: there is no such split; lists those there are.
        """
        if asked is not None and asked not in self.splits:
            raise SerError(f"{self.name} has no split {asked!r}. Choose one of: {', '.join(self.splits)}.")
        return asked or self.splits[0]

    def subsets_of(self, asked: str | None) -> tuple[str, ...]:
        """The subsets to read; "" stands for the only one of a data set without subsets.

        Raises:
            SerError: there is no such subset; lists those there are.
        """
        if asked is None:
            return self.subsets or ("",)
        if not self.subsets:
            raise SerError(f"{self.name} has no subsets. Leave --subset out.")
        if asked in self.subsets or (self.other_subsets and _FOLDER.fullmatch(asked)):
            return (asked,)
        raise SerError(f"{self.name} has no subset {asked!r}. Choose one of: {', '.join(self.subsets)}.")


_ALL = (
    HubDataset(
        name="hh-rlhf",
        repository="Anthropic/hh-rlhf",
        revision="09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa",
        files="{subset}/{split}.jsonl.gz",
        columns=frozenset({"chosen", "rejected"}),
        splits=("train", "test"),
        subsets=("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled"),
    ),
    HubDataset(
        name="ultrafeedback",
        repository="HuggingFaceH4/ultrafeedback_binarized",
        revision="3949bf5f8c17c394422ccfab0c31ea9c20bdeb85",
        files="data/{split}-*.parquet",
        columns=frozenset({"prompt", "prompt_id", "chosen", "rejected", "messages", "score_chosen", "score_rejected"}),
        splits=("train_prefs", "test_prefs"),
        annotator="gpt-4",
    ),
    HubDataset(
        name="summarize",
        repository="HuggingFaceH4/summarize-from-feedback",
        revision="main",  # no commit of this one could be confirmed; what `main` stands at is looked up and recorded
        files="data/{split}-*.parquet",
        columns=frozenset({"meta", "responses", "label", "worker", "batch", "split"}),
        splits=("train", "validation"),
    ),
    HubDataset(
        name="stackexchange",
        repository="HuggingFaceH4/stack-exchange-preferences",
        revision="c7bda74048748f55749cd663c3d8d1025a841fd9",
        files="data/{subset}/{split}-*.parquet",
        columns=frozenset({"qid", "question", "answers", "date", "metadata"}),
        splits=("train",),
        subsets=("Stackoverflow.com",),  # the site that the paper used; its folder is spelled so
        other_subsets=True,
    ),
)
HUB_DATASETS = {dataset.name: dataset for dataset in _ALL}
