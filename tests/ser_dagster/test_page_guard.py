"""The layer before the web server passes on what is for this page, of it, of a known form and with its token."""

import json
import re

import pytest
from asgi import Answer, Inner, request

from ser_dagster.web.address import Address, local_address, own_addresses
from ser_dagster.web.guard import PageGuard

TOKEN = "t" * 40
HOST = ("Host", "127.0.0.1:3000")
ORIGIN = ("Origin", "http://127.0.0.1:3000")
COOKIE = ("Cookie", f"other=1; ser-ui-3000={TOKEN}")
BEARER = ("Authorization", f"Bearer {TOKEN}")
JSON = ("Content-Type", "application/json")
VISIT = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
CROSS, SAME_SITE, SAME = [("Sec-Fetch-Site", site) for site in ("cross-site", "same-site", "same-origin")]
PAGE = [HOST, COOKIE, SAME]
ASKS = [HOST, COOKIE, ORIGIN, SAME, JSON]
REPORT = "/report_asset_materialization/landed_pairs"
SUBSCRIBE = json.dumps({"type": "start", "id": "1", "payload": {"query": "subscription { a { b } }"}})


def guarded(inner: Inner, read_only: bool = False, *named: str) -> PageGuard:
    return PageGuard(inner, TOKEN, own_addresses("127.0.0.1", 3000), [*map(Address.parse, named)], read_only)


def status(target: str, headers: list[tuple[str, str]], method: str = "GET", read_only: bool = False, body=b"") -> int:
    """The answer's status; the application has been reached if and only if it is its own, 200."""
    inner = Inner()
    answer = request(guarded(inner, read_only), target, method, headers, body)
    assert (answer.body == "inner") == bool(inner.reached)
    return answer.status if answer.body != "inner" else 200


def refused(target: str, headers: list[tuple[str, str]], method: str = "GET", **more: bytes) -> int:
    code = status(target, headers, method, **more)
    assert code >= 400
    return code


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "LOCALHOST:3000", "[::1]:3000"])
def test_the_page_answers_at_its_own_addresses(host: str) -> None:
    assert status("/", [("Host", host), COOKIE]) == 200
    asks = [("Host", host), COOKIE, ("Origin", f"http://{host.lower()}"), JSON]
    assert status("/graphql", asks, "POST") == 200


@pytest.mark.parametrize(
    ("listening", "sent"),
    [
        ("2001:DB8::0001", "[2001:db8::1]"), ("0:0:0:0:0:0:0:0", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1"),
        ("0", "127.0.0.1"), ("10.1", "10.0.0.1"), ("BOX.example", "box.example"),
    ],
)  # fmt: skip
def test_the_page_answers_where_it_listens_in_the_form_that_browsers_send(listening: str, sent: str) -> None:
    guard = PageGuard(Inner(), TOKEN, own_addresses(listening, 3000))
    answer = request(
        guard, "/graphql", "POST", [("Host", f"{sent}:3000"), ("Origin", f"http://{sent}:3000"), COOKIE, JSON]
    )
    assert (answer.status, str(local_address(listening, 3000))) == (200, f"http://{sent}:3000")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:3000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:03001", "localhost.:3000", "evil.localhost:3000",
        "127.0.0.1.evil.example:3000", "localhost:3000.evil.example", "user@127.0.0.1:3000",
        "127.0.0.1:3000@evil.example",
        "127.0.0.1:3000, evil.example", "0.0.0.0:3000", "127.1:3000", "2130706433:3000", "[::ffff:127.0.0.1]:3000",
        "[0:0:0:0:0:0:0:1]:3000", "[::1%lo]:3000", "127.0.0.1:3000/", "127.0.0.1:3000\n", "", " ", ":3000", "\xff:3000",
    ],
)  # fmt: skip
def test_another_host_is_refused_whoever_asks(host: str) -> None:
    for known in (COOKIE, BEARER):
        assert refused("/server_info", [("Host", host), known]) == 403


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/server_info", [BEARER]),
        ("/server_info", [HOST, HOST, BEARER]),
        ("/server_info", [HOST, ("Host", "evil.example"), BEARER]),
        ("http://127.0.0.1:3000/server_info", [HOST, BEARER]),
        ("http://evil.example/server_info", [HOST, BEARER]),
        ("*", [HOST, BEARER]),
    ],
)
def test_a_request_that_is_not_clearly_for_this_page_is_refused(target: str, headers: list[tuple[str, str]]) -> None:
    assert refused(target, headers) == 400


