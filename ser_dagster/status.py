"""`ser status`: what has landed, what was made of it, and what the store holds."""

from typing import TYPE_CHECKING, Any

from resources.heads import known_runs
from resources.landing.misplaced import misplaced
from resources.landing.zone import Landing
from resources.locks import is_owned
from resources.settings import data_root, load_settings
from resources.store_contents import store_summary
from resources.workshop import Workshop
from ser.errors import SerError
from ser.promotion import GATE_NOT_SHOWN

if TYPE_CHECKING:
    from rich.table import Table


NUMBERS = ("pairs", "labelled", "unlabelled")
ROLES = ("seed", "calibration", "test", "pool", "vault")


def status() -> dict[str, Any]:
    """Every dataset with its snapshot and counts, every run with how far it came, and the contents of the store.

    `misplaced` says what lies in the landing folder and never lands, `unread` of which files there nothing could land.
    """
    root = data_root()
    zone = Landing(root, load_settings())
    runs = [_run(Workshop(root, settings, snapshot, terminal=True)) for snapshot, settings in known_runs(root)]
    datasets = [_dataset(zone, name) for name in zone.datasets()]
    return {
        "data_root": str(root),
        "datasets": datasets,
        "misplaced": misplaced(root),
        "unread": [
            {"dataset": name, "file": file, "reason": reason}
            for name in zone.folders()
            for file, reason in zone.unread(name).items()
        ],
        "runs": runs,
        "store": store_summary(root),
    }


def _dataset(zone: Landing, name: str) -> dict[str, Any]:
    """A dataset's snapshot, counts and roles; of one that is damaged only what is wrong with it."""
    try:
        counts = zone.counts(name)
        return {"dataset": name, **counts, "roles": zone.roles(counts["snapshot"]).counts}
    except SerError as error:
        return {"dataset": name, "damage": str(error)}


def _run(work: Workshop) -> dict[str, Any]:
    promotion = work.find("evolved_rm")
    behind_the_gate = promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN
    evaluation = None if behind_the_gate else work.find("policy_evaluation")  # or it is an earlier run's
    return {
        "snapshot": work.snapshot,
        "settings": work.settings.digest,
        "recipe": work.settings.recipe,
        "running": is_owned(work.root, work.snapshot),
        "made": list(work.heads.made()),
        "pruned": work.heads.pruned(),
        "promoted_loop": promotion.summary["promoted_loop"] if promotion else None,
        "verdict": promotion.summary["verdict"] if promotion else None,
        "gate": promotion.summary["gate"] if promotion else None,
        "win_rate": evaluation.summary["win_rate"]["value"] if evaluation else None,
    }


def print_status(found: dict[str, Any]) -> None:
    """The status for a person."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    landed = Table("dataset", "snapshot", *NUMBERS, *ROLES, title="Landed, and what it is used for")
    for row in found["datasets"]:
        if "damage" in row:
            console.print(row["damage"], markup=False, highlight=False, soft_wrap=True)
            continue
        numbers = (f"{row[name]:,}" for name in NUMBERS)
        landed.add_row(row["dataset"], row["snapshot"], *numbers, *(f"{row['roles'][name]:,}" for name in ROLES))
    runs = Table("snapshot", "settings", "recipe", "state", "promoted", "win rate", title="Runs")
    for row in found["runs"]:
        made = "pruned" if row["pruned"] else f"{len(row['made'])} artifacts"
        state = "running" if row["running"] else made
        loop = row["promoted_loop"]
        promoted = "not yet" if loop is None else "seed RM" if loop == 0 else f"loop {loop}"
        if row["verdict"] == GATE_NOT_SHOWN:
            promoted = "seed RM (gate not shown)"
        rate = "" if row["win_rate"] is None else f"{row['win_rate']:.1%}"
        runs.add_row(row["snapshot"], row["settings"], row["recipe"], state, promoted, rate)
    console.print(landed if found["datasets"] else "Nothing has landed yet: ser land FILE --dataset NAME")
    for row in found["unread"]:
        line = f"{row['dataset']}: {row['file']} was not read: {row['reason']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in found["misplaced"]:
        console.print(f"Passed over: {line}", markup=False, highlight=False, soft_wrap=True)
    if found["runs"]:
        console.print(runs)
    console.print(_store_table(found["store"]))


def _store_table(store: dict[str, Any]) -> "Table":
    from rich.filesize import decimal
    from rich.table import Table

    table = Table("what", "number", "bytes", title="Store")
    for row in store["kinds"]:
        table.add_row(row["kind"], f"{row['artifacts']:,}", decimal(row["bytes"]))
    table.add_section()
    table.add_row("all artifacts", f"{store['artifacts']:,}", decimal(store["bytes"]))
    names = {
        "unreferred": "artifacts that no head refers to",
        "unfinished": "unfinished temporary folders",
        "damaged": "damaged, put aside",
        "pruned": "records of pruned artifacts",
    }
    for name, words in names.items():
        number, size = store[name].values()
        table.add_row(words, f"{number:,}", decimal(size))
    return table
