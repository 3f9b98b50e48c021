"""What came of a landing, in words, for the terminal, and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from resources.landing.landed import Landed
from resources.landing.stage import FileReport
from ser.data.role_assignment import Assignment
from ser.terminal import one_line

_REASONS = 8
_COLUMNS = 12


def landing_lines(done: Landed, *, dry: bool = False) -> Iterator[str]:
    """What was read and what became of it, the reasons with their counts, each unread file by name."""
    for file in done.files:
        yield from map(one_line, _file_lines(file))
    yield f"{done.dataset}: {summary_line(done)}."
    if done.unnamed_votes:
        yield (
            f"  {done.unnamed_votes:,} x a vote without `annotator` on a pair that had landed before: each file votes "
            "once more for the rows that it repeats; with a column `annotator` it would not"
        )
    for reason in done.reasons[:_REASONS]:
        yield one_line(f"  {reason['rows']:,} x {reason['reason']}")
    if len(done.reasons) > _REASONS:
        yield f"  and {len(done.reasons) - _REASONS} more reasons"
    if done.quarantined and not dry:
        yield f"  What was quarantined, and what would mend it: ser quarantine --dataset {done.dataset}"


def summary_line(done: Landed) -> str:
    """What became of the rows, in one sentence."""
    return (
        f"read {done.read:,} rows: {done.landed:,} landed, {done.duplicates:,} duplicates, "
        f"{done.quarantined:,} quarantined; {done.labels_added:,} labels added to known pairs"
    )


def _file_lines(file: FileReport) -> Iterator[str]:
    if file.unread:
        yield f"{file.name} was not read: {file.unread}"
        return
    said = [*(f"{rows:,} rows read as {shape}" for shape, rows in file.shapes.items()), *file.format]
    if file.pairs:
        said.append(f"{file.labelled:,} of {file.pairs:,} pairs with a label")
    if said:
        yield f"{file.name}: {'; '.join(said)}."
    for note, rows in file.notes.items():
        yield f"  {rows:,} x {note}"
    if file.columns and not (file.shapes and file.labelled):
        more = ", …" if len(file.columns) > _COLUMNS else ""
        yield f"  {'no label was read; ' if file.shapes else ''}its columns: {', '.join(file.columns[:_COLUMNS])}{more}"


def counts_line(counts: Mapping[str, int]) -> str:
    """Pairs by role."""
    unused = f", {counts['unused']:,} unused" if counts["unused"] else ""
    return (
        f"{counts['seed']:,} seed, {counts['calibration']:,} calibration, {counts['test']:,} test, "
        f"{counts['pool']:,} pool ({counts['vault']:,} with a label, in the vault){unused}"
    )


def role_lines(assignment: Assignment) -> Iterator[str]:
    """What the pairs of a snapshot are used for, and what a person should know of that."""
    yield f"  {counts_line(assignment.counts)}"
    if assignment.fractions.simulated and assignment.counts["vault"]:
        yield (
            "  A simulation: nearly all pairs are labelled, so the labels of the pool are kept in the vault, and "
            f"{assignment.fractions.seed:.0%} of those for training are seed (roles.seed_fraction)."
        )
    yield from (f"  {sentence}" for sentence in assignment.oddities())


def flip_line(before: Assignment | None, after: Assignment) -> str | None:
    """That the rule for the seed's share gives another answer than for the snapshot before; a set share never does."""
    if before is None or before.fractions.simulated == after.fractions.simulated:
        return None
    if before.fractions.seed == after.fractions.seed:
        return None
    why = "nearly all pairs are labelled now" if after.fractions.simulated else "there is an unlabelled pool now"
    return (
        f"The seed's share changes from {before.fractions.seed:.0%} to {after.fractions.seed:.0%} of the training "
        f"labels, because {why}. To keep it: roles.seed_fraction = {before.fractions.seed:g} in ser.toml."
    )


def landing_json(done: Landed, assignment: Assignment | None) -> dict[str, Any]:
    """The same as one JSON object."""
    document = asdict(done)
    unread = [{"file": file.name, "reason": file.unread} for file in done.files if file.unread]
    return document | {"unread": unread, "roles": None if assignment is None else assignment.counts}
