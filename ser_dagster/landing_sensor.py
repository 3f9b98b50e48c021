"""The landing sensor: what is put into the landing folders lands, and each new snapshot is run once."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

import dagster as dg

from assets.ser_resource import SNAPSHOTS, run_config
from resources import asset_keys as keys
from resources.artifacts import ArtifactStore
from resources.heads import Heads
from resources.landing.folders import links_out
from resources.landing.ignored_files import misplaced
from resources.landing.waiting import Arrivals
from resources.landing.zone import Landing
from resources.launchers import in_process
from resources.locks import owner_of
from resources.settings import Automation, Settings
from resources.settings_file import data_root, load_settings
from ser.errors import SerError
from ser.method.promotion import GATE_NOT_SHOWN
from ser_dagster.background import Background
from ser_dagster.inbox_watch import Fetched, look_at_inbox
from ser_dagster.jobs import Job
from ser_dagster.landing_process import LandingReport, land_apart, words_of
from ser_dagster.looks import WAITS, Look

PATIENCE = 10
"""Quiet periods after which files land although others keep coming."""

_NAMED = 10
_PASSED_OVER = "passed over"
_LINK = "its folder is a link out of the landing folder, and is passed over"


def landing_sensor(job: Job, automation: Automation) -> dg.SensorDefinition:
    """A sensor that lands what waits and requests runs of `job`."""

    landings: Background[Look] = Background()
    inbox: Background[Fetched] = Background()

    @dg.sensor(
        name="landing",
        description="Lands finished files of landing folder and inbox, and requests one run of each new snapshot.",
        job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        # Often enough that a burst ends where its quiet period ends, seldom enough to cost nothing.
        minimum_interval_seconds=round(min(max(automation.quiet_seconds / 2, 1), 30)),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Lands finished files and requests one run of each new snapshot."""
        settings = load_settings()
        store = ArtifactStore(data_root() / "artifacts", in_process)
        zone = Landing(data_root(), settings)
        done: dict[str, str] = json.loads(context.cursor or "{}")
        looks = {} if settings.automation.inbox is None else look_at_inbox(settings.automation.inbox, inbox)
        for dataset in zone.folders():
            landings.begin(dataset, partial(look, zone, store, settings, dataset, done.get(dataset)))
        landings.begin(_PASSED_OVER, lambda: Look("; ".join(misplaced(data_root()))))
        looks |= _taken(landings, done)
        looks |= {dataset: Look(_LINK) for dataset in links_out(data_root())}
        looks = {dataset: found.redacted() for dataset, found in looks.items()}
        for dataset, found in looks.items():
            if found.failure is None:
                context.log.info(f"{dataset}: {found.reason}")
            else:
                context.log.error(f"{dataset}: {found.reason}", exc_info=found.failure)
        return _result(looks, settings)

    return sensor


def _taken(landings: Background[Look], done: Mapping[str, str]) -> dict[str, Look]:
    """What the looks that have ended found, and of those that go on how long they have."""
    found = landings.results(landings.going_on(), WAITS)
    passed_over = found.pop(_PASSED_OVER, None)
    slow = {name: age for name, age in landings.going_on().items() if name != _PASSED_OVER}
    looks = found | {name: Look(_slow(age), settled=done.get(name)) for name, age in slow.items()}
    return looks | {_PASSED_OVER: passed_over} if passed_over and passed_over.reason else looks


def _slow(age: float) -> str:
    return f"its files have been landing for {age:,.0f} s, and go on; no other waits for them"


def look(zone: Landing, store: ArtifactStore, settings: Settings, dataset: str, done: str | None) -> Look:
    """Land what waits for a dataset, and decide whether its snapshot is to be run.

    A dataset that fails, of whatever kind the failure is, must not keep the others from landing: it is passed over,
    and told in the end. Each is looked at in a thread of its own, and lands in a process of its own.

    Args:
        done: what was last settled.
    """
    try:
        arrivals = zone.arrivals(dataset)
        wait = None if arrivals is None else _wait(settings.automation, arrivals)
        if wait is not None:
            return Look(wait, settled=done)
        landed = LandingReport() if arrivals is None else land_apart(dataset)
        found = _judge(zone, store, settings, dataset, _settled(zone, dataset, done))
        if found.settled is not None:
            found = replace(found, settled=f"{found.settled} {zone.created(dataset)}")
        if landed.summary is not None:
            found = replace(found, reason=f"{landed.summary}; {found.reason}")
        if waits := zone.unread(dataset):
            found = replace(found, reason=f"{found.reason}; not read: {_named(waits)}")
        if landed.unread is not None:
            found = replace(found, reason=f"{found.reason}; {landed.unread}", failure=SerError(landed.unread))
        return found
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and stops nothing else
        return Look(f"could not land or be looked at: {words_of(error)}", settled=done, failure=error)