FOREIGN = [
    [("Origin", "http://evil.example:3000")],
    [("Origin", "null")],
    [("Origin", "https://127.0.0.1:3000")],
    [("Origin", "http://127.0.0.1:3001")],
    [("Origin", "http://127.0.0.1")],
    [("Origin", "http://localhost:3000")],
    [("Origin", "http://127.0.0.1:3000.evil.example")],
    [("Origin", "")],
    [ORIGIN, ("Origin", "http://evil.example")],
    [ORIGIN, CROSS],
    [ORIGIN, SAME_SITE],
    [CROSS],
    [SAME, CROSS],
    [("Sec-Fetch-Site", "unheard-of")],
]


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("known", [COOKIE, BEARER])
def test_another_page_is_refused(foreign: list[tuple[str, str]], known: tuple[str, str]) -> None:
    asked = [HOST, known, *foreign]
    assert refused("/server_info", asked) == 403
    assert refused("/graphql", [*asked, JSON], "POST") == 403
    assert refused(REPORT, [*asked, JSON], "POST") == 403
    inner = Inner()
    answer = request(guarded(inner), "/graphql", headers=asked, websocket=[SUBSCRIBE])
    assert (answer.kinds, inner.reached) == (["websocket.close"], [])


def test_a_visit_from_another_page_is_answered_where_pages_are_and_else_refused() -> None:
    for site in (CROSS, SAME_SITE):
        assert status("/runs", [HOST, COOKIE, site, *VISIT]) == 200
        for target in ("/graphql", "/server_info", "/logs/a/b", "/download_debug/1", "/notebook?path=a.ipynb"):
            html = ("Accept", "text/html")
            assert refused(target, [HOST, COOKIE, site, html, *VISIT]) == 403
        for how in (
            [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
            [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "document")],
            [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
            [*VISIT, *VISIT],
            [],
        ):
            assert refused("/runs", [HOST, COOKIE, site, *how]) == 403
        assert refused("/runs", [HOST, COOKIE, site, *VISIT, JSON], "POST") == 403


FORMS = [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json",
    "text/plain;x=application/json", "application/graphql", "application/json, text/plain", "application/jsonp", "",
]  # fmt: skip


@pytest.mark.parametrize("known", [COOKIE, BEARER])
def test_changes_come_by_post_with_json_only(known: tuple[str, str]) -> None:
    asked = [HOST, known, ORIGIN, SAME]
    for target in ("/graphql", REPORT, "/report_asset_check/a", "/report_asset_observation/a"):
        assert status(target, [*asked, JSON], "POST") == 200
        assert status(target, [*asked, ("Content-Type", "Application/JSON; charset=utf-8")], "POST") == 200
        assert refused(target, asked, "POST") == 415
        assert refused(target, [*asked, JSON, ("Content-Type", "text/plain")], "POST") == 415
        assert {refused(target, [*asked, ("Content-Type", form)], "POST") for form in FORMS} == {415}
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "post", "get", ""):
            assert refused(target, [*asked, JSON], method) == 405
    for target in ("/", "/runs", "/graphql/", "//graphql", "/GraphQL", "/report_asset_materialization", "/unknown"):
        assert refused(target, [*asked, JSON], "POST") == 405


def test_graphql_by_get_is_its_editor_and_nothing_that_the_url_asks_for() -> None:
    mutation = "/graphql?query=mutation%7BreloadWorkspace%7B__typename%7D%7D"
    assert refused(mutation, PAGE) == 405
    assert refused(mutation, [*PAGE, ("Accept", "*/*"), ("Accept", "text/html")]) == 405
    inner = Inner()
    request(guarded(inner), mutation, headers=[*PAGE, ("Accept", "text/html,*/*")])
    request(guarded(inner), mutation, "POST", headers=ASKS)
    assert [scope["query_string"] for scope in inner.reached] == [b"", b""]


@pytest.mark.parametrize(
    "headers",
    [
        [], [("Cookie", "ser-ui-3000=")], [("Cookie", f"ser-ui-3000={TOKEN}x")], [("Cookie", f"ser-ui-3001={TOKEN}")],
        [("Cookie", f"xser-ui-3000={TOKEN}")], [("Cookie", "ser-ui-3000=\xff")], [("Authorization", TOKEN)],
        [("Authorization", f"Basic {TOKEN}")], [("Authorization", "Bearer ")],
        [("Authorization", f"Bearer {TOKEN[1:]}")],
    ],
)  # fmt: skip
def test_who_has_no_token_reads_nothing(headers: list[tuple[str, str]]) -> None:
    for target in ("/", "/server_info", "/manifest.json", "/logs/a/out", "/?token=", "/?token=x", f"/?xtoken={TOKEN}"):
        assert refused(target, [HOST, *headers]) == 401
    assert refused("/graphql", [HOST, ORIGIN, JSON, *headers], "POST") == 401
    inner = Inner()
    answer = request(guarded(inner), "/graphql", headers=[HOST, ORIGIN, *headers], websocket=[SUBSCRIBE])
    assert (answer.kinds, inner.reached) == (["websocket.close"], [])


