"""What must hold of a data root after everything that happened to it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from reliability.forked_command import count_calls, fork, start
from reliability.project import DATASET, Project, artifacts, differences, leftovers

TABLES = (
    "pairs", "human_labels", "self_labels", "heldout_scores", "status_reports", "reward_models", "evaluations",
    "policies", "policy_samples", "current_artifacts",
)  # fmt: skip


class Lost(AssertionError):  # noqa: N818 - it says what is so
    """Something is not as it would have been without the fault."""


def expect(holds: bool, what: str) -> None:
    """Stop with what was lost."""
    if not holds:
        raise Lost(what)


def ser(project: Project, root: Path, *arguments: str, code: int = 0) -> str:
    """Run `ser` undisturbed; standard output, or standard error if it is to fail, which takes one or two lines."""
    done = start(project.folder / "commands", root, *arguments).wait()
    expect(done.code == code, f"ser {' '.join(arguments)} ended with {done.code}: {done.err[-2000:]}")
    if code:
        expect_short(done.err)
        return done.err
    return done.out


def expect_short(err: str) -> None:
    """An error is one or two lines, and never a stack trace. What a command says of a dataset before it is no error."""
    lines = [line for line in err.splitlines() if line.startswith("ser: ") and not line.startswith(f"ser: {DATASET}: ")]
    after = err[err.rfind("\nser: ") + 1 :].strip().splitlines()
    expect("Traceback" not in err and len(lines) == 1 and len(after) <= 2, f"not one or two lines: {err[-2000:]}")


def audit(project: Project, root: Path) -> dict[str, tuple[int, int]]:
    """Rows, and different rows, of every table and view of the audit database that shows what there is now."""
    parts = [
        f"SELECT '{table}' AS name, count(*) AS n, count(DISTINCT t) AS different FROM {table} t" for table in TABLES
    ]
    rows = json.loads(ser(project, root, "audit", "--sql", " UNION ALL ".join(parts), "--format", "json"))
    return {row["name"]: (row["n"], row["different"]) for row in rows}


def run_states(project: Project, root: Path) -> Counter[str]:
    """How many of Dagster's runs are in which state."""

    def action() -> int:
        from ser_dagster.dagster_instance import instance

        with instance() as current:
            print(json.dumps([run.status.value for run in current.get_runs()]))
        return 0

    return Counter(json.loads(fork(project.folder / "commands", root, action).wait().out))


def check_root(project: Project, root: Path, wanted: "Wanted") -> None:
    """The same bytes, the same audit without duplicates, nothing left over, no run that seems to go on."""
    other = differences(wanted.files, artifacts(root))
    expect(not other, f"{len(other)} files are not those of the undisturbed run, for instance {other[:3]}")
    rows = audit(project, root)
    expect(rows == wanted.rows, f"the audit has other rows: {rows} instead of {wanted.rows}")
    expect(all(n == different for n, different in rows.values()), f"the audit has duplicates: {rows}")
    expect(not leftovers(root), f"left over: {leftovers(root)[:5]}")
    states = run_states(project, root)
    # A run that was killed before it began is marked a minute later.
    expect(set(states) <= {"SUCCESS", "FAILURE", "NOT_STARTED"}, f"runs that seem to go on: {states}")


class Wanted:
    """What an undisturbed run leaves, and how it came there."""

    def __init__(self, project: Project):
        self.landed = project.folder / "landed"
        ser(project, self.landed, "land", str(project.pairs), "--dataset", DATASET)
        self.root = project.copy_of(self.landed, "undisturbed")
        folder = project.folder / "undisturbed-run"
        done = start(folder, self.root, "run", harm=count_calls(folder)).wait()
        expect(done.code == 0, done.err[-3000:])
        self.events = done.events()
        self.calls = done.calls
        self.seconds = self.events[-1].at - done.started
        self.files = artifacts(self.root)
        self.rows = audit(project, self.root)
        expect(not leftovers(self.root), f"left over without any fault: {leftovers(self.root)}")

    def of(self, label: str) -> list[Any]:
        """The reports of one stage."""
        return [event for event in self.events if event.label == label]

    @property
    def labels(self) -> list[str]:
        """The stages that report, in the order in which they come."""
        return list(dict.fromkeys(event.label for event in self.events))
