"""What a report says, read from the audit database: numbers first, then the sentences they allow."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.database import AuditDatabase
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.stats import gain

Row = dict[str, Any]

_LOOPS = "SELECT * FROM loop_summary WHERE snapshot = $s AND recipe = $r ORDER BY loop"
_STATUS = f"""
SELECT * FROM status_reports WHERE snapshot = $s AND recipe = $r AND status <> '{GATE_NOT_SHOWN}' ORDER BY loop"""
_PRECISION = """
SELECT * FROM label_precision WHERE snapshot = $s AND recipe = $r
ORDER BY loop, labels DESC, confidence_from"""
_ROLES = "SELECT role, count(*) AS n FROM roles WHERE snapshot = $s AND recipe = $r GROUP BY role ORDER BY role"
_PAIRED = """
SELECT coalesce(a.correct, false) AS before, coalesce(b.correct, false) AS after,
       CAST(hash(coalesce(p."group", p.prompt)) AS VARCHAR) AS tied
FROM heldout_answers a JOIN heldout_answers b USING (snapshot, recipe, split, pair_id)
JOIN pairs p USING (pair_id)
WHERE snapshot = $s AND recipe = $r AND split = 'test'
  AND a.rm_version = $seed AND b.rm_version = $promoted"""
_CONTROLS = """
SELECT m.asset, e.value, e.ci_low, e.ci_high, e.n FROM heads h
JOIN reward_models m ON m.snapshot = h.snapshot AND m.recipe = h.recipe AND m.rm_version = h.version
JOIN heads g ON g.snapshot = h.snapshot AND g.recipe = h.recipe AND g.asset = h.asset || '.heldout'
JOIN evaluations e ON e.artifact = g.version AND e.metric = 'accuracy' AND e.split = 'test'
WHERE h.snapshot = $s AND h.recipe = $r AND m.loop IS NULL ORDER BY m.asset"""
_POLICY = """
SELECT p.*, e.metric, e.value, e.ci_low, e.ci_high, e.n FROM heads h
JOIN policies p ON p.snapshot = h.snapshot AND p.recipe = h.recipe AND p.policy_version = h.version
LEFT JOIN heads g ON g.snapshot = h.snapshot AND g.recipe = h.recipe AND g.asset = 'policy_evaluation'
LEFT JOIN evaluations e ON e.artifact = g.version
WHERE h.snapshot = $s AND h.recipe = $r AND h.asset = 'ppo_policy'"""
_SAMPLES = """
SELECT * FROM policy_samples WHERE policy_version = $policy
ORDER BY abs(judge_policy - judge_base) DESC, pair_id LIMIT 4"""
_GAPS = """
SELECT least(19, CAST(floor(abs(p_a - p_b) / $width) AS INTEGER)) AS bin, kept, count(*) AS n FROM self_labels
WHERE snapshot = $s AND recipe = $r AND loop = $loop GROUP BY ALL"""
_WIDEST = """
SELECT max(abs(p_a - p_b)) AS widest FROM self_labels WHERE snapshot = $s AND recipe = $r AND loop = $loop"""
_EXAMPLES = """
SELECT l.*, p.prompt, p.response_a, p.response_b, v.preferred AS vault
FROM self_labels l JOIN pairs p USING (pair_id)
LEFT JOIN vault_choice v ON v.snapshot = l.snapshot AND v.recipe = l.recipe AND v.pair_id = l.pair_id
WHERE l.snapshot = $s AND l.recipe = $r AND l.loop = $loop
QUALIFY row_number() OVER (PARTITION BY l.kept ORDER BY l.confidence DESC, l.pair_id) <= 3
ORDER BY l.kept DESC, l.confidence DESC, l.pair_id"""
_MODELS = """
SELECT m.* FROM reward_models m
JOIN heads h ON h.snapshot = m.snapshot AND h.recipe = m.recipe
    AND h.asset = m.asset AND h.version = m.rm_version
