"""How OpenMP's threads wait is settled before torch is loaded, whatever is started first."""

import os
import subprocess
import sys

import pytest

ENTRIES = (
    "ser",
    "ser_dagster.cli",
    "ser_dagster.ui",
    "ser_dagster.definitions",
    "ser.stages.__main__",
    "bench.workload",
)
WATCH = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
import torch
"""


def policy_as_torch_finds_it(entry: str, given: str | None) -> str:
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given is not None:
        env["OMP_WAIT_POLICY"] = given
    command = [sys.executable, "-W", "ignore", "-c", WATCH, entry]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("entry", ENTRIES)
def test_waiting_threads_do_not_spin(entry: str) -> None:
    assert policy_as_torch_finds_it(entry, None) == "passive"


def test_what_the_user_has_set_stays() -> None:
    assert policy_as_torch_finds_it("ser", "active") == "active"
