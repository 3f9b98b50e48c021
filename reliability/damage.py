"""Damaged artifacts: what was changed is found when it is read, named, and made again from its inputs."""

import random
from pathlib import Path

from reliability.checks import Wanted, expect, ser
from reliability.forked_command import start
from reliability.project import Project, artifacts, differences


def damaged_artifacts(project: Project, wanted: Wanted, draw: random.Random) -> tuple[int, set[str]]:
    """Flip a bit of, or truncate, every file of every artifact of a finished run; how many, and of which kinds.

    Each run meets one damaged file in every artifact that still has files to damage.
    """
    root = project.copy_of(wanted.root, "damaged")
    folders = sorted({path.parent for path in (root / "artifacts").rglob("manifest.json")})
    waiting = {folder: _faults(folder, draw) for folder in folders}
    count, kinds = 0, set()
    while any(waiting.values()):
        hit = {folder: faults.pop() for folder, faults in waiting.items() if faults}
        for folder, (name, flip) in hit.items():
            _damage(folder / name, flip, draw)
            kinds.add(f"{_kind(folder, root)}: {name}")
        victim = start(project.folder / "damaged-run", root, "run").wait()
        expect(victim.code == 0, f"ended with {victim.code}: {victim.err[-3000:]}")
        for folder, (name, _) in hit.items():
            expect(f"{folder.parent.name}/{folder.name}" in victim.err, f"{folder} was not named: {victim.err[-3000:]}")
            expect(name in victim.err, f"{name} was not named")
        other = differences(wanted.files, artifacts(root))
        expect(not other, f"not made again as it was: {other[:3]}")
        count += len(hit)
    return count, kinds


def _faults(folder: Path, draw: random.Random) -> list[tuple[str, bool]]:
    """Every file of an artifact, once to be flipped and once to be cut, in any order."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    faults = [(name, flip) for name in names for flip in (True, False)]
    draw.shuffle(faults)
    return faults


def _damage(path: Path, flip: bool, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if flip and data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
    elif data:
        path.write_bytes(data[: draw.randrange(len(data))])
    else:
        path.write_bytes(b"\0")


def _kind(folder: Path, root: Path) -> str:
    """The asset of an artifact, one loop standing for all."""
    key = folder.parent.relative_to(root / "artifacts").as_posix()
    return "/".join("loop" if part.startswith("loop_") else part for part in key.split("/"))


def damaged_audit(project: Project, wanted: Wanted, draw: random.Random) -> int:
    """Delete, cut, flip and overwrite the audit database: it is said, and `ser audit --rebuild` makes it again."""
    root = project.copy_of(wanted.root, "damaged-audit")
    path = root / "audit.duckdb"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    for place in draw.sample(range(4096, len(whole)), len(whole) // 4000):
        flipped[place] ^= 0xFF
    bad = [None, b"", whole[: len(whole) // 2], bytes(flipped), draw.randbytes(9000), whole[:12000]]
    everything = "SELECT * FROM self_labels JOIN pairs USING (pair_id) ORDER BY loop, pair_id"
    before = ser(project, wanted.root, "audit", "--sql", everything, "--format", "json")
    for data in bad:
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        error = ser(project, root, "audit", "--sql", everything, code=1)
        expect("ser audit --rebuild" in error or "ser run" in error, f"no remedy is named: {error}")
        ser(project, root, "audit", "--rebuild")
        expect(ser(project, root, "audit", "--sql", everything, "--format", "json") == before, "other rows")
    return len(bad)