WHERE m.snapshot = $s AND m.recipe = $r ORDER BY m.loop NULLS LAST, m.asset"""
_BIAS = """
SELECT * FROM selection_bias WHERE snapshot = $s AND recipe = $r AND n_kept > 0
ORDER BY loop, dimension DESC, value"""
BINS = 20


class UnknownRun(SerError):  # noqa: N818 - it says what is so, not what went wrong
    """The audit has no rows of a run (yet): its sync may have been left to the next run."""


@dataclass
class ReportData:
    """All numbers of one run."""

    snapshot: str
    recipe: str
    settings: str
    dataset: str
    finished_at: Any
    loops: list[Row]
    statuses: list[Row]
    precision: list[Row]
    controls: list[Row]
    models: list[Row]
    roles: dict[str, int]
    bias: list[Row]
    policy: Row | None = None
    samples: list[Row] = field(default_factory=list)
    gaps: dict[int, tuple[float, list[Row]]] = field(default_factory=dict)
    """Loop -> (width of a bin, counts of |p_a - p_b| by bin and kept)."""
    examples: dict[int, list[Row]] = field(default_factory=dict)
    difference: tuple[float, float, float] | None = None
    """Promoted minus seed on the test pairs, with its paired interval; None when the seed was promoted."""

    @property
    def seed(self) -> Row | None:
        return next((row for row in self.loops if row["loop"] == 0), None)

    @property
    def promoted(self) -> Row | None:
        return next((row for row in self.loops if row["promoted"]), None)

    @property
    def gate_is_closed(self) -> bool:
        """Whether no loop was run, because the seed was not shown to be better than a coin."""
        return any(row["status"] == GATE_NOT_SHOWN for row in self.loops)

    @property
    def baseline(self) -> Row | None:
        """`value`, `ci_low`, `ci_high` of "the longer response wins" on the test pairs, of which no model is asked."""
        seed = self.seed
        if seed is None or seed["longer_wins"] is None:
            return None
        ends = {name: seed[f"longer_wins_{name}"] for name in ("ci_low", "ci_high")}
        return {"value": seed["longer_wins"], **ends}


def gather(path: Path, snapshot: str, recipe: str) -> ReportData:
    """Everything that the report on the latest run of `recipe` on `snapshot` needs.

    Raises:
        UnknownRun: the database has no rows of this run.
        SerError: there is no database, it is damaged, or (`AuditBusy`) being written.
    """
    with AuditDatabase(path).reading(sandbox=True) as connection:
        known = {"s": snapshot, "r": recipe}
        head = _rows(
            connection,
            "SELECT settings, dataset, max(finished_at) AS finished_at FROM heads "
            "WHERE snapshot = $s AND recipe = $r GROUP BY ALL",
            known,
        )
        if not head:
            raise UnknownRun(f"The audit knows no run of recipe {recipe!r} on {snapshot}: `ser run` makes one.")
        data = ReportData(
            snapshot=snapshot,
            recipe=recipe,
            **head[0],
            loops=_rows(connection, _LOOPS, known),
            statuses=_rows(connection, _STATUS, known),
            precision=_rows(connection, _PRECISION, known),
            controls=_rows(connection, _CONTROLS, known),
            models=_rows(connection, _MODELS, known),
            roles={row["role"]: row["n"] for row in _rows(connection, _ROLES, known)},
            bias=_rows(connection, _BIAS, known),
        )
        _add_difference(connection, data, known)
        _add_policy(connection, data, known)
        for status in data.statuses:
            status["thresholds"] = json.loads(status["thresholds"])
            loop = known | {"loop": status["loop"]}
            widest = _rows(connection, _WIDEST, loop)[0]["widest"] or 1.0
            counts = _rows(connection, _GAPS, loop | {"width": widest / BINS})
            data.gaps[status["loop"]] = (widest / BINS, counts)
            data.examples[status["loop"]] = _rows(connection, _EXAMPLES, loop)
    return data


def _add_difference(connection: duckdb.DuckDBPyConnection, data: ReportData, known: Row) -> None:
    seed, promoted = data.seed, data.promoted
    if seed is None or promoted is None or promoted["loop"] == 0:
        return
    versions = {"seed": seed["rm_version"], "promoted": promoted["rm_version"]}
    paired = _rows(connection, _PAIRED, known | versions)
    if paired:
        before, after, tied = ([row[name] for row in paired] for name in ("before", "after", "tied"))
        data.difference = gain(before, after, tied)


def _add_policy(connection: duckdb.DuckDBPyConnection, data: ReportData, known: Row) -> None:
    rows = _rows(connection, _POLICY, known)
    if not rows:
        return
    fixed = {
        name: rows[0][name] for name in ("policy_version", "loop", "episodes", "mean_reward", "kl", "train_seconds")
    }
    data.policy = fixed | {"metrics": {row["metric"]: row for row in rows if row["metric"]}}
    data.samples = _rows(connection, _SAMPLES, {"policy": fixed["policy_version"]})


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Row) -> list[Row]:
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
