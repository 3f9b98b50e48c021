"""The rows of the audit database about an evolution itself: what it is, and which artifacts it has."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from resources import asset_keys as keys
from resources.audit.database import literal
from resources.audit.record import EvolutionRecord, utc
from resources.audit.row_sql import Row, values
from ser.method.stats import Gain, gain

_PAIRED = """
SELECT b.reward_a <> b.reward_b AND (b.reward_a > b.reward_b) = (b.preferred = 'a') AS before,
       a.reward_a <> a.reward_b AND (a.reward_a > a.reward_b) = (a.preferred = 'a') AS after,
       coalesce(CAST(p.tied AS VARCHAR), pair_id) AS tied
FROM heldout_facts b JOIN heldout_facts a USING (pair_id, split) LEFT JOIN pairs p USING (pair_id)
WHERE split = 'test' AND b.version = $before AND a.version = $after
"""


def describe_evolution(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> str:
    """SQL for the row of `evolutions`; the held-out scores of the record are in the database already."""
    settings, promotion = record.settings, record.artifacts.get(keys.EVOLVED_RM)
    decided: Mapping[str, Any] = promotion.summary if promotion else {}
    loop = decided.get("promoted_loop")
    model = None if loop is None else record.artifacts.get(keys.model_of(loop))
    manifests = [artifact.manifest for artifact in record.artifacts.values()]
    started, finished = (
        [time for one in manifests if (time := utc(one.get(name))) is not None]
        for name in ("started_at", "finished_at")
    )
    on_test = _test_gain(connection, record, loop)
    row: Row = {
        "evolution": record.evolution,
        "name": record.name,
        "snapshot": record.snapshot,
        "dataset": record.dataset,
        "settings_digest": settings.digest,
        "settings": json.dumps(settings.recorded(), sort_keys=True),
        "recipe": settings.recipe,
        "preset": settings.preset,
        "backbone": settings.backbone.model,
        "random_seed": settings.random_seed,
        "draw": settings.roles.draw,
        "state": "finished" if promotion else "unfinished",
        "promoted_loop": loop,
        "promoted_rm": model.version if model else decided.get("rm_version"),
        "promoted_by": decided.get("promoted_by"),
        "verdict": decided.get("verdict"),
        **_ends("gain_calibration", decided.get("gain")),
        **_ends("gain_test", on_test._asdict() if on_test else None),
        **{name: decided.get(name) for name in ("detectable", "needed", "why")},
        "started_at": min(started, default=None),
        "finished_at": max(finished, default=None),
        "executed_at": utc(record.executed_at),
    }
    return values([row])


def describe_artifacts(record: EvolutionRecord) -> str:
    """SQL for the rows of `evolution_artifacts` that are current; empty if there are none."""
    rows = [
        {
            "evolution": record.evolution,
            "asset": key,
            "version": artifact.version,
            "current": True,
            "run_id": artifact.manifest.get("run_id"),
            "seconds": artifact.manifest.get("seconds"),
            "finished_at": utc(artifact.manifest.get("finished_at")),
        }
        for key, artifact in record.artifacts.items()
    ]
    return values(rows) if rows else ""


def link(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord) -> None:
    """Say what the evolution is and has now; what it had before stays, marked."""
    mine = f"evolution = {literal(record.evolution)}"
    connection.execute(f"UPDATE evolution_artifacts SET current = false WHERE {mine} AND current")
    for key, artifact in record.artifacts.items():
        here = f"asset = {literal(key)} AND version = {literal(artifact.version)}"
        connection.execute(f"DELETE FROM evolution_artifacts WHERE {mine} AND {here}")
    if rows := describe_artifacts(record):
        connection.execute(f"INSERT INTO evolution_artifacts BY NAME {rows}")
    connection.execute(f"DELETE FROM evolutions WHERE {mine}")
    connection.execute(f"INSERT INTO evolutions BY NAME {describe_evolution(connection, record)}")


def _test_gain(connection: duckdb.DuckDBPyConnection, record: EvolutionRecord, promoted: int | None) -> Gain | None:
    """What the promoted loop, or else the last, gained over the seed on test pairs; None where no loop was run."""
    last = max(_measured_loops(record), default=None)
    seed = record.artifacts.get(keys.heldout_of(keys.SEED_RM))
    scores = record.artifacts.get(keys.heldout_of(keys.model_of(promoted or last))) if last else None
    if seed is None or scores is None:
        return None
    rows = connection.execute(_PAIRED, {"before": seed.version, "after": scores.version}).fetchall()
    before, after, tied = ([row[k] for row in rows] for k in range(3))
    return gain(before, after, tied) if rows else None


def _measured_loops(record: EvolutionRecord) -> Iterator[int]:
    for key in record.artifacts:
        if (model := keys.measured_model(key)) and (loop := keys.loop_of(model)):
            yield loop


def _ends(name: str, found: Mapping[str, float] | None) -> Row:
    """The columns of a gain with its interval."""
    known = found or {}
    return {name: known.get("value"), f"{name}_low": known.get("low"), f"{name}_high": known.get("high")}
