"""The layer before Dagster's real web server: what it would do for anybody it does for its own page alone."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import dagster_webserver
import pytest
from asgi import Answer, request
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse
from starlette.types import ASGIApp

from ser_dagster.web.address import own_addresses
from ser_dagster.web.guard import PageGuard
from ser_dagster.web.operations import MOST_TOKENS

TOKEN = "t" * 40
HOST = ("Host", "127.0.0.1:3000")
JSON = ("Content-Type", "application/json")
BEARER = [HOST, JSON, ("Authorization", f"Bearer {TOKEN}")]
VICTIM = [HOST, ("Cookie", f"ser-ui-3000={TOKEN}"), ("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")]
REPORT = "/report_asset_materialization/landed_pairs"
WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["landed_pairs"]}}]) { __typename } }'
MUTATIONS = "{ __schema { mutationType { fields { name } } } }"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture
def page(instance: dg.DagsterInstance) -> Iterator[Callable[[bool], ASGIApp]]:
    def dagster(read_only: bool) -> ASGIApp:
        context = WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), read_only=read_only)
        contexts.append(context)
        return create_app_from_workspace_process_context(context)

    contexts: list[WorkspaceProcessContext] = []
    yield dagster
    for context in contexts:
        context.__exit__(None, None, None)


def guard(app: ASGIApp, read_only: bool = False) -> PageGuard:
    return PageGuard(app, TOKEN, own_addresses("127.0.0.1", 3000), read_only=read_only)


def materializations(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(dg.AssetKey("landed_pairs"), limit=9).records)


def graphql(app: ASGIApp, query: str, headers: list[tuple[str, str]] = BEARER) -> Answer:
    return request(app, "/graphql", "POST", headers, json.dumps({"query": query}).encode())


def test_what_dagster_takes_from_anybody_it_takes_from_its_own_page(
    page: Callable[[bool], ASGIApp], instance: dg.DagsterInstance
) -> None:
    bare = page(False)
    request(bare, REPORT, "POST", VICTIM)
    assert materializations(instance) == 1  # else there would be nothing to keep out
    request(bare, f"/graphql?query={quote(WIPE)}", headers=VICTIM)
    assert materializations(instance) == 0

    app = guard(bare)
    assert request(app, REPORT, "POST", VICTIM).status == 403
    assert materializations(instance) == 0
    assert request(app, REPORT, "POST", BEARER, b"{}").status == 200
    request(app, f"/graphql?query={quote(WIPE)}", headers=VICTIM)
    graphql(app, WIPE, [*VICTIM, JSON])
    assert materializations(instance) == 1
    assert graphql(app, WIPE).json["data"]["wipeAssets"] == {"__typename": "AssetWipeSuccess"}
    assert materializations(instance) == 0


def test_a_page_for_reading_answers_queries_and_no_mutation_that_dagster_has(
    page: Callable[[bool], ASGIApp], instance: dg.DagsterInstance
) -> None:
    request(page(False), REPORT, "POST", [HOST])
    app = guard(page(True), read_only=True)
    names = [one["name"] for one in graphql(app, MUTATIONS).json["data"]["__schema"]["mutationType"]["fields"]]
    assert {"launchRun", "wipeAssets", "setNuxSeen", "logTelemetry"} <= set(names)
    assert {graphql(app, f"mutation {{ {name} }}").status for name in names} == {403}
    assert graphql(app, WIPE).status == 403
    assert request(app, REPORT, "POST", BEARER, b"{}").status == 403
    assert materializations(instance) == 1


def test_dagsters_own_read_only_mode_stops_reports_and_wipes_too(
    page: Callable[[bool], ASGIApp], instance: dg.DagsterInstance
) -> None:
    app = page(True)
    assert request(app, REPORT, "POST", [HOST]).status == 401
    assert graphql(app, WIPE).json["data"]["wipeAssets"] == {"__typename": "UnauthorizedError"}
    assert materializations(instance) == 0


def test_what_dagsters_own_page_asks_stays_far_below_the_limit() -> None:
    asked: dict[str, str] = {}  # operations and fragments
    for script in Path(dagster_webserver.__file__).parent.rglob("webapp/**/*.js"):
        for literal in re.findall(
            r'"\\n *(?:query|mutation|subscription|fragment) (?:[^"\\\n]|\\.)*"', script.read_text()
        ):
            for part in parse(json.loads(literal)).definitions:
                assert isinstance(part, OperationDefinitionNode | FragmentDefinitionNode) and part.name and part.loc
                asked[part.name.value] = part.loc.source.body[part.loc.start : part.loc.end]

    def tokens(part: str, known: set[str]) -> int:
        """Of a part, and of the fragments that come with it and are not known yet."""
        known.add(part)
        more = [name for name in re.findall(r"\.\.\.(\w+)", asked[part]) if name in asked]
        here = len(re.findall(r"\w+|\.\.\.|[^\s\w]", asked[part]))
        return here + sum(tokens(name, known) for name in more if name not in known)

    assert len(asked) > 300
    assert 500 < max(tokens(part, set()) for part in asked) < MOST_TOKENS / 5