def test_the_token_in_a_url_opens_pages_and_nothing_else() -> None:
    for site in ([], [CROSS, *VISIT], [("Sec-Fetch-Site", "none"), *VISIT]):
        answer = opened(f"/runs/a%2Fb?x=%3Cb%3E&token={TOKEN}&y=1", [HOST, *site])
        assert sent_on(answer) == "/runs/a%2Fb?x=%3Cb%3E&amp;y=1"
        (cookie,) = answer.header("set-cookie")
        assert cookie.startswith(f"ser-ui-3000={TOKEN}; ")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
    assert refused(f"/graphql?token={TOKEN}", [HOST, ORIGIN, JSON], "POST") == 401
    assert refused(f"/?token={TOKEN}", [("Host", "evil.example:3000")]) == 403
    assert refused(f"/?token={TOKEN}", [HOST, CROSS, ("Sec-Fetch-Dest", "iframe")]) == 403


def test_an_old_link_is_still_one_for_a_browser_that_has_the_cookie() -> None:
    assert sent_on(opened("/runs?token=old", PAGE)) == "/runs"


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example", "/\\evil.example", "/\t/evil.example", '/"><b>'])
def test_a_link_leads_to_this_page_and_no_other(path: str) -> None:
    assert re.fullmatch(r"/([a-z.%0-9A-Z][^\"<>\\\s]*)?", sent_on(opened(f"{path}/?token={TOKEN}", [HOST])))


def test_a_link_from_elsewhere_is_followed_once_more_from_here_for_the_sake_of_the_cookie() -> None:
    answer = request(guarded(Inner()), "/runs/1", headers=[HOST, CROSS, *VISIT])
    assert (answer.status, sent_on(answer)) == (401, "/runs/1")
    again = request(guarded(Inner()), "/runs/1", headers=[HOST, SAME, *VISIT])
    assert (again.status, "refresh" in again.body) == (401, False)


def test_a_cookie_of_another_port_does_not_shut_the_page() -> None:
    assert status("/", [HOST, ("Cookie", f"ser-ui-3000=evil; ser-ui-3000={TOKEN}; ser-ui-3000=evil")]) == 200
    assert status("/", [HOST, ("Cookie", "ser-ui-3000=evil"), COOKIE]) == 200


def test_a_program_needs_no_origin_and_a_browser_that_hides_it_may_change_nothing() -> None:
    assert status("/graphql", [HOST, BEARER, JSON], "POST") == 200
    assert refused("/graphql", [HOST, COOKIE, JSON], "POST") == 403
    inner = Inner()
    assert request(guarded(inner), "/graphql", headers=[HOST, COOKIE], websocket=[]).kinds == ["websocket.close"]
    assert request(guarded(inner), "/graphql", headers=[HOST, BEARER], websocket=[]).kinds == ["websocket.accept"]


@pytest.mark.parametrize(
    "message",
    [
        json.dumps({"type": "start", "payload": {"query": "mutation { a }"}}),
        json.dumps({"type": "start", "payload": {"query": "subscription { a } mutation b { c }"}}),
        json.dumps({"type": "start", "payload": {"query": "{ a }"}}),
        json.dumps({"type": "start", "payload": {"query": "{" * 3000}}),
        json.dumps({"type": "start", "payload": {"query": ["subscription { a }"]}}),
        json.dumps({"type": "start", "payload": "subscription { a }"}),
        json.dumps({"type": "start"}),
        json.dumps({"type": "subscribe", "payload": {"query": "subscription { a }"}}),
        json.dumps([{"type": "start"}]),
        '{"type":"connection_init","type":"start","payload":{"query":"mutation{a}"}}',
        "[" * 100_000,
        "no JSON",
        SUBSCRIBE.encode(),
        json.dumps({"type": "start", "payload": {"query": "subscription {" + "a " * 5_000 + "}"}}),
        json.dumps({"type": "start", "payload": {"query": "subscription { a }", "more": "a" * 1_000_000}}),
    ],
)
def test_a_websocket_carries_subscriptions_and_ends_with_anything_else(message: str | bytes) -> None:
    inner = Inner()
    first = json.dumps({"type": "connection_init"})
    answer = request(guarded(inner), "/graphql", headers=[HOST, COOKIE, ORIGIN], websocket=[first, SUBSCRIBE, message])
    assert inner.received == [first, SUBSCRIBE]
    assert answer.messages[-1]["code"] == 1008
    assert request(guarded(inner), "/", headers=[HOST, BEARER], websocket=[]).kinds == ["websocket.close"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{ a }"}, 200),
        ({"query": "query one { a } query two { b }", "operationName": "one", "variables": {"a": 1}}, 200),
        ({"query": "{ a: b(c: 1) " + "d " * 4_000 + "}"}, 200),
        ({"query": "{" + "a " * 499_000 + "}"}, 403),
        ({"query": "mutation { a }"}, 403),
        ({"query": "query one { a } mutation two { b }", "operationName": "one"}, 403),
        ({"query": "# query\nmutation { a }"}, 403),
        ({"query": "subscription { a }"}, 403),
        ({"query": "fragment a on B { c }"}, 403),
        ({"query": "{" * 3000}, 403),
        ({"query": "{"}, 403),
        ({"query": ""}, 403),
        ({"query": None}, 403),
        ({}, 403),
        ([{"query": "{ a }"}], 403),
        ({"query": "{ a }", "more": "a" * 1_000_000}, 413),
    ],
)
def test_a_page_for_reading_takes_queries(body: object, code: int) -> None:
    text = json.dumps(body).encode()
    inner = Inner()
    assert request(guarded(inner, read_only=True), "/graphql", "POST", ASKS, text).status == code
    assert inner.received == ([text] if code == 200 else [])
    assert request(guarded(Inner()), "/graphql", "POST", ASKS, text).status == 200


