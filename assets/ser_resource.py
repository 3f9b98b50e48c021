"""The Dagster resource through which every asset reaches the evolution that its execution works on."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationError

from assets.stale_location import refuse_stale
from resources.evolution import Evolution
from resources.known_evolutions import refuse_taken
from resources.locks import own_evolution
from resources.settings import Settings
from resources.settings_file import data_root, load_settings
from ser.errors import SerError

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
SNAPSHOTS_NAME = "snapshot"
PARTITION_TAG = "dagster/partition"
EVOLUTION_TAG, NAME_TAG, RECIPE_TAG = "ser/evolution", "ser/name", "ser/recipe"
SNAPSHOTS = dg.DynamicPartitionsDefinition(name=SNAPSHOTS_NAME)
HEAVY_POOL = "training"
"""Dagster's concurrency pool of what trains, scores or generates: a deployment limits how many such runs there are."""


class SerResource(dg.ConfigurableResource):
    """What an execution is told at its start; all other settings are those of `ser.toml` at that moment."""

    recipe: str | None = Field(None, description="overrides the setting `recipe`")
    loops: int | None = Field(None, description="stop after so many loops; nothing is promoted before the last one")
    anyway: bool | None = Field(None, description="overrides the setting `anyway`: go on in spite of the gate")
    name: str | None = Field(None, description="what a person calls the evolution")
    settings: str | None = Field(None, description="all settings as JSON, as `ser run` and the sensor hand them over")
    terminal: bool = Field(False, description="show progress on standard error, as `ser run` does")

    _settings: Settings = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SerResource"]:
        """Own the evolution as long as the execution's process lives; its settings are those of now until it ends.

        Raises:
            SerError: the settings are impossible, or need more loops than the graph has that the run was planned
                from, another process owns the evolution, or another evolution has the name.
        """
        self._settings = self._read_settings()
        run = context.run
        if run is not None and context.instance is not None:
            refuse_stale(run, context.instance, self._settings.loops)
        snapshot = run.tags.get(PARTITION_TAG) if run else None
        if run is None or snapshot is None:
            yield self
            return
        evolution = Evolution(data_root(), self._settings, snapshot)
        with own_evolution(data_root(), evolution.identity, run.run_id):
            if self.name is not None:
                refuse_taken(data_root(), self.name, evolution.identity)
            evolution.heads.begin(self.name)
            if context.instance is not None:
                context.instance.add_run_tags(run.run_id, run_tags(evolution, evolution.heads.about()["name"]))
            yield self

    def evolution(self, context: Context) -> Evolution:
        """The evolution that the execution of `context` works on."""
        return Evolution(
            data_root(),
            self._settings,
            context.partition_key,
            run_id=context.run.run_id,
            until=self.loops,
            log=context.log.info,
            log_warning=context.log.warning,
            terminal=self.terminal,
        )

    def _read_settings(self) -> Settings:
        if self.settings is None:
            settings = load_settings(recipe=self.recipe, anyway=self.anyway)
        elif self.recipe is not None or self.anyway is not None:
            raise SerError("recipe and anyway stand in `settings` where it is given. Remove them.")
        else:
            try:
                settings = Settings.model_validate_json(self.settings)
            except ValidationError as error:
                raise SerError(f"`settings` of this run are impossible: {error.errors()[0]['msg']}.") from error
        if self.loops is not None and not 1 <= self.loops <= settings.loops:
            raise SerError(
                f"{self.loops} loops are impossible: it may be 1 to {settings.loops}, the K of the settings. "
                "Raise loops in ser.toml."
            )
        return settings


def run_tags(evolution: Evolution, name: str | None) -> dict[str, str]:
    """How a run says in the UI which evolution it works on."""
    tags = {EVOLUTION_TAG: evolution.identity, RECIPE_TAG: evolution.settings.recipe}
    return tags | ({NAME_TAG: name} if name else {})


def run_config(settings: Settings, **told: object) -> dict[str, object]:
    """The run config of an execution under these settings; `told` are other fields of the resource."""
    # What happens by itself is no part of an execution, and the address of an inbox may hold a secret.
    config = {"settings": settings.model_dump_json(exclude={"automation"}), **told}
    given = {key: value for key, value in config.items() if value is not None}
    return {"resources": {"ser": {"config": given}}}
