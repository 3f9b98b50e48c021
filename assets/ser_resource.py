"""The Dagster resource through which every asset reaches the workshop of its run."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field, PrivateAttr

from assets.stale_location import refuse_outdated
from resources.locks import own_snapshot
from resources.settings import Settings, data_root, load_settings
from resources.workshop import Workshop
from ser.errors import SerError

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
SNAPSHOTS_NAME = "snapshot"
PARTITION_TAG = "dagster/partition"
SNAPSHOTS = dg.DynamicPartitionsDefinition(name=SNAPSHOTS_NAME)
HEAVY_POOL = "training"
"""Dagster's concurrency pool of what trains, scores or generates: a deployment limits how many such runs there are."""


class SerResource(dg.ConfigurableResource):
    """Settings that a run may override; everything else comes from `ser.toml`."""

    recipe: str | None = Field(None, description="overrides the setting `recipe`")
    loops: int | None = Field(None, description="overrides the setting `loops`; at most the K of the settings")
    anyway: bool | None = Field(None, description="overrides the setting `anyway`: go on in spite of the gate")
    terminal: bool = Field(False, description="show progress on standard error, as `ser run` does")

    _settings: Settings = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SerResource"]:
        """Own the run's snapshot as long as the run's process lives.

        The settings are those of now until the run ends, whatever is edited meanwhile: all steps of a run are taken in
        one process.

        Raises:
            SerError: the settings are impossible, or have changed the graph since the run was planned, or another
                process owns the snapshot.
        """
        self._settings = self._load()
        run = context.run
        if run is not None and context.instance is not None:
            refuse_outdated(run, context.instance, load_settings())
        snapshot = run.tags.get(PARTITION_TAG) if run else None
        if run is None or snapshot is None:
            yield self
        else:
            with own_snapshot(data_root(), snapshot, run.run_id):
                yield self

    def workshop(self, context: Context) -> Workshop:
        """The workshop of the run that `context` belongs to."""
        return Workshop(
            data_root(),
            self._settings,
            context.partition_key,
            run_id=context.run.run_id,
            log=context.log.info,
            log_warning=context.log.warning,
            terminal=self.terminal,
        )

    def _load(self) -> Settings:
        settings = load_settings(recipe=self.recipe, anyway=self.anyway)
        if self.loops is None:
            return settings
        if self.loops > settings.loops:
            raise SerError(
                f"{self.loops} loops are more than the {settings.loops} of the settings. Raise loops in ser.toml."
            )
        return load_settings(recipe=self.recipe, anyway=self.anyway, loops=self.loops)
