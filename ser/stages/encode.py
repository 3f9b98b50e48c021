"""Stage: the tokens of every role's pairs, and the tables of those that fit."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ser.data import tables
from ser.data.database import open_database, pattern
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair, TooLongError, check_tokens, encode_pair
from ser.data.pairs import Pair
from ser.data.roles import MIN_PAIRS
from ser.data.sorting import in_order
from ser.errors import SerError
from ser.progress import Progress
from ser.specs import HERE, Encoding, Execution, Spec
from ser.stages.job import Inputs, Summary


class EncodeSpec(Spec):
    """What the tokens depend on besides the pairs and the tokenizer."""

    encoding: Encoding


class EncodeInputs(Inputs):
    """The model folder, and a table of pairs for each role."""

    backbone: Path
    seed: Path
    calibration: Path
    test: Path
    pool: Path


class EncodeSummary(Summary):
    """How many pairs are left in and out, in all and by role, and what was cut from the left of prompts."""

    left_out: int
    seed: int
    seed_left_out: int
    seed_prompts_cut: int
    seed_tokens_cut: int
    calibration: int
    calibration_left_out: int
    calibration_prompts_cut: int
    calibration_tokens_cut: int
    test: int
    test_left_out: int
    test_prompts_cut: int
    test_tokens_cut: int
    pool: int
    pool_left_out: int
    pool_prompts_cut: int
    pool_tokens_cut: int


TABLES = {"seed": tables.LABELLED, "calibration": tables.LABELLED, "test": tables.LABELLED, "pool": tables.PAIRS}
LEFT_OUT = pa.schema([("pair_id", pa.string())])
_TOLD_EVERY = 1000

_PURPOSE = {"seed": "train the seed RM", "calibration": "calibrate", "test": "report an accuracy"}
_REMEDY = {
    "seed": "Land more labelled pairs, or set roles.seed_fraction higher.",
    "calibration": "Land more labelled pairs, or set roles.calibration_fraction higher.",
    "test": "Land more labelled pairs, or set roles.test_fraction higher.",
}


def run(
    spec: EncodeSpec, inputs: EncodeInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> EncodeSummary:
    """Encode the pairs of each role with the tokenizer of the backbone.

    Writes, per role, `<role>/encoded.parquet` and `<role>.parquet`, the table of the pairs that fit; and
    `left_out.parquet`, the pairs whose responses do not fit into `max_length`.

    The summary counts pairs by role, those left out of each, and what was cut from the left of prompts.

    Raises:
        SerError: too few pairs of a role are left; says how many are needed and which setting matters.
    """
    from ser.models.tokenizer import check_window, embedding_rows, load_tokenizer

    pairs = {role: getattr(inputs, role) for role in TABLES}
    check_window(inputs.backbone, spec.encoding.max_length)
    tokenizer, known = load_tokenizer(inputs.backbone), embedding_rows(inputs.backbone)
    total, done = sum(tables.count(path) for path in pairs.values()), 0

    def encoded(role: str) -> Iterator[EncodedPair]:
        for number, row in enumerate(tables.read(pairs[role], columns=tables.PAIRS.names), start=done):
            if number % _TOLD_EVERY == 0:
                progress(number, total, "pairs")
            try:
                pair = encode_pair(tokenizer, Pair(**row), spec.encoding.max_length)
            except TooLongError:
                continue
            check_tokens(pair, known)
            yield pair

    counts: dict[str, int] = {}
    for role, schema in TABLES.items():
        (out / role).mkdir(exist_ok=True)
        write_encoded(encoded(role), out / role)
        rows = _selected("SEMI", pairs[role], out / role, schema)
        tables.write(out / f"{role}.parquet", schema, rows)
        counts |= _count(role, pairs[role], out / role)
        done += tables.count(pairs[role])
    left_out = (row for role in TABLES for row in _selected("ANTI", pairs[role], out / role, LEFT_OUT))
    counts["left_out"] = tables.write(out / "left_out.parquet", LEFT_OUT, left_out)
    _check(counts, spec)
    return EncodeSummary(**counts)


def _count(role: str, pairs: Path, folder: Path) -> dict[str, int]:
    """What the summary says of a role, from what was written: a process before this one may have encoded it."""
    query = "SELECT count(*), count(*) FILTER (cut > 0), coalesce(sum(cut), 0) FROM encoded"
    ((whole, prompts_cut, tokens_cut),) = tables.ask(query, encoded=folder / ENCODED_NAME)
    return {
        role: whole,
        f"{role}_left_out": tables.count(pairs) - whole,
        f"{role}_prompts_cut": prompts_cut,
        f"{role}_tokens_cut": int(tokens_cut),
    }


def _selected(join: str, pairs: Path, folder: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """The rows of a table of pairs that have tokens (SEMI), or have none (ANTI), in their order."""
    columns = ", ".join(f'"{name}"' for name in schema.names)
    with tempfile.TemporaryDirectory() as spill, open_database(Path(spill)) as con:
        con.read_parquet(pattern(pairs)).create_view("pair")
        con.read_parquet(pattern(folder / ENCODED_NAME)).create_view("encoded")
        rows = con.sql(f"SELECT {columns} FROM pair {join} JOIN encoded USING (pair_id)").to_arrow_reader(1024)
        yield from in_order(rows, ["pair_id"], Path(spill))


def _check(summary: Mapping[str, int], spec: EncodeSpec) -> None:
    for role, purpose in _PURPOSE.items():
        if summary[role] < MIN_PAIRS:
            out = summary[f"{role}_left_out"]
            too_long = f" ({out} more do not fit into encoding.max_length {spec.encoding.max_length})" if out else ""
            raise SerError(
                f"too few human labels to {purpose}: {summary[role]} {role} pairs{too_long}, at least {MIN_PAIRS} are "
                f"needed.\n{_REMEDY[role]}"
            )
    if summary["pool"] == 0:
        raise SerError(
            "the pool is empty: there is nothing to self-label. Land pairs without labels, or set "
            "roles.seed_fraction below 1."
        )
