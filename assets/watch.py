"""The watch over loops: numbers for plots, and checks that warn of drift.

All of it belongs to the audit, because some of it reads the vault, which nothing that belongs to a loop may reach.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.audit import LEFT, audit_path, why_left
from assets.checks import LOOK_AT
from assets.ser_resource import SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.audit.database import NothingAudited
from resources.audit.watch import Watch, read_watch
from resources.audit.writing import AuditBusy
from resources.evolution import Evolution
from ser.method.watch import MARGINS_APART, SIGNS, UNLIKE, Sign, signs_of, unlike_words

LIKE_THE_POOL = "human_pairs_are_like_the_pool"
_LIKE = (
    "Neither a classifier of texts and sources nor the seed RM's margins tell the human-labelled pairs from the pool."
)
_LOOK_AT_SHIFT = "ser audit shift: in what they differ; label some pairs of the pool (ser review export)"


def watch_checks() -> dg.AssetChecksDefinition:
    """The checks of everything that is watched, which one step makes; warnings, because a sign is no proof."""
    about = {sign.name: sign.about for sign in SIGNS} | {LIKE_THE_POOL: _LIKE}
    specs = [
        dg.AssetCheckSpec(name, asset=keys.AUDIT_SYNC, description=description, partitions_def=SNAPSHOTS)
        for name, description in about.items()
    ]

    @dg.multi_asset_check(name="watch_over_loops", specs=specs)
    def watch_over_loops(context: dg.AssetCheckExecutionContext, ser: SerResource) -> Iterator[dg.AssetCheckResult]:
        work = ser.evolution(context)
        watch, left = _read(context, work)
        for name in about:
            metadata: dict[str, Any] = {"evolution": work.identity}
            if watch is None:
                yield _warning(name, metadata | {LEFT: left}, passed=False)
            else:
                found = _found(name, watch)
                yield _warning(name, metadata | _measured(name, watch) | found, passed=not found)

    return watch_over_loops


def _read(context: dg.AssetCheckExecutionContext, work: Evolution) -> tuple[Watch | None, str]:
    """What is watched, or None and why that has to wait for the next run."""
    if (why := why_left(context)) is not None:
        return None, why
    try:
        watch = read_watch(audit_path(work.root), work.identity)
    except (AuditBusy, NothingAudited) as error:
        return None, str(error)
    return (watch, "") if watch.loops else (None, f"The audit has nothing of {work.identity} yet.")


def _found(name: str, watch: Watch) -> dict[str, str]:
    """What is seen of a sign, and what to look at; empty if nothing is."""
    if name == LIKE_THE_POOL:
        seen_of_all = unlike_words(watch.shift)
        return {"seen": seen_of_all, LOOK_AT: _LOOK_AT_SHIFT} if seen_of_all else {}
    seen = signs_of(watch.loops)[name]
    return {"seen": "\n".join(seen), LOOK_AT: _sign(name).look_at} if seen else {}


def _sign(name: str) -> Sign:
    return next(sign for sign in SIGNS if sign.name == name)


def _measured(name: str, watch: Watch) -> dict[str, Any]:
    """The numbers of the check of the data; those of the loops stand with the sync, and here where there are any."""
    if name != LIKE_THE_POOL:
        sign = _sign(name)
        return {"limit": sign.limit, "measured_in": ", ".join(sign.measured_in(watch.loops)) or "no loop"}
    if watch.shift is None:
        return {}
    names = ("auc", "ci_low", "ci_high", "n_human", "n_pool", "margins_apart", "margins_low", "margins_high")
    told = {key: "too few pairs" if watch.shift[key] is None else watch.shift[key] for key in names}
    return told | {"limit_of_ci_low": UNLIKE, "limit_of_margins": MARGINS_APART}


def _warning(name: str, metadata: dict[str, Any], *, passed: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=dg.AssetKey(keys.AUDIT_SYNC),
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
