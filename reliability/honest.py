"""What the page's own browser does after hostile pages have tried: it must work as if nobody had."""

from playwright.sync_api import Page as Tab
from playwright.sync_api import expect as expect_to

from reliability.checks import expect
from reliability.hostile import MUTATIONS, words
from tests.page import Page

PATIENCE = 90_000.0
"""Milliseconds."""
LAUNCH = """async query => {
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch("/graphql", {method: "POST", headers, body: JSON.stringify({query})});
  return (await answer.json()).data;
}"""
LAST_RUN = "{ runsOrError(limit: 1) { ... on Runs { results { runId } } } }"


def look_around(tab: Tab, page: Page, snapshot: str, hostile: int) -> list[str]:
    """What the tab did, in words; it is signed in.

    Raises:
        Lost: the page has refused it.
    """
    tab.set_default_timeout(PATIENCE)
    host, port = page.address
    here = f"http://{host}:{port}"
    tab.goto(f"{here}/deployment/locations")
    expect_to(tab.get_by_text("Loaded", exact=True)).to_be_visible(timeout=PATIENCE)
    with tab.expect_response(lambda got: "reloadRepositoryLocation" in (got.request.post_data or "")) as reloaded:
        tab.get_by_text("Reload", exact=True).click()
    expect(reloaded.value.status == 200, f"the graph was not reloaded: {reloaded.value.status}")

    heard: list[str] = []
    tab.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    answer = tab.evaluate(LAUNCH, MUTATIONS["start a run"] % words(snapshot, 0))
    expect(answer["launchRun"]["__typename"] == "LaunchRunSuccess", f"no run was started: {answer}")
    (run,) = page.ask(LAST_RUN)["runsOrError"]["results"]
    tab.goto(f"{here}/runs/{run['runId']}")
    page.wait_for(lambda: _heard_of_logs(tab, heard))

    tab.goto(f"http://evil.example:{hostile}/")
    tab.evaluate("url => { location = url }", f"{here}/runs")
    expect_to(tab.get_by_text("ser_run").first).to_be_visible(timeout=PATIENCE)
    return [
        "read its pages",
        "reloaded the graph with its button",
        "started a run",
        "followed it through its websocket",
        "came back by a link of another site",
    ]


def _heard_of_logs(tab: Tab, heard: list[str]) -> bool:
    tab.wait_for_timeout(200)  # in which it hears
    return any("pipelineRunLogs" in frame for frame in heard)
