"""Start what compose.yaml starts, by hand: Postgres, code location, web server and daemon; look at them; stop them.

Run it with a Python in which `.[deploy]` is installed: `python deploy/check.py`. It needs the programs of Postgres
(on Debian: apt install postgresql), no container engine and no network. All it writes is in a folder of its own,
which is removed. Exit code 0: everything answered, a run went through the queue, and nothing is left running.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from resources.locks import owners_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PATIENCE = 600.0
PAIRS = 200
TOKEN = secrets.token_hex(32)
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def main() -> None:
    """Start everything, check everything, stop everything."""
    with tempfile.TemporaryDirectory(prefix="ser-deploy-") as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres runs as another user and works in a folder below
        environment = running.enter_context(postgres(folder / "postgres"))
        ports = {"code": free_port(), "webserver": free_port()}
        environment |= home(folder / "home") | {
            "SER_DATA": str(folder / "data"),
            "DAGSTER_LOGS": str(folder / "data" / "logs"),
            "UI_TOKEN": TOKEN,
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": str(ports["code"]),
            "SER_AUTOMATION__MIN_NEW_PAIRS": "1000000",  # no run begins by itself and takes the snapshot
        }
        workspace = str(ROOT / "deploy" / "workspace.yaml")
        snapshot = land(folder, environment)
        local = ("--host", "127.0.0.1", "--port")
        code = ("dagster", "api", "grpc", *local, str(ports["code"]), "--module-name", "ser_dagster.definitions")
        named = ("--address", "https://ser.example.com")
        web = ("python", "-m", "ser_dagster.web", *local, str(ports["webserver"]), "--workspace", workspace, *named)
        daemon = ("python", "-m", "ser_dagster.daemon", "run", "--workspace", workspace)
        running.enter_context(process("code", code, environment, folder))
        until(
            "the code location is healthy",
            lambda: healthy(("api", "grpc-health-check", "--port", code[6]), environment),
        )
        running.enter_context(process("webserver", web, environment, folder))
        address = f"http://127.0.0.1:{ports['webserver']}"
        until("the web server answers", lambda: get(address, KNOWN) == 200)
        check("it asks who has no token for it", get(address, {}) == 401)
        check("it knows the name that it has behind a proxy", get(address, KNOWN | {"Host": "ser.example.com"}) == 200)
        check("it refuses another name", get(address, KNOWN | {"Host": "evil.example"}) == 403)
        check("it refuses another page", get(address, KNOWN | {"Origin": "https://evil.example"}) == 403)
        running.enter_context(process("daemon", daemon, environment, folder))
        until("the daemon is alive", lambda: healthy(("liveness-check",), environment, "dagster-daemon"))
        until("the asset graph is there", lambda: {"seed_rm", "evolved_rm", "report"} <= assets(address))
        until("every daemon is healthy", lambda: daemons(address))
        check("all of Dagster's storage is Postgres", storage(address).count("Postgres") >= 3)
        run = launch(address, snapshot, "landed_pairs")
        until("a run went through the queue", lambda: ended(address, run))
        killed = launch(address, snapshot, "landed_pairs", "splits", "backbone", "encoded_pairs")
        until("a run was killed at its work", lambda: killed_at_work(folder / "data", snapshot, killed))
        until("it was marked as failed", lambda: run_of(address, killed)["status"] == "FAILURE")
        until("it was run again, and that run ended well", lambda: ended(address, retry_of(address, killed)))
        tables = query(environment, "SELECT count(*) FROM event_logs")
        check("its events are rows in Postgres", int(tables) > 0)
    print("deployment: everything answered, and every process was stopped.")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def check(what: str, holds: bool) -> None:
    """Say that something holds, or end."""
    if not holds:
        raise SystemExit(f"deployment: failed: {what}")
    print(f"ok  {what}", flush=True)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds; what it raises while a process is still starting is a no."""
    give_up, last = time.monotonic() + PATIENCE, ""
    while time.monotonic() < give_up:
        try:
            if holds():
                return check(what, True)
            last = "it did not"
        except (OSError, KeyError, ValueError) as error:
            last = repr(error)
        time.sleep(1)
    check(f"{what} ({last})", False)


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, str]]:
    """A Postgres of its own on a free port, and the environment that leads to it."""
    folder.mkdir()
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # it refuses to run as root
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def program(name: str, *arguments: str) -> None:
        command = [postgres_program(name), *arguments]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
        )

    port, password = free_port(), secrets.token_hex(16)
    data, secret = folder / "data", folder / "password"
    secret.write_text(password)
    if user is not None:
        os.chown(secret, user.pw_uid, user.pw_gid)
    program(
        "initdb", "--pgdata", str(data), "--username", "dagster", "--pwfile", str(secret), "--auth", "scram-sha-256"
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    program("pg_ctl", "start", "--wait", "--pgdata", str(data), "--log", str(folder / "log"), "--options", options)
    environment = os.environ | {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(port),
        "DAGSTER_POSTGRES_USER": "dagster",
        "DAGSTER_POSTGRES_PASSWORD": password,
        "DAGSTER_POSTGRES_DB": "dagster",
    }
    try:
        query(environment, "CREATE DATABASE dagster", database="postgres")
        yield environment
    finally:
        program("pg_ctl", "stop", "--wait", "--pgdata", str(data), "--mode", "fast")


def postgres_program(name: str) -> str:
    """The newest program of that name that Debian's packages or the PATH have."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise SystemExit(f"deployment: {name} is missing: install Postgres (apt install postgresql).")
    return program


def query(environment: dict[str, str], sql: str, database: str = "dagster") -> str:
    """What Postgres answers."""
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    access = {name: environment[f"DAGSTER_POSTGRES_{end}"] for name, end in names.items()}
    command = [
        postgres_program("psql"),
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--dbname",
        database,
        "--command",
        sql,
    ]
    return subprocess.run(command, env=os.environ | access, check=True, capture_output=True, text=True).stdout.strip()


def home(folder: Path) -> dict[str, str]:
    """A DAGSTER_HOME with the deployment's configuration."""
    folder.mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder)
    return {"DAGSTER_HOME": str(folder)}


