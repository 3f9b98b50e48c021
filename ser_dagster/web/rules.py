"""What every request has to be: for this page, not from another one, and of a form that another cannot send."""

from collections.abc import Sequence

from starlette.requests import HTTPConnection

from ser_dagster.web.address import Address

GRAPHQL = "/graphql"
REPORTS = ("/report_asset_materialization/", "/report_asset_check/", "/report_asset_observation/")
"""Where Dagster takes events that no run of its own has made."""
FILES = (GRAPHQL, "/server_info", "/dagit_info", "/logs/", "/notebook", "/dagit/notebook", "/download_debug/")
"""Where data are, and no page that a link elsewhere could lead to."""
READING = ("GET", "HEAD")


class RefusedError(Exception):
    """A request that is not passed on: the status and the line that answer it."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def find_address(connection: HTTPConnection, addresses: Sequence[Address]) -> Address:
    """The one of the page's addresses that a request is for.

    A browser that was led here by somebody else's name (DNS rebinding) says that name.

    Raises:
        RefusedError: it is for another, or does not say.
    """
    hosts = connection.headers.getlist("host")
    if len(hosts) != 1 or not connection.scope["path"].startswith("/"):
        raise RefusedError(400, "A request names a path, and in one Host header the address of this page.")
    for address in addresses:
        if address.answers_to(hosts[0]):
            return address
    raise RefusedError(
        403,
        f"{hosts[0]!a} is not an address of this page. If it should be: ser ui --address http://NAME:PORT "
        "(or https://NAME), as the browser shows it.",
    )


def require_own_origin(connection: HTTPConnection, address: Address, named: Sequence[Address]) -> None:
    """Let nothing pass that another page has sent, but a plain visit: a navigation of a tab to a page.

    The page is where the request is for, or, before a proxy that changes the Host header, at a named address.

    Raises:
        RefusedError: another page sent it.
    """
    for origin in connection.headers.getlist("origin"):
        if origin not in map(str, (address, *named)):
            raise RefusedError(
                403,
                f"Pages of {origin!a} may not ask this one, which is at {address}. If it is this one behind a proxy: "
                "ser ui --address, with what the browser shows.",
            )
    if is_foreign(connection) and not _is_visit(connection):
        raise RefusedError(403, "Other pages may not ask this one.")


def is_foreign(connection: HTTPConnection) -> bool:
    """Whether the browser says that something else than this page, or the person before it, asks."""
    return any(site not in ("same-origin", "none") for site in connection.headers.getlist("sec-fetch-site"))


def _is_visit(connection: HTTPConnection) -> bool:
    sent = connection.headers
    how = (sent.getlist("sec-fetch-mode"), sent.getlist("sec-fetch-dest"))
    read = connection.scope["type"] == "http" and connection.scope["method"] in READING
    return read and how == (["navigate"], ["document"]) and not connection.scope["path"].startswith(FILES)


def require_known_form(connection: HTTPConnection) -> None:
    """Let a request change something only by POST with JSON, and only where Dagster takes it so.

    Raises:
        RefusedError: it is of another form.
    """
    path, method = connection.scope["path"], connection.scope["method"]
    if method in READING:
        if path == GRAPHQL and "text/html" not in connection.headers.get("accept", ""):  # which asks for GraphiQL
            raise RefusedError(405, "GraphQL is asked by POST, with Content-Type: application/json.")
    elif method == "POST" and (path == GRAPHQL or path.startswith(REPORTS)):
        types = [kind.partition(";")[0].strip().lower() for kind in connection.headers.getlist("content-type")]
        if types != ["application/json"]:
            raise RefusedError(415, "What is sent has to be JSON, with Content-Type: application/json.")
    else:
        raise RefusedError(405, f"There is nothing to {method} here.")
