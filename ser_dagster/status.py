"""`ser status`: what has landed, and what was made of it."""

from typing import Any

from resources.heads import known_runs
from resources.locks import is_owned
from resources.settings import data_root, load_settings
from resources.workshop import Workshop, landing


def status() -> dict[str, Any]:
    """Every dataset with its snapshot and counts, and every run's settings with how far it came."""
    root = data_root()
    zone = landing(root, load_settings())
    runs = [_run(Workshop(root, settings, snapshot)) for snapshot, settings in known_runs(root)]
    datasets = [{"dataset": name, **zone.counts(name)} for name in zone.datasets()]
    return {"data_root": str(root), "datasets": datasets, "runs": runs}


def _run(work: Workshop) -> dict[str, Any]:
    promotion = work.heads.find("evolved_rm")
    evaluation = work.heads.find("policy_evaluation")
    return {
        "snapshot": work.snapshot,
        "settings": work.settings.digest,
        "recipe": work.settings.recipe,
        "running": is_owned(work.root, work.snapshot),
        "made": list(work.heads.made()),
        "promoted_loop": promotion.summary["promoted_loop"] if promotion else None,
        "win_rate": evaluation.summary["win_rate"]["value"] if evaluation else None,
    }


def print_status(found: dict[str, Any]) -> None:
    """The status for a person."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    landed = Table("dataset", "snapshot", "pairs", "labelled", "unlabelled", title="Landed")
    for row in found["datasets"]:
        landed.add_row(*(str(row[name]) for name in ("dataset", "snapshot", "pairs", "labelled", "unlabelled")))
    runs = Table("snapshot", "settings", "recipe", "state", "promoted", "win rate", title="Runs")
    for row in found["runs"]:
        state = "running" if row["running"] else f"{len(row['made'])} artifacts"
        loop = row["promoted_loop"]
        promoted = "not yet" if loop is None else "seed RM" if loop == 0 else f"loop {loop}"
        rate = "" if row["win_rate"] is None else f"{row['win_rate']:.1%}"
        runs.add_row(row["snapshot"], row["settings"], row["recipe"], state, promoted, rate)
    console.print(landed if found["datasets"] else "Nothing has landed yet: ser land FILE --dataset NAME")
    if found["runs"]:
        console.print(runs)