def test_a_page_for_reading_takes_no_doubled_keys_and_no_reports() -> None:
    doubled = b'{"query": "{ a }", "query": "mutation { a }"}'
    assert status("/graphql", ASKS, "POST", True, doubled) == 403
    assert status(REPORT, ASKS, "POST", True, b'{"query": "{ a }"}') == 403
    assert status("/runs", PAGE, "GET", True) == 200


def test_behind_a_proxy_the_page_has_the_name_that_was_given() -> None:
    name = [("Host", "ser.example.com"), ("Cookie", f"ser-ui-443={TOKEN}")]
    guard = guarded(Inner(), False, "https://Ser.Example.com/")

    def code(*more: tuple[str, str]) -> int:
        return request(guard, "/graphql", "POST", [*name, *more, JSON]).status

    assert code(("Origin", "https://ser.example.com")) == 200
    assert code(("Origin", "http://ser.example.com")) == 403
    assert code(("Origin", "https://ser.example.com"), ("X-Forwarded-Host", "evil.example")) == 200
    assert request(guard, "/", headers=[("Host", "ser.example.com:443"), name[1]]).status == 200
    assert request(guard, "/", headers=[("Host", "ser.example.com:80"), name[1]]).status == 403
    forwarded = [("Host", "evil.example"), ("X-Forwarded-Host", "ser.example.com"), BEARER]
    assert request(guard, "/", headers=forwarded).status == 403
    (cookie,) = request(guard, f"/?token={TOKEN}", headers=[name[0]]).header("set-cookie")
    assert "Secure" in cookie.split("; ")


def test_before_a_proxy_that_changes_the_host_the_page_has_the_origin_that_was_given() -> None:
    guard = guarded(Inner(), False, "https://name-3000.forwarded.example")

    def code(*origin: str) -> int:
        return request(
            guard, "/graphql", "POST", [HOST, COOKIE, SAME, JSON, *[("Origin", one) for one in origin]]
        ).status

    assert code("https://name-3000.forwarded.example") == 200
    assert code("http://name-3000.forwarded.example") == 403
    assert code("https://other-3000.forwarded.example") == 403
    assert code("https://name-3000.forwarded.example", "https://evil.example") == 403
    foreign = [HOST, COOKIE, CROSS, JSON, ("Origin", "https://name-3000.forwarded.example")]
    assert request(guard, "/graphql", "POST", foreign).status == 403


def test_every_answer_keeps_other_pages_from_framing_and_from_hearing_of_its_url() -> None:
    for answer in (
        request(guarded(Inner()), "/", headers=PAGE),
        request(guarded(Inner()), "/", headers=[HOST]),
        opened(f"/?token={TOKEN}", [HOST]),
    ):
        assert answer.header("referrer-policy") == ["same-origin"]
        assert answer.header("x-frame-options") == ["SAMEORIGIN"]
        assert answer.header("content-security-policy") == ["frame-ancestors 'self'"]
        assert answer.header("x-content-type-options") == ["nosniff"]
        assert answer.header("cache-control")[0] in ("private, no-cache", "no-store")
        assert "access-control-allow-origin" not in {key.decode() for key, _ in answer.messages[0]["headers"]}


def opened(target: str, headers: list[tuple[str, str]]) -> Answer:
    inner = Inner()
    answer = request(guarded(inner), target, headers=headers)
    assert (answer.status, inner.reached) == (200, [])
    assert TOKEN not in answer.body
    return answer


def sent_on(answer: Answer) -> str:
    (url,) = re.findall(r'content="0; url=(.*?)">', answer.body)
    return url
