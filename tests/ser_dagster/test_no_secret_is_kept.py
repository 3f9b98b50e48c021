"""A secret that a user puts where none belongs, or that a client repeats, is neither recorded nor logged nor shown."""

import json
import logging
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import dagster as dg
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sensor_fakes import tick

from assets.ser_resource import SNAPSHOTS, SerResource, run_config
from resources.settings_file import load_settings
from ser.errors import SerError
from ser_dagster.cli import main
from tests.pairs import labelled_rows, write_jsonl

SECRET = "wJalrXUtnFEMI/K7MDENG+bPx"
BUCKET = f"s3://AKIAEXAMPLE:{SECRET}@bucket/in"
SNAPSHOT = "tiny-0123456789ab"
ESCAPED = BUCKET.replace(":", "\\u003a")
SIGNED = f"https://bucket.s3.amazonaws.com/in/a.jsonl?X-Amz-Signature={SECRET}"


def holds(folder: Path) -> list[Path]:
    """The files of a folder that have the secret in them, or in their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if SECRET in str(path) or SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("file", "variables", "arguments", "words"),
    [
        (f'[automation]\ninbox = "{BUCKET}"', {}, [], "setting 'automation.inbox' has a password"),
        (f'[automation]\ninbox = "{SIGNED}"', {}, [], "setting 'automation.inbox' has a password"),
        (f'loops = 9\n[automation]\ninbox = "{BUCKET}"', {}, [], "setting 'automation.inbox' has a password"),
        (f'automation = "{BUCKET}"', {}, [], "setting 'automation' has a password"),
        (f'[automation]\ninbox = ["{BUCKET}"]', {}, [], "setting 'automation.inbox' has a password"),
        (f'[remote]\nuri = "{BUCKET}"', {}, [], "setting 'remote.uri' has a password"),
        (f'[automation.cron]\n"{BUCKET}" = "@daily"', {}, [], "setting 'automation.cron' has a password"),
        (f'[backbone]\nmodel = "https://user:{SECRET}@huggingface.co/a/b"', {}, [], "setting 'backbone.model' has"),
        ("", {"SER_AUTOMATION__INBOX": BUCKET}, [], "SER_AUTOMATION__INBOX: setting 'automation.inbox' has a password"),
        ("", {"SER_AUTOMATION": f'{{inbox = "{BUCKET}"}}'}, [], "SER_AUTOMATION: setting 'automation' has a password"),
        ("", {"SER_INBOX": BUCKET}, [], "SER_INBOX: setting 'inbox' has a password"),
        ("", {}, ["--set", f"automation.inbox={BUCKET}"], "--set automation.inbox: setting 'automation.inbox' has"),
        (
            "",
            {},
            ["--set", f"backbone.model={SIGNED}"],
            "--set backbone.model: setting 'backbone.model' has a password",
        ),
        ("", {}, ["--set", BUCKET], "is no setting: write KEY=VALUE"),
        ("", {"SER_CONFIG": BUCKET}, [], "SER_CONFIG names s3:/***@bucket/in"),
        ("", {"SER_DATA": BUCKET}, [], "SER_DATA is an address"),
        # What no pattern knows as a secret is not repeated either, where only secrets could stand.
        (f'loops = 9\n[automation]\ninbox = "{SECRET}"', {}, [], "raise max_loops too"),
        (f'[automation]\ninbox = ["{SECRET}"]', {}, [], "'automation.inbox' is impossible"),
    ],
)
def test_a_secret_in_settings_is_refused_in_two_lines_that_do_not_repeat_it(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    file: str, variables: dict[str, str], arguments: list[str], words: str,
) -> None:  # fmt: skip
    (tmp_path / "ser.toml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for debug in ([], ["--debug"]):
        monkeypatch.delenv("SER_DEBUG", raising=False)
        assert main(["run", *arguments, *debug]) == 1
        said = capsys.readouterr().err
        assert words in said and SECRET not in said and "AKIAEXAMPLE" not in said
        assert debug or len(said.splitlines()) <= 2
    monkeypatch.delenv("SER_DEBUG", raising=False)
    assert not data_root.exists() or not holds(data_root)


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        (BUCKET, "AWS_PROFILE"),
        (f"simplecache::gs://key:{SECRET}@bucket", "GOOGLE_APPLICATION_CREDENTIALS"),
        (f"abfs://c@a.dfs.core.windows.net/in?sig={SECRET}", "AZURE_STORAGE_CONNECTION_STRING"),
        (f"ftp://me:{SECRET}@host", "FSSPEC_<PROTOCOL>_<ARGUMENT>, or in ~/.config/fsspec/conf.json"),
    ],
)
def test_the_remedy_is_where_the_client_of_the_protocol_looks(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, address: str, remedy: str
) -> None:
    monkeypatch.setenv("SER_AUTOMATION__INBOX", address)
    with pytest.raises(SerError) as refused:
        load_settings()
    assert remedy in str(refused.value)


def test_what_clients_say_in_a_tick_is_told_without_the_secret(
    folder: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Files(MemoryFileSystem):
        protocol = "repeating"

        def ls(self, path: str, detail: bool = True, **_: object) -> list[dict[str, object]]:
            try:
                raise OSError(403, "Forbidden", SIGNED)
            except OSError as error:
                raise ValueError(f"cannot list {BUCKET}") from error

    fsspec.register_implementation("repeating", Files, clobber=True)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", "repeating://inbox")
    write_jsonl(folder / "a.jsonl", labelled_rows(3))
    first = tick()  # it requests a run, and so can only log the failure
    assert first.run_requests
    with pytest.raises(SerError) as failed:
        tick(first.cursor)  # Dagster keeps the failure of this one, with all that led to it
    logged = capfd.readouterr().err
    for said in (logged, "".join(traceback.format_exception(failed.value)), str(first)):
        assert SECRET not in said
    assert "the inbox repeating://inbox cannot be read" in logged
    assert "cannot list s3://***@bucket/in" in str(failed.value)
    assert "X-Amz-Signature=***" in logged
    assert not holds(data_root)


WEB = "http://listing.test/in/tiny/a.jsonl?X-Amz-Signature="


def test_a_signed_address_leaves_no_trace_in_the_name_of_its_copy(
    folder: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Files(MemoryFileSystem):
        protocol = "listing"

        def ls(self, path: str, detail: bool = True, **_: object) -> list[dict[str, object]]:
            if path.endswith("tiny"):
                return [{"name": f"{WEB}abc", "size": None, "type": "file"}]
            return [{"name": f"{path}/tiny", "size": 0, "type": "directory"}]

        def open(self, path: str, mode: str = "rb", **_: object) -> IO[bytes]:
            return write_jsonl(data_root.parent / "a.jsonl", labelled_rows(3)).open("rb")

    fsspec.register_implementation("listing", Files, clobber=True)
    monkeypatch.setenv("SER_AUTOMATION__INBOX", "listing://in")
    assert tick().run_requests
    assert not [path for path in data_root.rglob("*") if "Signature" in path.name]
    assert [path.name.partition("-")[2] for path in folder.glob("*.jsonl")] == ["a.jsonl"]


@dg.asset(partitions_def=SNAPSHOTS)
def probe(context: dg.AssetExecutionContext, ser: SerResource) -> None:
    """Nothing; its run is what is looked at."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Dagster keeps its databases."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with databases, which know a snapshot."""
    with dg.DagsterInstance.local_temp(str(home)) as current:
        current.add_dynamic_partitions("snapshot", [SNAPSHOT])
        yield current


def launch(instance: dg.DagsterInstance, said: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Launch a run of which this is said."""
    return dg.materialize(
        [probe],
        resources={"ser": SerResource()},
        partition_key=SNAPSHOT,
        instance=instance,
        run_config={"resources": {"ser": {"config": said}}},
        raise_on_error=False,
    )


