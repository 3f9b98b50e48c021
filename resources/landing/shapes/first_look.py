"""What the first rows of a file show, before any is read: its columns, and the numbers that its labels say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from resources.landing.files import RawRow
from resources.landing.shapes.beginnings import shared_beginning
from resources.landing.shapes.labels import is_number

_ROWS = 512
_WEIGHT = 24 * 2**20
_NEARLY_ALL = 0.95


class FirstLook:
    """What was seen.

    Attributes:
        columns: the columns in small letters, each as it is written.
        numbers: column of labels to the numbers it says, as words.
        models: the names of models, in small letters.
        asked: rows of two texts without a prompt; begun: those of them whose texts share a beginning.
    """

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self.numbers: defaultdict[str, set[str]] = defaultdict(set)
        self.models: set[str] = set()
        self.asked = 0
        self.begun = 0

    def note(self, column: str, word: str) -> None:
        """Keep a word of a label's column, if it is a number."""
        if is_number(word):
            self.numbers[column].add(word)

    def shows(self, column: str, numbers: Mapping[str, str], words: Mapping[str, str]) -> bool:
        """Whether a column counts the responses as their columns are numbered.

        A 1 alone may be the first of 1 and 2 or the second of 0 and 1, and beside other numbers it may be a grade: so
        the other number must have been seen, and none that says nothing.

        Args:
            numbers: what the responses' columns are numbered with.
            words: what else is known to mean something.
        """
        seen = self.numbers.get(column)
        return seen is not None and numbers.keys() - {"1"} <= seen and all(w in numbers or w in words for w in seen)

    def note_texts(self, one: str, other: str) -> None:
        """Keep whether two texts without a prompt begin with one."""
        self.asked += 1
        try:
            shared_beginning(one, other)
        except ValueError:
            return
        self.begun += 1

    @property
    def begins_with_prompts(self) -> bool:
        """Whether the beginning that two texts share is a rule of the file, and not the habit of a model."""
        return not self.begun or self.begun >= _NEARLY_ALL * self.asked


def first_rows(rows: Iterator[RawRow]) -> tuple[list[RawRow], Iterable[RawRow]]:
    """The first rows for a look, and all of them from the beginning."""
    first: list[RawRow] = []
    size = 0
    for row in rows:
        first.append(row)
        size += row.weight
        if len(first) == _ROWS or size > _WEIGHT:
            break
    return first, chain(first, rows)
