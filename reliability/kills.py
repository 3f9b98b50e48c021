"""`kill -9` at random moments over all stages: the run that follows continues, and ends with the same bytes."""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from reliability.checks import Wanted, check_root, expect, ser
from reliability.forked_command import Forked, at_call, die, start
from reliability.project import DATASET, Project, leftovers

ROUND = ("stage", "stage", "call", "time")
"""What decides the moment, round by round: a report of a stage, a call that changes the disk, the clock."""


@dataclass
class Kill:
    """One process that died."""

    how: str
    label: str
    """The stage in hand, or the last one that had reported when it was between two."""
    asset: str
    """The asset or check in hand."""
    share: float
    """How much of the stage was done."""
    repeated: float = 0.0
    """How much of the stage was done a second time, and of what had begun."""
    resumed: float | None = None
    """Seconds until the next process did new work of this stage."""


@dataclass
class Round:
    """One data root, from its landing to the end of its run, with kills between."""

    project: Project
    wanted: Wanted
    draw: random.Random
    root: Path
    kills: list[Kill] = field(default_factory=list)
    emitted: dict[str, int] = field(default_factory=dict)
    """Reports of each stage over all processes."""
    pending: Kill | None = None

    def run_and_kill(self, how: str, moment: Callable[[Forked], bool], harm: Callable[[], None]) -> bool:
        """Run until the moment comes, and kill; False if the run ended before."""
        victim = start(self.root.with_name("killed-run"), self.root, "run", harm=harm)
        while not victim.ended() and not moment(victim):
            time.sleep(0.001)
        if not victim.ended():
            victim.kill()
        self._note(victim)
        if victim.code != -9:
            expect(victim.code == 0, f"{how}: ended with {victim.code}: {victim.err[-3000:]}")
            return False
        events = victim.events()
        if events:
            last = events[-1]
            total = len(self.wanted.of(last.label))
            self.pending = Kill(how, last.label, victim.asset, min(1.0, self.emitted[last.label] / total))
        else:
            self.pending = Kill(how, "starting", victim.asset, 0.0)
        self.kills.append(self.pending)
        return True

    def finish(self) -> None:
        """Run to the end, and compare."""
        victim = start(self.root.with_name("last-run"), self.root, "run").wait()
        self._note(victim)
        expect(victim.code == 0, f"the last run ended with {victim.code}: {victim.err[-3000:]}")
        check_root(self.project, self.root, self.wanted)
        for label in self.wanted.labels:
            self._share_out(label)

    def _note(self, victim: Forked) -> None:
        """Count what a process did, and when it went on with what the one before had in hand."""
        events = victim.events()
        for event in events:
            self.emitted[event.label] = self.emitted.get(event.label, 0) + 1
        if self.pending is not None:
            first = next((event.at for event in events if event.label == self.pending.label), None)
            self.pending.resumed = None if first is None else first - victim.started
            self.pending = None

    def _share_out(self, label: str) -> None:
        """Divide what was repeated of a stage among the kills that hit it; what had only begun counts as a report."""
        total, here = len(self.wanted.of(label)), [kill for kill in self.kills if kill.label == label]
        more = self.emitted.get(label, 0) - total
        # A process may have kept a result and died before it said so.
        expect(more >= -len(self.kills), f"{label} reported less than without kills: {more}")
        expect(more <= 0 or bool(here), f"{label} was done again although nobody killed it: {more} of {total}")
        for kill in here:
            kill.repeated = max(0.0, more + len(here)) / len(here) / total if kill.share < 1 or more else 0.0


def kills(project: Project, wanted: Wanted, number: int, draw: random.Random) -> list[Kill]:
    """At least `number` kills; stops with the first thing that is lost."""
    done: list[Kill] = []
    count = 0
    while len(done) < number:
        one = Round(project, wanted, draw, project.copy_of(wanted.landed, "killed"))
        how = ROUND[count % len(ROUND)]
        {"stage": _by_stage, "call": _by_call, "time": _by_time}[how](one, number - len(done))
        one.finish()
        done += one.kills
        count += 1
        print(f"round {count} ({how}): {len(one.kills)} kills survived, {len(done)} of {number}", flush=True)
    return done


def _by_stage(one: Round, most: int) -> None:
    """Kill every stage once, some time after a random report of it."""
    for label in one.wanted.labels[:most]:
        reports = one.wanted.of(label)
        number = one.draw.randrange(1, len(reports) + 1)
        gaps = [after.at - before.at for before, after in pairwise(reports)]
        delay = one.draw.uniform(0, 2 * median(gaps) if gaps else 0.02)
        before = one.emitted.get(label, 0)

        def moment(victim: Forked, label: str = label, left: int = number - before, delay: float = delay) -> bool:
            if sum(event.label == label for event in victim.events()) < left:
                return False
            time.sleep(delay)
            return True

        if not one.run_and_kill("a report of a stage", moment, lambda: None):
            return


def _by_call(one: Round, most: int) -> None:
    """Let the process kill itself where it would change the disk, each time somewhere in what is left of the run."""
    left = one.wanted.calls
    for _ in range(min(most, 14)):
        call = one.draw.randrange(1, max(2, left))
        if not one.run_and_kill("a call that changes the disk", lambda _: False, at_call(call, die)):
            return
        left -= call


def _by_time(one: Round, most: int) -> None:
    """Kill after a random time."""
    for _ in range(min(most, 10)):
        late = time.monotonic() + one.draw.uniform(0.0, one.wanted.seconds / 4)

        def moment(victim: Forked, late: float = late) -> bool:
            return time.monotonic() > late

        if not one.run_and_kill("the clock", moment, lambda: None):
            return


def landings(project: Project, wanted: Wanted, number: int, draw: random.Random) -> int:
    """Kill `ser land` where it would change the disk, and land again: the same snapshot; returns how many died."""
    name = (wanted.landed / "landing" / DATASET / ".landed" / "current").read_text()
    died = 0
    while died < number:
        root = project.folder / "killed-landing"
        fault = at_call(draw.randrange(1, 40), die)
        command = ("land", str(project.pairs), "--dataset", DATASET)
        died += start(project.folder / "commands", root, *command, harm=fault).wait().code == -9
        ser(project, root, *command)
        expect((root / "landing" / DATASET / ".landed" / "current").read_text() == name, "another snapshot landed")
        expect(not leftovers(root), f"left over: {leftovers(root)}")
        shutil.rmtree(root)
    return died
