"""The files of `deploy/` fit each other and the project; `deploy/check.py` starts what they describe."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from assets.graph import graph
from assets.ser_resource import HEAVY_POOL
from resources.asset_keys import CONTROLS
from resources.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def environments(value: Any) -> set[str]:
    """The environment variables that a configuration of Dagster names."""
    if isinstance(value, dict):
        named = {value["env"]} if set(value) == {"env"} else set()
        return named.union(*map(environments, value.values()))
    return set().union(*map(environments, value)) if isinstance(value, list) else set()


def test_dagster_accepts_the_instance() -> None:
    config, _ = dagster_instance_config(str(DEPLOY))
    assert config["telemetry"] == {"enabled": False}
    assert config["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
    assert set(config["storage"]) == {"postgres"}
    assert config["run_retries"] == {"enabled": True, "max_retries": 2}


def test_compose_gives_every_variable_that_dagster_asks_for(services: dict[str, Any]) -> None:
    asked = environments(yaml.safe_load((DEPLOY / "dagster.yaml").read_text()))
    asked |= environments(yaml.safe_load((DEPLOY / "workspace.yaml").read_text()))
    image = set(re.findall(r"(\w+)=/", (DEPLOY / "Dockerfile").read_text()))
    assert asked
    for name in ("code", "webserver", "daemon"):
        assert asked <= set(services[name]["environment"]) | image


def test_the_ui_is_published_on_this_machine_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:3000:3000"]


def test_the_ui_asks_for_a_token_and_is_watched_with_it(services: dict[str, Any]) -> None:
    web = services["webserver"]
    assert web["command"][:3] == ["python", "-m", "ser_dagster.web"]
    assert re.fullmatch(r"\$\{UI_TOKEN:\?.+\}", web["environment"]["UI_TOKEN"])
    assert [name for name, service in services.items() if "UI_TOKEN" in service["environment"]] == ["webserver"]
    ast.parse(web["healthcheck"]["test"][3])
    assert "UI_TOKEN" in web["healthcheck"]["test"][3]


def test_every_service_is_watched_and_has_a_volume(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "code", "webserver", "daemon"}
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["volumes"], name


def test_no_password_is_written_down(services: dict[str, Any]) -> None:
    given = [services["postgres"]["environment"]["POSTGRES_PASSWORD"]]
    given.append(services["code"]["environment"]["DAGSTER_POSTGRES_PASSWORD"])
    assert all(re.fullmatch(r"\$\{DAGSTER_POSTGRES_PASSWORD:\?.+\}", value) for value in given)


def test_the_image_copies_what_exists_and_what_the_context_has() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_the_extra_and_its_pin_belong_to_the_dagster_that_is_pinned() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["deploy"]
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert extra == ["dagster-postgres>=0.29,<0.30"]
    assert pins["dagster-postgres"].split(".")[2] == pins["dagster"].split(".")[2]


def test_heavy_assets_are_in_the_pool_and_light_ones_are_not() -> None:
    assets, _ = graph(Settings(loops=1, max_loops=1))
    pools = {
        key.to_user_string(): one.op.pool
        for one in assets
        for key in one.keys
        if isinstance(one.node_def, dg.OpDefinition)
    }
    heavy = {key for key, pool in pools.items() if pool == HEAVY_POOL}
    assert heavy == {
        "backbone", "encoded_pairs", "seed_rm", "loop_1/self_labels", "loop_1/retrained_rm", "loop_1/ppo_policy",
        "ppo_policy", "policy_evaluation", "controls/judge_rm", *CONTROLS,
    }  # fmt: skip
    assert set(pools.values()) == {HEAVY_POOL, None}
