"""The sections of the report: each harms, checks, and returns what it found as Markdown."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median

from bench.measure import table
from reliability.abuse import meet_all
from reliability.browser import hostile_pages
from reliability.checks import Wanted
from reliability.concurrency import a_reader, two_runs
from reliability.damage import damaged_artifacts, damaged_audit
from reliability.disks import SHARES, Faults, cut_off_writes, failing_disks, full_disks, full_landings
from reliability.fuzz import in_parts
from reliability.kills import Kill, kills, landings
from reliability.project import Project


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    seed: int
    kills: int
    inputs: int
    draw: random.Random

    def command(self, section: str) -> str:
        """The options, as they were given, that a section depends on."""
        more = {"kills": f" --kills {self.kills}", "fuzz": f" --inputs {self.inputs}"}
        return f" --seed {self.seed}{more.get(section, '')}"


@cache
def wanted(project: Project) -> Wanted:
    """The undisturbed run that everything is compared with."""
    return Wanted(project)


def _kills(project: Project, options: Options) -> str:
    found = kills(project, wanted(project), options.kills, options.draw)
    landed = landings(project, wanted(project), 10, options.draw)
    resumed = sorted(kill.resumed for kill in found if kill.resumed is not None)
    stages = sorted({_stage(kill.label) for kill in found})
    return (
        f"**{len(found)} runs and {landed} landings were killed** with `kill -9` and continued. Nothing was lost: "
        "every file is the undisturbed run's, the audit has the same rows and no duplicate, nothing half-made is left, "
        "and no run seems to go on. From the start of the next process (its imports done) to new work of the stage "
        f"in hand: {median(resumed):.1f} s (median), {resumed[-1]:.1f} s (longest). {_how(found)} {_where(found)}\n\n"
        + table(
            [_of_stage(name, [kill for kill in found if _stage(kill.label) == name]) for name in stages],
            ["stage in hand", "kills", "work repeated: median", "most", "it keeps what it has done"],
        )
    )


def _how(found: list[Kill]) -> str:
    counts = Counter(kill.how for kill in found)
    return "The moment was decided by " + ", ".join(f"{how} ({n})" for how, n in counts.most_common()) + "."


def _where(found: list[Kill]) -> str:
    counts = Counter(kill.asset.replace("__", "/") for kill in found)
    return "Begun last was: " + ", ".join(f"{asset} ({n})" for asset, n in sorted(counts.items())) + "."


def _stage(label: str) -> str:
    """The kind of work behind a label."""
    name = label.rsplit("/", 1)[-1]
    if label.startswith("states/"):
        return "trunk"
    if name.endswith(".heldout"):
        return "heldout"
    return "train" if name in ("seed_rm", "retrained_rm") else name


def _of_stage(name: str, found: list[Kill]) -> list[str]:
    shares = [kill.repeated for kill in found]
    return [name, str(len(found)), f"{median(shares):.1%}", f"{max(shares):.1%}", KEEPS.get(name, "–")]


def _disks(project: Project, options: Options) -> str:
    what = wanted(project)
    rows = []
    full = full_disks(project, what)
    if full is None:
        rows.append(["a full disk", "not done: no tmpfs could be mounted here", "", ""])
    else:
        rows.append(_faults(f"a full disk, with room for {SHARES[0]:.0%} to {SHARES[-1]:.0%} of a run", full))
        rows.append(_faults("a full disk, under a landing", full_landings(project, what)))
    rows.append(_faults("a write refused in the middle of a large file", cut_off_writes(project, what)))
    failing = failing_disks(project, what, 24, options.draw)
    rows.append(_faults("an input/output error of a call that changes the disk", failing))
    return table(rows, ["fault", "times", "an error of one or two lines", "did without, or wrote it later"]) + (
        "\n\nAfter each, the same command was run again: it ended with the bytes and the audit of the undisturbed run."
    )


def _faults(name: str, found: Faults) -> list[str]:
    return [name, str(found.said + found.went_on), str(found.said), str(found.went_on)]


def _damage(project: Project, options: Options) -> str:
    what = wanted(project)
    files, kinds = damaged_artifacts(project, what, options.draw)
    databases = damaged_audit(project, what, options.draw)
    return (
        f"{files} files of artifacts, of {len(kinds)} kinds, had a bit flipped or their end cut off: each was found "
        "when it was read, named, and made again with the same bytes. "
        f"The audit database was deleted, emptied, cut, flipped and overwritten ({databases} times): each time it was "
        "said with its remedy, and `ser audit --rebuild` brought back the same rows."
    )


def _company(project: Project, options: Options) -> str:
    seen = two_runs(project, wanted(project), 6)
    a_reader(project, wanted(project))
    return (
        f"Two `ser run` of one snapshot were started 6 times: one worked, and {seen} times the other said who does "
        "(it found everything done the other times). A reader held the audit database open during a whole run: the run "
        "succeeded, and the next one brought its rows. Bytes and audit were those of the undisturbed run."
    )


def _fuzz(project: Project, options: Options) -> str:
    found = in_parts(project.folder, options.inputs, options.seed)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items()))
    rows = found.rows
    return (
        f"**{found.files:,} files** ({kinds}), all but {found.whole:,} of them damaged, were landed without a crash. "
        f"Of their {rows['read']:,} rows "
        f"{rows['landed']:,} landed, {rows['duplicates']:,} were duplicates and {rows['quarantined']:,} went to "
        "quarantine: every row is accounted for."
    )


def _browser(project: Project, options: Options) -> str:
    found = hostile_pages(project.folder / "browser")
    if found is None:
        return "Not done: there is no `chromium` here."
    rows = [
        [kind, str(found.tried[kind]), "0", f"{found.bare_done[kind]} of {found.bare_tried[kind]}"]
        for kind in found.tried
    ]
    return (
        table(rows, ["what the page tried", "attempts", "of them successful", "against Dagster's bare web server"])
        + f"\n\n**{found.tried.total():,} attempts: 0 runs started, 0 assets wiped, 0 events forged, 0 partitions "
        f"added, 0 bytes read.** They were made by pages from: {'; '.join(found.rounds)}. Afterwards the page's own "
        f"tab in the attacked browser {', '.join(found.honest)}."
    )


def _abuse(project: Project, options: Options) -> str:
    found = meet_all()
    slowest, largest = max(met.seconds for _, met in found), max(met.memory for _, met in found)
    return (
        f"**{len(found)} hostile inputs**: the longest took {slowest:.0f} s, and the most memory was "
        f"{largest / 1e6:.0f} MB, that of the process and of its largest child together.\n\n"
        + table(
            [
                [case.name, _size(met.size), f"{met.seconds:.1f}", f"{met.memory / 1e6:.0f}", met.outcome]
                for case, met in found
            ],
            ["input", "on the disk", "seconds", "MB of memory", "what came of it"],
        )
    )


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 10**5 else f"{size / 1e3:.1f} kB"


KEEPS = {
    "trunk": "states, slice by slice (a second or two, or a 64th)",
    "train": "checkpoints, every 20 steps or less, less than a tenth with the step in hand",
    "judge_rm": "checkpoints of each fold, scores slice by slice",
    "heldout": "scores, slice by slice",
    "self_labels": "scores, slice by slice",
    "ppo_policy": "a checkpoint after every rollout",
    "policy_evaluation": "answers, batch by batch",
    "starting": "nothing had begun",
}
"""What a killed process of each stage leaves for the next one."""

ALL: dict[str, Callable[[Project, Options], str]] = {
    "kills": _kills,
    "disks": _disks,
    "damage": _damage,
    "company": _company,
    "fuzz": _fuzz,
    "browser": _browser,
    "abuse": _abuse,
}
