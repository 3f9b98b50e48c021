"""What the user says about the columns of a file: which is which, and what the label column's words mean."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from ser.data.roles import ASKED_ROLES
from ser.errors import SerError

FIELDS = (
    *("prompt", "chosen", "rejected", "response_a", "response_b", "preferred"),
    *("system", "id", "group", "source", "annotator", "role"),
)
"""The canonical fields that a column can be mapped to."""

MEANINGS = ("a", "b", "tie")

_LEFT_OUT = ("prompt", "system", "id", "group", "source", "annotator", "role")
"""Fields that a file's column of that name need not be; without a prompt, both responses begin with it."""


@dataclass(frozen=True)
class ColumnMap:
    """How to read columns with other names than the known ones.

    Attributes:
        columns: canonical field to column of the file; `context+question` joins two columns with a blank line; ""
            reads none, where the column of that name means something else.
        values: what the label column says, to `a`, `b` or `tie`.
        role: of every row that names none.
        unlabelled: a column that looks like a label and is not read is no reason to refuse a row.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    unlabelled: bool = False

    def __post_init__(self) -> None:
        """Check what is said.

        Raises:
            SerError: a field, a meaning or a role does not exist, or the fields do not belong together.
        """
        _check_columns(self.columns, "map")
        _check_values(self.values, "values")
        if self.role is not None and self.role.strip().lower() not in ASKED_ROLES:
            raise SerError(f"role: there is no role {self.role!r}. Choose from: {', '.join(ASKED_ROLES)}.")

    @property
    def named(self) -> dict[str, str]:
        """The fields that have a column."""
        return {name: column for name, column in self.columns.items() if column.strip()}

    @property
    def left_out(self) -> set[str]:
        """The fields that are read from no column."""
        return self.columns.keys() - self.named.keys()


def parse_columns(text: str) -> dict[str, str]:
    """The columns of `prompt=question,response_a=answer_1,role=`.

    Raises:
        SerError: it is not written so, or names a field that does not exist.
    """
    columns = _assignments(text, "--map", "prompt=question,response_a=answer_1")
    _check_columns(columns, "--map")
    return columns


def parse_values(text: str) -> dict[str, str]:
    """The meanings of `model_a=a,model_b=b,same=tie`.

    Raises:
        SerError: it is not written so, or a meaning is another.
    """
    values = _assignments(text, "--values", "model_a=a,model_b=b")
    _check_values(values, "--values")
    return values


def _check_columns(columns: Mapping[str, str], option: str) -> None:
    for name, column in columns.items():
        if name not in FIELDS:
            raise SerError(f"{option}: there is no field {name!r}. Choose from: {', '.join(FIELDS)}.")
        if not column.strip() and name not in _LEFT_OUT:
            raise SerError(f"{option}: {name} needs a column. Only these can be none: {', '.join(_LEFT_OUT)}.")
    if {"chosen", "rejected"} & columns.keys() and {"response_a", "response_b"} & columns.keys():
        raise SerError(f"{option}: name either chosen and rejected, or response_a and response_b (with preferred).")
    for one, other in (("chosen", "rejected"), ("response_a", "response_b")):
        if (one in columns) != (other in columns):
            raise SerError(f"{option}: {one} and {other} belong together; name a column for both.")


def _check_values(values: Mapping[str, str], option: str) -> None:
    for word, meaning in values.items():
        if meaning not in MEANINGS:
            raise SerError(f"{option}: {word}={meaning} means nothing; a word means {', '.join(MEANINGS)}.")


def _assignments(text: str, option: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _parts(text, option):
        # A word of a label may hold the sign, and what it means cannot; with fields and columns it is the other way.
        pieces = part.rpartition("=") if option == "--values" else part.partition("=")
        name, sign, value = (piece.strip() for piece in pieces)
        if not (name and sign):
            raise SerError(f"{option}: {part.strip()!r} is no assignment. Write it as {option} {example}.")
        if name in found:
            raise SerError(f"{option}: {name!r} is named twice. Name it once.")
        found[name] = value
    return found


def _parts(text: str, option: str) -> list[str]:
    """The assignments between commas; quotation marks keep a comma in a name: `preferred="Which, A or B?"`."""
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace, words.whitespace_split, words.commenters = ",", True, ""
    words.quotes, words.escape = '"', ""
    try:
        return list(words)
    except ValueError:
        raise SerError(f"{option}: a quotation mark is not closed. Close it, or leave it out.") from None
