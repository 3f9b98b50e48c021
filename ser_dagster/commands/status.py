"""`ser status`: what has landed, what was made of it, and what the store holds."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources import asset_keys as keys
from resources.heads import KnownEvolution, known_evolutions
from resources.known_evolutions import open_evolution
from resources.landing.ignored_files import misplaced
from resources.landing.zone import Landing
from resources.locks import owner_of
from resources.reporter import SCREEN
from resources.settings_file import data_root, load_settings
from resources.store_contents import store_summary
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser_dagster.commands.landing_words import counts_line

if TYPE_CHECKING:
    from rich.table import Table


def status_command(parsed: argparse.Namespace) -> None:
    """Print the status."""
    if parsed.json:
        print(json.dumps(status()))
    else:
        print_status(status())


def status() -> dict[str, Any]:
    """Every dataset with its snapshot and counts, every evolution with how far it came, and the contents of the store.

    `misplaced` says what lies in the landing folder and never lands, `unread` of which files there nothing could land,
    `damage` what is wrong with evolutions that cannot be read.
    """
    root = data_root()
    zone = Landing(root, load_settings())
    damage: list[str] = []
    evolutions = [_evolution(root, one) for one in known_evolutions(root, damage.append)]
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
        "evolutions": evolutions,
        "damage": damage,
        "store": store_summary(root),
    }


def _dataset(zone: Landing, name: str) -> dict[str, Any]:
    """A dataset's snapshot, counts and roles; of one that is damaged only what is wrong with it."""
    try:
        counts = zone.counts(name)
        return {"dataset": name, **counts, "roles": zone.roles(counts["snapshot"]).counts}
    except SerError as error:
        return {"dataset": name, "damage": str(error)}


def _evolution(root: Path, known: KnownEvolution) -> dict[str, Any]:
    work = open_evolution(root, known, screen=SCREEN)
    promotion = work.find(keys.EVOLVED_RM)
    behind_the_gate = promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN
    evaluation = None if behind_the_gate else work.find(keys.POLICY_EVALUATION)  # or it is an earlier execution's
    return {
        "evolution": known.identity,
        "name": known.name,
        "snapshot": work.snapshot,
        "settings": work.settings.digest,
        "recipe": work.settings.recipe,
        "executed_at": known.executed_at,
        "running": owner_of(root, known.identity) is not None,
        "made": list(work.heads.made()),
        "pruned": work.heads.pruned(),
        "promoted_loop": promotion.summary["promoted_loop"] if promotion else None,
        "verdict": promotion.summary["verdict"] if promotion else None,
        "gate": promotion.summary["gate"] if promotion else None,
        "win_rate": evaluation.summary["win_rate"]["value"] if evaluation else None,
    }


def print_status(found: dict[str, Any]) -> None:
    """The status for a person: whole names, whatever the width of the terminal."""
    from rich.console import Console

    console = Console()
    for line in _lines(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_store_table(found["store"]))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if not found["datasets"]:
        yield "Nothing has landed yet: ser land FILE --dataset NAME"
    for row in found["datasets"]:
        if "damage" in row:
            yield row["damage"]
            continue
        pairs, labelled, unlabelled = (f"{row[name]:,}" for name in ("pairs", "labelled", "unlabelled"))
        yield f"{row['dataset']}: {pairs} pairs, {labelled} labelled, {unlabelled} unlabelled"
        yield f"  snapshot {row['snapshot']}"
        yield f"  {counts_line(row['roles'])}"
    for row in found["unread"]:
        yield f"{row['dataset']}: {row['file']} was not read: {row['reason']}"
    for line in found["misplaced"]:
        yield f"Passed over: {line}"
    yield from found["damage"]
    for row in found["evolutions"]:
        called = f" ({row['name']})" if row["name"] else ""
        yield f"evolution {row['evolution']}{called}, recipe {row['recipe']}"
        yield f"  {_state(row)}"


def _state(evolution: dict[str, Any]) -> str:
    """How far an evolution came, and what came of it."""
    loop = evolution["promoted_loop"]
    said = ["running"] if evolution["running"] else ["pruned"] if evolution["pruned"] else []
    said.append(f"{len(evolution['made'])} artifacts")
    if evolution["verdict"] == GATE_NOT_SHOWN:
        said.append("the gate is closed: the seed RM stays")
    else:
        said.append("not finished" if loop is None else f"promoted: {'the seed RM' if loop == 0 else f'loop {loop}'}")
    if evolution["win_rate"] is not None:
        said.append(f"win rate of the policy {evolution['win_rate']:.1%}".replace("%", " %"))
    return ", ".join(said)


def _store_table(store: dict[str, Any]) -> "Table":
    from rich.filesize import decimal
    from rich.table import Table

    table = Table("what", "number", "bytes", title="Store")
    for row in store["kinds"]:
        table.add_row(row["kind"], f"{row['artifacts']:,}", decimal(row["bytes"]))
    table.add_section()
    table.add_row("all artifacts", f"{store['artifacts']:,}", decimal(store["bytes"]))
    names = {
        "unreferred": "artifacts that no evolution refers to",
        "unfinished": "unfinished temporary folders",
        "damaged": "damaged, put aside",
        "pruned": "records of pruned artifacts",
        "caches": "caches of trunk states",
    }
    for name, words in names.items():
        number, size = store[name].values()
        table.add_row(words, f"{number:,}", decimal(size))
    return table
