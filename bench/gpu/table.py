"""The table of what was measured, for `docs/performance.md`."""

from collections.abc import Sequence

from bench.gpu.rows import Journal, Row
from bench.measure import table

HEADINGS = [
    "work", "against", "ratio", "must", "aim", "reached", "ours", "peer", "of the ceiling: ours", "peer",
    "GB: ours", "peer", "rewards apart: most", "mean", "note",
]  # fmt: skip


def report(journal: Journal) -> str:
    """What it was measured on, and a table of all rows.

    Raises:
        ValueError: there is nothing to report.
    """
    if not journal.runs:
        raise ValueError(f"{journal.folder} has no rows")
    last = journal.runs[-1]
    dates = sorted({run.date for run in journal.runs})
    ceilings = " and ".join(f"{run.ceiling_tflops:.3g}" for run in journal.runs)
    about = (
        f"{last.card}; {last.versions}; {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; `python -m bench gpu`, "
        f"{len(journal.runs)} call{'s' if len(journal.runs) > 1 else ''}; a large matrix product: {ceilings} TFLOP/s."
    )
    return f"{about}\n\n{table([cells(row) for row in journal.rows], HEADINGS)}"


def cells(row: Row) -> list[str]:
    """A row as text."""
    sign = "≤ " if row.lower else ""
    targets = [f"{sign}{target:g}" if target is not None else "–" for target in (row.must, row.aim)]
    return [
        row.work,
        row.peer or "–",
        f"**{row.ratio:.2f}**" if row.ratio is not None else "–",
        *targets,
        row.reached,
        *(f"{_rounded(side)} {row.unit}/s" if side is not None else "–" for side in (row.ours, row.theirs)),
        *(f"{side:.1%}" if side is not None else "–" for side in (row.share_ours, row.share_theirs)),
        *(f"{side:.1f}" if side is not None else "–" for side in (row.gb_ours, row.gb_theirs)),
        *(f"{side:.1e} σ" if side is not None else "–" for side in (row.largest, row.mean)),
        _note(row).replace("|", "\\|") or "–",
    ]


def _note(row: Row) -> str:
    """What else there is to say."""
    if row.loss_ours is None or row.loss_theirs is None:
        return row.note
    return f"first loss {row.loss_ours:.4f}, the peer's {row.loss_theirs:.4f}"


def _rounded(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"


def missing(journal: Journal, sections: Sequence[str]) -> list[str]:
    """The sections that are still to be measured."""
    return [name for name in sections if name not in journal.sections]
