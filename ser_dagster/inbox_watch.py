"""The inbox, as the landing sensor looks at it: every folder is fetched by itself, and a slow one holds up no other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from resources.landing.inbox import datasets_in, fetch
from resources.settings_file import data_root
from ser_dagster.background import Background
from ser_dagster.landing_process import words_of
from ser_dagster.looks import WAITS, Look

_LIST = ""
"""The name of the work that finds out which folders there are."""


@dataclass
class Fetched:
    """What is in the inbox, or was fetched from a folder of it; `told` is what is passed over there, and why."""

    names: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    failure: Exception | None = None


def look_at_inbox(uri: str, work: Background[Fetched]) -> dict[str, Look]:
    """Fetch what is new; what stops it is told in the end, and what is here already lands."""
    work.begin(_LIST, partial(_fetched, partial(datasets_in, uri)))
    listed = work.results([_LIST], WAITS).get(_LIST, Fetched())
    for dataset in listed.names:
        work.begin(dataset, partial(_fetched, partial(_copies, uri, dataset)))
    folders = work.results([name for name in work.going_on() if name != _LIST], WAITS)
    count = sum(len(found.names) for found in folders.values())
    slow = ", ".join(f"{name or 'its list of folders'} ({age:,.0f} s)" for name, age in work.going_on().items())
    looks = {"the inbox": Look(f"{count} files were fetched" + (f"; still at work: {slow}" if slow else ""))}
    failures = [found.failure for found in (listed, *folders.values()) if found.failure]
    if failures:
        looks["the inbox"] = Look("; ".join(map(words_of, failures)), failure=failures[0])
    wrong = [line for found in (listed, *folders.values()) for line in found.told]
    return looks | ({"passed over in the inbox": Look("; ".join(wrong))} if wrong else {})


def _copies(uri: str, dataset: str, tell: Callable[[str], None]) -> list[str]:
    return [copy.name for copy in fetch(uri, data_root(), dataset, tell)]


def _fetched(work: Callable[[Callable[[str], None]], list[str]]) -> Fetched:
    told: list[str] = []
    try:
        return Fetched(work(told.append), told)
    except Exception as error:  # noqa: BLE001 - it is told, and stops nothing else
        return Fetched(told=told, failure=error)
