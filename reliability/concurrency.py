"""More than one process at a time: two runs of a snapshot, and a reader who will not leave."""

import time
from pathlib import Path

from reliability.checks import Wanted, check_root, expect, expect_short, ser
from reliability.forked_command import Forked, fork, start
from reliability.project import Project


def two_runs(project: Project, wanted: Wanted, times: int) -> int:
    """Start two `ser run` of one snapshot: one works, the other says who does; how often that was seen."""
    seen = 0
    for number in range(times):
        root = project.copy_of(wanted.landed, "two")
        one = start(project.folder / "one", root, "run")
        time.sleep(number * wanted.seconds / (4 * times))
        two = start(project.folder / "two-run", root, "run")
        both = [one.wait(), two.wait()]
        worked = [victim for victim in both if victim.code == 0]
        expect(bool(worked), f"neither worked: {one.err[-1500:]} {two.err[-1500:]}")
        for victim in both:
            if victim.code:
                _expect_owner(victim)
                seen += 1
        check_root(project, root, wanted)
    return seen


def _expect_owner(victim: Forked) -> None:
    expect_short(victim.err)
    expect("is being worked on by" in victim.err, f"does not say who runs: {victim.err[-1500:]}")


def a_reader(project: Project, wanted: Wanted) -> None:
    """Hold an empty audit database open during a whole run: it succeeds, and the next one brings the rows."""
    root = project.copy_of(wanted.landed, "read")
    leave = project.folder / "leave"

    def hold() -> int:
        from resources.audit.database import AuditDatabase

        database = AuditDatabase(root / "audit.duckdb")
        with database.writing():
            pass
        with database.reading() as connection:
            print(connection.execute("SELECT count(*) FROM pairs").fetchall(), flush=True)
            while not leave.exists():
                time.sleep(0.05)
        return 0

    reader = fork(project.folder / "reader", root, hold)
    _wait_for_words(reader)
    victim = start(project.folder / "beside", root, "run").wait()
    expect(victim.code == 0, f"a reader failed the run: {victim.err[-3000:]}")
    leave.touch()
    reader.wait()
    ser(project, root, "run")
    check_root(project, root, wanted)


def _wait_for_words(victim: Forked) -> None:
    while not Path(victim.folder / "out").read_text():
        expect(not victim.ended(), victim.err)
        time.sleep(0.01)
