"""The Dagster resource through which every asset reaches the evolution that its execution works on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationError

from assets.launch_config import checked_before_it_is_recorded
from assets.stale_location import refuse_stale
from resources.caches import free_memory
from resources.evolution import Evolution
from resources.known_evolutions import refuse_taken
from resources.locks import own_evolution
from resources.reporter import Screen
from resources.settings import Settings
from resources.settings_file import data_root, load_settings
from ser.errors import SerError

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
SNAPSHOTS_NAME = "snapshot"
SHOWN = ("recipe", "loops", "random_seed", "anyway")
"""The settings that have a place of their own in the Launchpad."""
PARTITION_TAG = "dagster/partition"
EVOLUTION_TAG, NAME_TAG, RECIPE_TAG, STUDY_TAG = "ser/evolution", "ser/name", "ser/recipe", "ser/study"
SNAPSHOTS = dg.DynamicPartitionsDefinition(name=SNAPSHOTS_NAME)
HEAVY_POOL = "training"
"""Dagster's concurrency pool of what trains, scores or generates: a deployment limits how many such runs there are."""


class SerResource(dg.ConfigurableResource):
    """The settings that a person changes from run to run.

    What the run config of an execution does not say is as in `ser.toml` (docs/settings.md) when the execution begins.
    """

    recipe: str = Field("paper", description="the method: paper, robust, or one of [recipes] in ser.toml")
    loops: int = Field(3, description="K, the largest number of loops; at most max_loops of ser.toml")
    random_seed: int = Field(0, description="another number trains other models on the same pairs")
    anyway: bool = Field(False, description="run the loops although the seed RM is not shown to be better than a coin")
    other_settings: list[str] = Field(
        [], description="all else that ser.toml can say, each as KEY=VALUE, for instance thresholds.tau_high=0.6"
    )
    name: str | None = Field(None, description="what you call this evolution")
    stop_after: int | None = Field(None, description="stop after so many loops; a later run goes on, then promotes")
    settings: str | None = Field(
        None, description="for programs: all settings as JSON, as `ser run` and the sensors hand them over"
    )

    screen: ClassVar[Screen | None] = None
    """What shows progress beside the log: where somebody watches the execution."""

    _settings: Settings = PrivateAttr()

    def get_resource_definition(self) -> Any:
        """What Dagster knows of it, with a look at the run config before a run is recorded."""
        return checked_before_it_is_recorded(super().get_resource_definition())

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SerResource"]:
        """Own the evolution as long as the execution's process lives; its settings are those of now until it ends.

        Raises:
            SerError: the settings are impossible, or need more loops than the graph has that the run was planned
                from, another process owns the evolution, or another evolution has the name.
        """
        run = context.run
        self._settings = self._read_settings(run)
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
            if context.log is not None:
                compute = self._settings.compute
                (context.log.warning if compute.pads_on_gpu else context.log.info)(compute.words)
            try:
                yield self
            finally:
                free_memory()

    def evolution(self, context: Context) -> Evolution:
        """The evolution that the execution of `context` works on."""
        return Evolution(
            data_root(),
            self._settings,
            context.partition_key,
            run_id=context.run.run_id,
            until=self.stop_after,
            log=context.log.info,
            log_warning=context.log.warning,
            screen=self.screen,
        )

    def _read_settings(self, run: dg.DagsterRun | None) -> Settings:
        # A default is what the Launchpad showed when the location was loaded; what nobody gave is as in `ser.toml` now.
        given = _given(run)
        if "settings" not in given:
            shown = {name: getattr(self, name) for name in SHOWN if name in given}
            settings = load_settings(assignments=self.other_settings, **shown)
        elif twice := [name for name in (*SHOWN, "other_settings") if name in given]:
            raise SerError(f"{', '.join(twice)} stands in `settings` where that is given. Remove it here.")
        else:
            try:
                settings = Settings.model_validate_json(self.settings or "")
            except ValidationError as error:
                raise SerError(f"`settings` of this run are impossible: {error.errors()[0]['msg']}.") from error
        if self.stop_after is not None and not 1 <= self.stop_after <= settings.loops:
            raise SerError(
                f"a stop after loop {self.stop_after} is impossible: it may be 1 to {settings.loops}, the K of the "
                "settings. Raise loops."
            )
        return settings


def _given(run: dg.DagsterRun | None) -> Mapping[str, Any]:
    """What the run config of an execution says of the resource."""
    given: Mapping[str, Any] = run.run_config if run else {}
    for section in ("resources", "ser", "config"):
        given = given.get(section, {})
    return given


def run_tags(evolution: Evolution, name: str | None, study: str | None = None) -> dict[str, str]:
    """How a run says in the UI which evolution it works on, and for which study."""
    tags = {EVOLUTION_TAG: evolution.identity, RECIPE_TAG: evolution.settings.recipe}
    return tags | ({NAME_TAG: name} if name else {}) | ({STUDY_TAG: study} if study else {})


def run_config(settings: Settings, **told: object) -> dict[str, object]:
    """The run config of an execution under these settings; `told` are other fields of the resource."""
    # What happens by itself is no part of an execution.
    config = {"settings": settings.model_dump_json(exclude={"automation"}), **told}
    given = {key: value for key, value in config.items() if value is not None}
    return {"resources": {"ser": {"config": given}}}
