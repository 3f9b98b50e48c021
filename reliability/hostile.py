"""A hostile page: where it is served, what it tries, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

from assets.ser_resource import SNAPSHOTS_NAME
from ser_dagster.ui import LOCATION

SCRIPT = Path(__file__).with_name("hostile.js").read_text()
HTML = f"<!doctype html><title>hostile</title><body><script>{SCRIPT}</script>"
SANDBOX = "sandbox allow-scripts allow-forms allow-popups"
"""Makes the origin of a page `null`."""

REPOSITORY = f'repositoryLocationName: "{LOCATION}", repositoryName: "__repository__"'
MUTATIONS = {
    "start a run": """mutation { launchRun(executionParams: {
        selector: {%(repository)s, jobName: "ser_run", assetSelection: [{path: ["landed_pairs"]}],
                   assetCheckSelection: []},
        mode: "default", executionMetadata: {tags: [{key: "dagster/partition", value: "%(snapshot)s"}]}
    }) { __typename } }""",
    "wipe an asset": """mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["landed_pairs"]}}]) {
        __typename } }""",
    "forge an event": """mutation { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION,
        assetKey: {path: ["landed_pairs"]}, partitionKeys: ["%(snapshot)s"]}) { __typename } }""",
    "add a partition": """mutation { addDynamicPartition(repositorySelector: {%(repository)s},
        partitionsDefName: "%(snapshots)s", partitionKey: "evil-%(number)d") { __typename } }""",
}
QUERY = "{ version runsOrError { ... on Runs { results { runId } } } }"
SUBSCRIPTION = "subscription { locationStateChangeEvents { event { message } } }"
FILES = ("/", "/server_info", "/runs", "/graphql", "/manifest.json")
REPORTS = ("/report_asset_materialization/landed_pairs", "/report_asset_observation/landed_pairs",
           "/report_asset_check/landed_pairs?check_name=forged&passed=true")  # fmt: skip

KINDS = {
    "images, scripts, styles, media, prefetches": (
        "image", "script", "style", "video", "prefetch", "preload", "events",
    ),
    "`fetch` by GET": ("blindGet", "openGet", "keptGet"),
    "`fetch` by POST or PUT, beacons": (
        "plainPost", "formPost", "smuggledPost", "untypedPost", "jsonPost", "putJson", "beacon", "typedBeacon",
    ),
    "forms": ("formGet", "formUrl", "formParts", "formPlain", "formTab"),
    "redirects": ("sentImage", "sentForm", "sentBlind", "sentJson"),
    "frames and windows": ("frame", "object", "embed", "tab", "loneTab"),
    "websockets": ("socket",),
    "reports of assets": ("reportBlind", "reportOpen", "reportBeacon", "reportJson", "reportForm"),
    "reading pages and files": ("readFetch", "readBlind", "readFrame", "readTab", "readScript"),
}  # fmt: skip
"""The ways of `hostile.js`."""


@dataclass(frozen=True)
class Attempt:
    """One thing that a page does: by which way, and what it asks for."""

    kind: str
    way: str
    query: str = ""
    path: str = ""


def attempts(snapshot: str, number: int) -> list[Attempt]:
    """Everything that a page tries; `number` tells what it adds from what another has added."""
    found: list[Attempt] = []
    for kind, ways in KINDS.items():
        for way in ways:
            if way.startswith("report"):
                found += [Attempt(kind, way, path=path) for path in REPORTS]
            elif way.startswith("read"):
                found += [Attempt(kind, way, path=path) for path in FILES]
            else:
                asked = words(snapshot, number + len(found))
                found += [Attempt(kind, way, mutation % asked) for mutation in MUTATIONS.values()]
                found += [Attempt(kind, way, text) for text in (QUERY, *([SUBSCRIPTION] if way == "socket" else []))]
    return found


def words(snapshot: str, number: int) -> dict[str, str | int]:
    """What the mutations name."""
    return {"repository": REPOSITORY, "snapshot": snapshot, "snapshots": SNAPSHOTS_NAME, "number": number}


@contextmanager
def hostile_server() -> Iterator[int]:
    """Serve the page on a port of its own, under whatever name it is asked for; `/null` has no origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Hostile(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The page."""
        if self.path.startswith("/to?"):
            return self.do_POST()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if self.path == "/null":
            self.send_header("Content-Security-Policy", SANDBOX)
        self.end_headers()
        self.wfile.write(HTML.encode())

    def do_POST(self) -> None:
        """Send the browser on to where the path says."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(307)
        self.send_header("Location", unquote(self.path.removeprefix("/to?")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""