def _named(waits: Mapping[str, str]) -> str:
    """Files with the reason of each: a message is kept for every tick, and there may be thousands of them."""
    more = len(waits) - _NAMED
    shown = ", ".join(f"{name} ({reason})" for name, reason in islice(waits.items(), _NAMED))
    return f"{shown} and {more:,} more, see ser status" if more > 0 else shown


def _settled(zone: Landing, dataset: str, done: str | None) -> str | None:
    """The snapshot that was last settled: none of a dataset that was forgotten since, and has landed again."""
    snapshot, _, created = (done or "").partition(" ")
    return snapshot if snapshot and created == zone.created(dataset) else None


def _wait(automation: Automation, arrivals: Arrivals) -> str | None:
    """Why files are left to wait, if they are."""
    quiet, now = automation.quiet_seconds, time.time()
    age = now - arrivals.newest
    # A file from far ahead came before the clock was set back: it would wait until the clock has caught up.
    if abs(age) < quiet and now - arrivals.oldest < PATIENCE * quiet:
        return f"the newest file came {max(age, 0):.0f} s ago; files land after {quiet:g} s of quiet"
    return None


def _judge(zone: Landing, store: ArtifactStore, settings: Settings, dataset: str, done: str | None) -> Look:
    """Whether the current snapshot is to be run."""
    if not zone.has_landed(dataset):
        return Look("nothing has landed yet")
    snapshot = zone.current_snapshot(dataset)
    if snapshot == done:
        return Look(f"nothing new since {snapshot}", settled=snapshot)
    root = data_root()
    if any(owner_of(root, name) is not None for name in (snapshot, f"{snapshot}/{settings.digest}")):
        return Look(f"{snapshot} is being worked on already", settled=done)
    damage: list[str] = []
    if _is_complete(Heads(root, snapshot, settings, store), damage.append):
        return Look(f"{snapshot} has been run already", settled=snapshot)
    gained = zone.gained(dataset, done)
    least = settings.automation.min_new_pairs
    if gained < least:
        since = done or "the beginning"
        return Look(f"{gained} pairs are new or newly labelled since {since}; a run needs {least}", settled=done)
    reason = "; ".join([*damage, f"{gained} pairs are new or newly labelled: {snapshot} is run"])
    return Look(reason, snapshot=snapshot, settled=snapshot)


def _is_complete(heads: Heads, tell: Callable[[str], None]) -> bool:
    """Whether a run came to its end: to a judged policy, or to a closed gate, behind which there is none."""
    if heads.find_whole(keys.POLICY_EVALUATION, tell) is not None:
        return True
    promotion = heads.find_whole(keys.EVOLVED_RM, tell)
    return promotion is not None and promotion.summary["verdict"] == GATE_NOT_SHOWN


def _result(looks: dict[str, Look], settings: Settings) -> dg.SensorResult:
    """The requests of all datasets at once, or why there are none.

    Raises:
        SerError: there are none, and a dataset or the inbox failed. With requests a tick can neither fail nor carry a
            message: then the failure stands in its log and, if it lasts, fails the next tick that requests nothing.
    """
    snapshots = [found.snapshot for found in looks.values() if found.snapshot]
    reasons = "; ".join(f"{dataset}: {found.reason}" for dataset, found in looks.items())
    failures = [found.failure for found in looks.values() if found.failure]
    if failures and not snapshots:
        raise SerError(reasons) from failures[0]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{snapshot}:{settings.digest}", partition_key=snapshot, run_config=run_config(settings)
            )
            for snapshot in snapshots
        ],
        dynamic_partitions_requests=[SNAPSHOTS.build_add_request(snapshots)] if snapshots else None,
        skip_reason=None if snapshots else reasons or "no dataset has a landing folder yet",
        cursor=json.dumps({dataset: found.settled for dataset, found in looks.items() if found.settled}),
    )
