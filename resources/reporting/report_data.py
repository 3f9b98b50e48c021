"""The numbers of a report, read from the audit database."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.database import AuditDatabase
from resources.audit.watch import Watch, read_watch
from resources.reporting.report_queries import GAPS, QUERIES, WIDEST
from resources.simulation import SIMULATED
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.recipe import RECIPES
from ser.method.watch import unlike_words

Row = dict[str, Any]

BINS = 20


class UnknownEvolution(SerError):  # noqa: N818 - it says what is so, not what went wrong
    """The audit has no rows of an evolution (yet): its sync may have been left to the next run."""


@dataclass
class ReportData:
    """All numbers of one evolution."""

    evolution: Row
    """Its row of the table `evolutions`, with the settings as a mapping."""
    rows: dict[str, list[Row]]
    """What is asked (`resources.reporting.report_queries.QUERIES`) -> its rows."""
    watch: Watch
    policy: Row | None = None
    gaps: dict[int, tuple[float, list[Row]]] = field(default_factory=dict)
    """Loop -> (width of a bin, counts of |p_a - p_b| by bin and kept)."""

    @property
    def loops(self) -> list[Row]:
        """A row for each loop, with its reward model where it trained one; loop 0 is the seed."""
        return self.rows["loops"]

    @property
    def statuses(self) -> list[Row]:
        """A row for each loop that was run: its learning status, and what it kept."""
        return self.rows["statuses"]

    @property
    def roles(self) -> dict[str, int]:
        """How many pairs each role has."""
        return {row["role"]: row["n"] for row in self.rows["roles"]}

    @property
    def is_of_newest(self) -> bool:
        """Whether no newer snapshot of its dataset is in the audit: `ser run` takes the newest."""
        return all(row["snapshot"] == self.evolution["snapshot"] for row in self.rows["newest"])

    @property
    def is_simulated(self) -> bool:
        """Whether all human labels are the simulated annotator's (data/sample)."""
        return [row["annotator"] for row in self.rows["annotators"]] == [SIMULATED]

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
    def test_gain(self) -> tuple[float | None, float | None, float | None]:
        """What the promoted loop, or else the last, gained over the seed on test pairs, with its 95 % interval."""
        about = self.evolution
        return about["gain_test"], about["gain_test_low"], about["gain_test_high"]

    @property
    def trained_loops(self) -> list[int]:
        """The loops that have a reward model."""
        return [row["loop"] for row in self.loops if row["loop"] and row["rm_version"]]

    @property
    def made_controls(self) -> list[Row]:
        """The controls that are made and measured."""
        return [row for row in self.rows["controls"] if row["accuracy"] is not None]

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
        rows = {name: _rows(connection, sql, known) for name, sql in QUERIES.items()}
        data = ReportData(found[0] | {"settings": json.loads(found[0]["settings"])}, rows, watch)
        data.policy = _policy(rows["policy"])
        for status in data.statuses:
            status["thresholds"] = json.loads(status["thresholds"])
            loop = known | {"loop": status["loop"]}
            widest = _rows(connection, WIDEST, loop)[0]["widest"] or 1.0
            counts = _rows(connection, GAPS, loop | {"width": widest / BINS})
            data.gaps[status["loop"]] = (widest / BINS, counts)
    return data


def _policy(rows: list[Row]) -> Row | None:
    """The policy of the promoted model, with its metrics by name."""
    if not rows:
        return None
    names = ("policy_version", "loop", "algorithm", "episodes", "mean_reward", "kl", "train_seconds")
    fixed = {name: rows[0][name] for name in names}
    return fixed | {"metrics": {row["metric"]: row for row in rows if row["metric"]}}


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Row) -> list[Row]:
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