@contextmanager
def process(name: str, command: tuple[str, ...], environment: dict[str, str], folder: Path) -> Iterator[None]:
    """A process that is stopped by its id in the end, and must have lived until then."""
    log = folder / f"{name}.log"
    with log.open("w") as output:
        started = subprocess.Popen(
            [BIN / command[0], *command[1:]], env=environment, cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield
        check(f"{name} lived until it was stopped", started.poll() is None)
    except BaseException:
        print(f"--- {name} ---\n{log.read_text()[-3000:]}", file=sys.stderr)
        raise
    finally:
        started.terminate()
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def land(folder: Path, environment: dict[str, str]) -> str:
    """Land a part of the sample with `ser`, whose partitions are in Postgres too, and return the snapshot."""
    lines = (ROOT / "data" / "sample" / "pairs.jsonl").read_text().splitlines(keepends=True)[:PAIRS]
    (folder / "pairs.jsonl").write_text("".join(lines))
    command = [BIN / "ser", "land", folder / "pairs.jsonl", "--dataset", "sample", "--json"]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)["snapshot"]


def healthy(arguments: tuple[str, ...], environment: dict[str, str], program: str = "dagster") -> bool:
    """Whether a health check of compose.yaml passes."""
    return subprocess.run([BIN / program, *arguments], env=environment, cwd=ROOT, capture_output=True).returncode == 0


def get(address: str, headers: dict[str, str]) -> int:
    """The status of the web server's answer."""
    try:
        with urlopen(Request(f"{address}/server_info", headers=headers), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def graphql(address: str, text: str, **variables: Any) -> Any:
    """The data of a GraphQL answer."""
    body = json.dumps({"query": text, "variables": variables}).encode()
    with urlopen(
        Request(f"{address}/graphql", body, KNOWN | {"Content-Type": "application/json"}), timeout=30
    ) as answer:
        return json.load(answer)["data"]


def assets(address: str) -> set[str]:
    nodes = graphql(address, "{ assetNodes { assetKey { path } } }")["assetNodes"]
    return {"/".join(node["assetKey"]["path"]) for node in nodes}


def daemons(address: str) -> bool:
    """Whether every daemon that this instance needs has said that it lives."""
    found = graphql(address, "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }")
    return all(one["healthy"] for one in found["instance"]["daemonHealth"]["allDaemonStatuses"] if one["required"])


def storage(address: str) -> str:
    """What the instance says about itself."""
    return graphql(address, "{ instance { info } }")["instance"]["info"]


LAUNCH = """
mutation ($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {selector: $selector, mode: "default", executionMetadata: {tags: $tags}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""


def launch(address: str, snapshot: str, *wanted: str) -> str:
    """Ask for assets of a snapshot, as the UI does, and return the run's id."""
    selector = {
        "repositoryLocationName": "ser_dagster",
        "repositoryName": "__repository__",
        "jobName": "ser_run",
        "assetSelection": [{"path": [name]} for name in wanted],
        "assetCheckSelection": [],
    }
    tags = [{"key": "dagster/partition", "value": snapshot}]
    launched = graphql(address, LAUNCH, selector=selector, tags=tags)["launchRun"]
    check(f"a run of {', '.join(wanted)} was asked for through GraphQL", launched["__typename"] == "LaunchRunSuccess")
    return launched["run"]["runId"]


def run_of(address: str, run: str) -> dict[str, Any]:
    """How a run is getting on, and what was tagged to it."""
    text = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
    return graphql(address, text, id=run)["runOrError"]


def ended(address: str, run: str) -> bool:
    """Whether a run ended well; one that failed ends this."""
    status = run_of(address, run)["status"]
    if status in ("FAILURE", "CANCELED"):
        raise SystemExit(f"deployment: failed: run {run} ended as {status}")
    return status == "SUCCESS"


def killed_at_work(root: Path, snapshot: str, run: str) -> bool:
    """Kill the process of a run as soon as it owns its evolution; an owner that is gone has left its name there."""
    if run not in owners_of(root, snapshot):
        return False
    said = [json.loads(path.read_text()) for path in (root / "heads" / snapshot).glob("*/.owner")]
    os.kill(next(owner["pid"] for owner in said if owner["run_id"] == run), signal.SIGKILL)
    return True


def retry_of(address: str, run: str) -> str:
    """The run that Dagster made in the place of a failed one."""
    tags = {tag["key"]: tag["value"] for tag in run_of(address, run)["tags"]}
    return tags["dagster/auto_retry_run_id"]


if __name__ == "__main__":
    main()
