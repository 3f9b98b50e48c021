"""Facts that need more than SQL: fitted temperatures and a trained classifier, from what the database has already."""

import duckdb

from resources import asset_keys as keys
from resources.audit.record import EvolutionRecord
from ser.method.calibration import cross_fitted_temperatures
from ser.method.shift import PairTexts, tell_apart

MOST_PAIRS = 2000
"""Pairs of each pile that are compared, chosen by hash: with them the AUC's interval is 4 points wide or less."""
_CHARACTERS = 4000
"""Characters of a text that the classifier reads."""

_MARGINS = """
SELECT CASE f.preferred WHEN 'a' THEN f.reward_a - f.reward_b ELSE f.reward_b - f.reward_a END AS margin,
       temperature_fold(p.tied, f.pair_id) AS fold
FROM heldout_facts f LEFT JOIN pairs p ON p.pair_id = f.pair_id
WHERE f.version = $version AND f.split = 'calibration' ORDER BY f.pair_id
"""
_PAIRS = f"""
WITH chosen AS (
    SELECT pair_id FROM role_facts
    WHERE splits = $splits AND encoded = $encoded AND role <> 'unused' AND (role = 'pool') = $pool
    ORDER BY md5_number_lower(pair_id), pair_id LIMIT {MOST_PAIRS}
)
SELECT left(prompt, {_CHARACTERS}), left(response_a, {_CHARACTERS}), left(response_b, {_CHARACTERS}), source,
       CAST(tied AS VARCHAR)
FROM pairs JOIN chosen USING (pair_id) ORDER BY pair_id
"""


def derive_facts(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> None:
    """Add what is not there yet of the artifacts of `record`, whose own facts are in the database."""
    for key, artifact in record.artifacts.items():
        model = keys.measured_model(key)
        if model is not None and keys.loop_of(model) is not None:
            _fit_temperatures(connection, artifact.version)
    splits, encoded = record.artifacts.get(keys.SPLITS), record.artifacts.get(keys.ENCODED_PAIRS)
    if splits is not None and keys.LANDED_PAIRS in record.artifacts:
        _compare_with_pool(connection, splits.version, encoded.version if encoded else "")


def _fit_temperatures(connection: duckdb.DuckDBPyConnection, version: str) -> None:
    """The cross-fitted temperatures of held-out scores."""
    if connection.execute("SELECT 1 FROM temperature_facts WHERE version = ? LIMIT 1", [version]).fetchall():
        return
    rows = connection.execute(_MARGINS, {"version": version}).fetchall()
    fitted = cross_fitted_temperatures([margin for margin, _ in rows], [fold for _, fold in rows])
    for fold, temperature in fitted.items():
        connection.execute("INSERT INTO temperature_facts VALUES (?, ?, ?)", [version, fold, temperature])


def _compare_with_pool(connection: duckdb.DuckDBPyConnection, splits: str, encoded: str) -> None:
    """How well human-labelled pairs are told from the pool."""
    mine = {"splits": splits, "encoded": encoded}
    known = "SELECT 1 FROM shift_facts WHERE splits = $splits AND encoded = $encoded LIMIT 1"
    if connection.execute(known, mine).fetchall():
        return
    human, pool = (connection.execute(_PAIRS, mine | {"pool": side}).fetchall() for side in (False, True))
    texts, others = ([PairTexts(*row[:4]) for row in rows] for rows in (human, pool))
    auc = tell_apart(texts, others, [row[4] for row in (*human, *pool)])
    ends = list(auc) if auc else [None] * 3
    connection.execute(
        "INSERT INTO shift_facts VALUES (?, ?, ?, ?, ?, ?, ?)", [splits, encoded, len(human), len(pool), *ends]
    )
