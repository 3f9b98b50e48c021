"""The run config: what the Launchpad shows of the settings, and what an execution makes of it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_graphql.schema.run_config import default_values_yaml_from_type_snap

from assets.landed import landed_pairs
from assets.ser_resource import SHOWN, SNAPSHOTS, SerResource, run_config
from resources.settings import Settings
from resources.settings_file import load_settings
from tests import chain
from tests.pairs import labelled_rows, write_jsonl


@pytest.fixture
def snapshot(data_root: Path, tmp_path: Path) -> str:
    """A snapshot, and a code location that was loaded when `ser.toml` said two loops."""
    (tmp_path / "ser.toml").write_text("loops = 2\n" + chain.SETTINGS)
    return chain.land(data_root, write_jsonl(tmp_path / "pairs.jsonl", labelled_rows(40)))


@dg.asset(partitions_def=SNAPSHOTS)
def probe(context: dg.AssetExecutionContext, ser: SerResource) -> dg.MaterializeResult:
    """Which evolution it works on, and nothing else."""
    return dg.MaterializeResult(metadata={"evolution": ser.evolution(context).identity})


def execute(snapshot: str, said: dict[str, Any] | None, **shown: Any) -> dg.ExecuteInProcessResult:
    """Execute the probe; `said` is the run config of the resource, `shown` what its location was loaded with."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("snapshot", [snapshot])
        return dg.materialize(
            [probe],
            resources={"ser": SerResource(**(shown or {name: getattr(load_settings(), name) for name in SHOWN}))},
            partition_key=snapshot,
            instance=instance,
            run_config={"resources": {"ser": {"config": said}}} if said is not None else {},
            raise_on_error=False,
        )


def evolution_of(result: dg.ExecuteInProcessResult) -> str:
    """The evolution that the execution worked on."""
    (event,) = result.asset_materializations_for_node("probe")
    return str(event.metadata["evolution"].value)


@pytest.mark.parametrize(
    ("said", "assignments"),
    [
        (None, []),
        ({}, []),
        ({"loops": 1}, ["loops=1"]),
        ({"recipe": "robust", "random_seed": 3}, ["recipe='robust'", "random_seed=3"]),
        ({"other_settings": ["roles.draw=5", "anyway=true"]}, ["roles.draw=5", "anyway=true"]),
        ({"stop_after": 1, "name": "half"}, []),
    ],
)
def test_what_is_said_overrides_the_file_and_all_else_is_as_in_it(
    snapshot: str, said: dict[str, Any] | None, assignments: list[str]
) -> None:
    recipe = "robust" if said and "recipe" in said else None
    rest = [one for one in assignments if not one.startswith("recipe")]
    settings = load_settings(assignments=rest, recipe=recipe)
    assert evolution_of(execute(snapshot, said)) == f"{snapshot}/{settings.digest}"


def test_what_nobody_said_is_as_in_the_file_when_the_execution_begins(snapshot: str, tmp_path: Path) -> None:
    (tmp_path / "ser.toml").write_text("loops = 3\nrandom_seed = 7\n" + chain.SETTINGS)
    result = execute(snapshot, {"random_seed": 1}, loops=2, random_seed=0)
    expected = load_settings(assignments=["random_seed=1"])
    assert (expected.loops, expected.random_seed) == (3, 1)
    assert evolution_of(result) == f"{snapshot}/{expected.digest}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"other_settings": ["threshold.tau_high=0.6"]}, "Did you mean 'thresholds'?"),
        ({"other_settings": ["tau"]}, "is no setting: write KEY=VALUE"),
        ({"stop_after": 4}, "a stop after loop 4 is impossible: it may be 1 to 2"),
        ({"recipe": "papre"}, "there is no recipe 'papre'. Did you mean 'paper'?"),
        ({**run_config(Settings())["resources"]["ser"]["config"], "loops": 1}, "loops stands in `settings`"),
    ],
)
def test_what_is_impossible_is_said(snapshot: str, said: dict[str, Any], words: str) -> None:
    result = execute(snapshot, said)
    assert not result.success
    said_of_it = [event.event_specific_data for event in result.all_events if event.is_failure]
    assert any(words in str(one) for one in said_of_it)


def test_the_launchpad_shows_the_settings_of_the_file_each_described(snapshot: str) -> None:
    settings = load_settings()
    job = dg.Definitions(
        assets=[probe], jobs=[dg.define_asset_job("ser_run")],
        resources={"ser": SerResource(**{name: getattr(settings, name) for name in SHOWN})},
    ).resolve_job_def("ser_run")  # fmt: skip
    snapshot_of_job = job.get_job_snapshot()
    schema, root = snapshot_of_job.config_schema_snapshot, snapshot_of_job.mode_def_snaps[0].root_config_key
    assert root is not None
    shown = yaml.safe_load(default_values_yaml_from_type_snap(schema, schema.get_config_snap(root)))
    assert shown["resources"]["ser"]["config"] == {
        "recipe": "paper", "loops": 2, "random_seed": 0, "anyway": False, "other_settings": [],
    }  # fmt: skip
    described = {name: field.description for name, field in SerResource.model_fields.items()}
    assert all(described.values())
    assert "ser.toml" in (described["other_settings"] or "")


def test_a_snapshot_says_when_it_came_and_what_is_new(data_root: Path, tmp_path: Path, snapshot: str) -> None:
    rows = labelled_rows(45)
    second = chain.land(data_root, write_jsonl(tmp_path / "more.jsonl", [
        *rows[:42], {"prompt": "unlabelled", "response_a": "one", "response_b": "two"}]))  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("snapshot", [second])
        result = dg.materialize(
            [landed_pairs], resources={"ser": SerResource()}, partition_key=second, instance=instance
        )
    (event,) = result.asset_materializations_for_node("landed_pairs")
    said = {name: value.value for name, value in event.metadata.items()}
    assert said == said | {"number": 2, "pairs": 43, "labelled": 42, "unlabelled": 1, "new_pairs": 3}
    assert isinstance(event.metadata["landed_at"], dg.TimestampMetadataValue)
