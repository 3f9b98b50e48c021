"""The columns of the assets that are tables, as Dagster's catalogue shows them."""

from collections.abc import Mapping

import dagster as dg
import pyarrow as pa

from resources.audit.dictionary import dictionary
from ser.data import tables
from ser.data.encoded import ENCODED

_MEANINGS = dictionary()["columns"] | {
    "prompt": "The prompt: its messages as JSON.",
    "group": "What ties the pair to others: rows of one group get one role.",
    "dialogue": "What ties the pair to others: the prompt's messages up to the first of the user, hashed.",
    "asked": "The role that a row asked for.",
    "unit": "What ties the pair to others: pairs of one unit got their role together.",
}
"""The same words as in the audit; what stands in no table there, or otherwise, is said here."""
_OF_TOKENS = {
    "prompt": "The tokens of the prompt.",
    "response_a": "The tokens of response a.",
    "response_b": "The tokens of response b.",
    "digest": "A hash of the tokens: with the same ones, and by the same model, all is the same.",
    "slice": "Which part of the work the pair is in.",
    "offset": "Where the pair's tokens begin in its slice.",
    "cut": "Tokens that were cut from the left of the prompt to fit.",
}
_LANDED = pa.schema([(name, pa.string()) for name in (*tables.PAIRS.names, "source", "group", "dialogue", "asked")])

Columns = Mapping[str, dg.TableSchema]


def _columns(schema: pa.Schema, meanings: Mapping[str, str] = _MEANINGS) -> Columns:
    columns = [dg.TableColumn(field.name, str(field.type), meanings[field.name]) for field in schema]
    return {"dagster/column_schema": dg.TableSchema(columns)}


LANDED = _columns(_LANDED)
"""Of `pairs.parquet`."""
ROLES = _columns(tables.LABELLED)
"""Of the tables of seed, calibration and test; that of the pool has neither `preferred` nor `unit`."""
TOKENS = _columns(ENCODED, _MEANINGS | _OF_TOKENS)
"""Of each role's `encoded.parquet`."""
SELF_LABELS = _columns(tables.SELF_LABELS)
FILTERED = _columns(tables.FILTERED)
VAULT = _columns(tables.LABELS)
