"""Every dataset has a schedule: weekly and off, or as the settings say."""

from pathlib import Path

import dagster as dg
import pytest

from resources.settings import Automation
from resources.settings_file import load_settings
from ser.errors import SerError
from ser_dagster.jobs import ser_run
from ser_dagster.schedules import WEEKLY, schedules
from tests import chain
from tests.pairs import labelled_rows, write_jsonl

ON, OFF = dg.DefaultScheduleStatus.RUNNING, dg.DefaultScheduleStatus.STOPPED


def made(datasets: list[str], cron: dict[str, str] | None = None) -> list[dg.ScheduleDefinition]:
    return schedules(ser_run(load_settings()), Automation(cron=cron or {}), datasets)


def test_schedules_are_weekly_and_off_unless_the_settings_give_times(data_root: Path) -> None:
    found = made(["hh-rlhf", "sample"], {"sample": "0 4 * * *", "later": "@daily"})
    assert [(one.name, one.cron_schedule, one.default_status) for one in found] == [
        ("run_hh_rlhf_31bf5a5d", WEEKLY, OFF),
        ("run_later", "@daily", ON),
        ("run_sample", "0 4 * * *", ON),
    ]


def test_datasets_whose_names_differ_in_punctuation_have_schedules_of_their_own(data_root: Path) -> None:
    datasets = ["a-b", "a-b-1", "a.b", "a_b", "a_b_1"]
    names = {dataset: one.name for dataset, one in zip(datasets, made(datasets), strict=True)}
    assert len(set(names.values())) == 5
    assert (names["a_b"], names["a_b_1"]) == ("run_a_b", "run_a_b_1")
    # A dataset that comes later changes no name: Dagster knows by it what was switched on.
    assert [[one.name for one in made([dataset])] for dataset in datasets] == [[name] for name in names.values()]


def test_times_that_are_none_are_named(data_root: Path) -> None:
    with pytest.raises(SerError, match=r"setting 'automation\.cron\.sample' is impossible: 'sometimes'"):
        made([], {"sample": "sometimes"})


def test_a_schedule_requests_the_current_snapshot_every_time(data_root: Path, tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        [schedule] = made(["tiny"])
        early = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(early, dg.SkipReason)
        snapshots = []
        for number in range(2):
            snapshots.append(chain.land(data_root, write_jsonl(tmp_path / "a.jsonl", labelled_rows(3, seed=number))))
            request = schedule(dg.build_schedule_context(instance=instance))
            assert isinstance(request, dg.RunRequest)
            assert (request.partition_key, request.run_key) == (snapshots[-1], None)
        assert set(instance.get_dynamic_partitions("snapshot")) == set(snapshots)
