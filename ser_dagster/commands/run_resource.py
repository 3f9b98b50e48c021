"""The resource of an execution that somebody watches in a terminal and may stop there."""

import signal
from types import FrameType
from typing import ClassVar

import dagster as dg

from assets.ser_resource import Context, SerResource
from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.reporter import Screen
from ser_dagster.commands.run_screen import RunScreen


def watched(run_screen: RunScreen, current: dg.DagsterInstance) -> SerResource:
    """The resource for one execution in this process: it shows every step, and takes a signal for a cancellation."""

    class Watched(SerResource):
        screen: ClassVar[Screen | None] = run_screen

        def evolution(self, context: Context) -> Evolution:
            """As the others, and the step that asks for it has begun."""
            work = super().evolution(context)
            if not isinstance(context, dg.AssetCheckExecutionContext):
                # An op is named by the key of its asset; that of a graph asset stands below the asset's name.
                _begin(run_screen, context.op_handle.path[0].replace("__", "/"), work)
            _cancel_on_signals(current, context.run)
            return work

    return Watched()  # type: ignore[call-arg]


def _begin(run_screen: RunScreen, key: str, work: Evolution) -> None:
    loop = keys.loop_of(key)
    if loop and key == keys.model_of(loop):
        run_screen.costs.learn_kept(loop, work.heads.get(keys.filtered_pairs(loop)).summary["n_kept"])
    run_screen.begin(key)


def _cancel_on_signals(current: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Until the step ends, let Ctrl-C and SIGTERM cancel the run; Dagster alone would call it failed.

    Dagster (1.13) installs a handler of its own as each step begins, and takes whatever stands there away at its end.
    """

    def cancel(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        try:
            current.report_run_canceling(run, "Stopped in the terminal.")
        finally:  # whatever the storage was doing when the signal came
            raise dg.DagsterExecutionInterruptedError

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, cancel)