def with_settings(**more: Any) -> dict[str, Any]:
    """What a program hands over, with more in it."""
    settings = json.loads(run_config(load_settings())["resources"]["ser"]["config"]["settings"])  # type: ignore[index]
    return {"settings": json.dumps(settings | more)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda: {"other_settings": [f"automation.inbox={BUCKET}"]}, "has a password"),
        (lambda: {"other_settings": ["automation.inbox=s3://bucket/in"]}, "the section automation"),
        (lambda: {"other_settings": [f"backbone.model={SIGNED}"]}, "has a password"),
        (lambda: {"name": BUCKET}, "setting 'name' has a password"),
        (lambda: with_settings(automation={"inbox": BUCKET}), "has a password"),
        (lambda: with_settings(automation={"inbox": SECRET}), "the section automation"),
        (lambda: {"settings": f'{{"backbone": {{"model": "{ESCAPED}"}}}}'}, "'backbone.model' has a password"),
        (lambda: {"settings": f'{{"automation": "{ESCAPED}'}, "is no JSON"),
        (lambda: {"settings": f'{{"automation": "{BUCKET}'}, "setting 'settings' has a password"),
    ],
)
def test_a_launch_with_a_secret_is_refused_before_dagster_records_it(
    data_root: Path, home: Path, instance: dg.DagsterInstance, said: Any, words: str
) -> None:
    with pytest.raises(SerError, match=words) as refused:
        launch(instance, said())
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert instance.get_runs() == [] and not holds(home)


def test_a_launch_without_one_is_recorded(data_root: Path, instance: dg.DagsterInstance) -> None:
    said = {"other_settings": ["backbone.model=s3"]}
    launch(instance, said)
    (run,) = instance.get_runs()
    assert run.run_config["resources"]["ser"]["config"] == said


@pytest.mark.parametrize("module", ["ser_dagster.definitions", "ser_dagster.daemon", "ser_dagster.web.__main__"])
def test_no_process_of_the_page_logs_a_secret_of_whatever_library(
    data_root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    monkeypatch.setattr(sys, "argv", [module, "--version"])
    with suppress(SystemExit):
        runpy.run_module(module, run_name="__main__")
    logging.getLogger("asyncio").error("never retrieved: %s", SIGNED)
    assert "never retrieved: https://bucket.s3" in caplog.text and SECRET not in caplog.text
