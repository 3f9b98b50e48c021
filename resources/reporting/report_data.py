"""The numbers of a report, read from the audit database."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.database import AuditDatabase
from resources.audit.watch import Watch, read_watch
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.recipe import RECIPES
from ser.method.watch import unlike_words

Row = dict[str, Any]

_LOOPS = "SELECT * FROM loop_summary WHERE evolution = $e ORDER BY loop"
_STATUS = f"""
SELECT * FROM status_reports WHERE evolution = $e AND status <> '{GATE_NOT_SHOWN}' ORDER BY loop"""
_PRECISION = """
SELECT * FROM label_precision WHERE evolution = $e
ORDER BY loop, labels DESC, confidence_from"""
_ROLES = "SELECT role, count(*) AS n FROM roles WHERE evolution = $e GROUP BY role ORDER BY role"
_CONTROLS = "SELECT * FROM controls WHERE evolution = $e ORDER BY number"
_POLICY = """
SELECT p.*, v.metric, v.value, v.ci_low, v.ci_high, v.n
FROM current_artifacts a JOIN policies p ON p.evolution = a.evolution AND p.policy_version = a.version
LEFT JOIN evaluations v ON v.evolution = a.evolution AND v.asset = 'policy_evaluation'
WHERE a.evolution = $e AND a.asset = 'ppo_policy'"""
_SAMPLES = """
SELECT * FROM policy_samples WHERE evolution = $e AND policy_version = $policy
ORDER BY abs(judge_policy - judge_base) DESC, pair_id LIMIT 4"""
_GAPS = """
SELECT least(19, CAST(floor(abs(p_a - p_b) / $width) AS INTEGER)) AS bin, kept, count(*) AS n FROM self_labels
WHERE evolution = $e AND loop = $loop GROUP BY ALL"""
_WIDEST = """
SELECT max(abs(p_a - p_b)) AS widest FROM self_labels WHERE evolution = $e AND loop = $loop"""
_EXAMPLES = """
SELECT l.*, p.prompt, p.response_a, p.response_b, v.preferred AS vault
FROM self_labels l JOIN pairs p USING (pair_id)
LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
WHERE l.evolution = $e AND l.loop = $loop
QUALIFY row_number() OVER (PARTITION BY l.kept ORDER BY l.confidence DESC, l.pair_id) <= 3
ORDER BY l.kept DESC, l.confidence DESC, l.pair_id"""
_MODELS = "SELECT * FROM reward_models WHERE evolution = $e AND member_of IS NULL ORDER BY loop NULLS LAST, asset"
_BIAS = """
SELECT * FROM selection_bias WHERE evolution = $e AND n_kept > 0
ORDER BY loop, dimension DESC, value"""
BINS = 20


class UnknownEvolution(SerError):  # noqa: N818 - it says what is so, not what went wrong
    """The audit has no rows of an evolution (yet): its sync may have been left to the next run."""


@dataclass
class ReportData:
    """All numbers of one evolution."""

    evolution: Row
    """Its row of the table `evolutions`, with the settings as a mapping."""
    loops: list[Row]
    statuses: list[Row]
    precision: list[Row]
    controls: list[Row]
    """Those that there can be, whether or not they are made."""
    models: list[Row]
    roles: dict[str, int]
    bias: list[Row]
    watch: Watch
    policy: Row | None = None
    samples: list[Row] = field(default_factory=list)
    gaps: dict[int, tuple[float, list[Row]]] = field(default_factory=dict)
    """Loop -> (width of a bin, counts of |p_a - p_b| by bin and kept)."""
    examples: dict[int, list[Row]] = field(default_factory=dict)

    @property
    def statistic(self) -> str:
        """What the promotion compares: `accuracy` or `log_loss`."""
        return self.evolution["settings"]["promotion"]["statistic"]

    @property
    def departures(self) -> list[str]:
        """The settings in which the evolution departs from its recipe, where that is one that comes along."""
        recipe = RECIPES.get(self.evolution["recipe"])
        if recipe is None:
            return []
        said, stands = self.evolution["settings"], recipe.model_dump(mode="json")
        parts = [("loops", said["loops"], stands["loops"])]
        for section, values in (("method", stands), ("thresholds", stands["thresholds"])):
            parts += [
                (f"{section}.{name}", value, values[name]) for name, value in said[section].items() if name in values
            ]
        return sorted(name for name, own, of_recipe in parts if own != of_recipe)

    @property
    def method(self) -> Row:
        """What the seed and every loop do (`ser.method.recipe.Method`), as the settings say it."""
        return self.evolution["settings"]["method"]

    @property
    def ended_in(self) -> int | None:
        """The loop that kept nothing, and so was the last; None if there is none."""
        return next((row["loop"] for row in self.statuses if row["ends"]), None)

    @property
    def calibration_gain(self) -> tuple[float | None, float | None, float | None]:
        """What the last loop gained over the seed on calibration pairs, and the ends of its 90 % interval."""
        return _ends(self.evolution, "gain_calibration")

    @property
    def test_gain(self) -> tuple[float | None, float | None, float | None]:
        """What the promoted loop, or else the last, gained over the seed on test pairs, with its 95 % interval."""
        return _ends(self.evolution, "gain_test")

    @property
    def trained_loops(self) -> list[int]:
        """The loops that have a reward model."""
        return [row["loop"] for row in self.loops if row["loop"] and row["rm_version"]]

    @property
    def made_controls(self) -> list[Row]:
        """The controls that are made and measured."""
        return [row for row in self.controls if row["accuracy"] is not None]

    @property
    def seed(self) -> Row | None:
        return next((row for row in self.loops if row["loop"] == 0), None)

    @property
    def promoted(self) -> Row | None:
        return next((row for row in self.loops if row["promoted"]), None)

    @property
    def unlike_pool(self) -> str:
        """In what the human-labelled pairs are shown to be unlike the pool, in words; empty if they are not."""
        return unlike_words(self.watch.shift)

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


def gather(path: Path, evolution: str) -> ReportData:
    """Everything that the report on an evolution needs.

    Raises:
        UnknownEvolution: the database has no rows of it.
        SerError: there is no database, it is damaged, or (`AuditBusy`) being written.
    """
    watch = read_watch(path, evolution)
    with AuditDatabase(path).reading(sandbox=True) as connection:
        known = {"e": evolution}
        found = _rows(connection, "SELECT * FROM evolutions WHERE evolution = $e", known)
        if not found:
            raise UnknownEvolution(f"The audit knows no evolution {evolution}: `ser run` makes one.")
        data = ReportData(
            evolution=found[0] | {"settings": json.loads(found[0]["settings"])},
            loops=_rows(connection, _LOOPS, known),
            statuses=_rows(connection, _STATUS, known),
            precision=_rows(connection, _PRECISION, known),
            controls=_rows(connection, _CONTROLS, known),
            models=_rows(connection, _MODELS, known),
            roles={row["role"]: row["n"] for row in _rows(connection, _ROLES, known)},
            bias=_rows(connection, _BIAS, known),
            watch=watch,
        )
        _add_policy(connection, data, known)
        for status in data.statuses:
            status["thresholds"] = json.loads(status["thresholds"])
            loop = known | {"loop": status["loop"]}
            widest = _rows(connection, _WIDEST, loop)[0]["widest"] or 1.0
            counts = _rows(connection, _GAPS, loop | {"width": widest / BINS})
            data.gaps[status["loop"]] = (widest / BINS, counts)
            data.examples[status["loop"]] = _rows(connection, _EXAMPLES, loop)
    return data


def _add_policy(connection: duckdb.DuckDBPyConnection, data: ReportData, known: Row) -> None:
    rows = _rows(connection, _POLICY, known)
    if not rows:
        return
    fixed = {
        name: rows[0][name] for name in ("policy_version", "loop", "episodes", "mean_reward", "kl", "train_seconds")
    }
    data.policy = fixed | {"metrics": {row["metric"]: row for row in rows if row["metric"]}}
    data.samples = _rows(connection, _SAMPLES, known | {"policy": fixed["policy_version"]})


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Row) -> list[Row]:
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _ends(row: Row, name: str) -> tuple[float | None, float | None, float | None]:
    return row[name], row[f"{name}_low"], row[f"{name}_high"]
