"""The door: an admin key, a session of our own, and forms that nobody else's page can send."""

import re

import httpx
import pytest
from litestar.routes import HTTPRoute

from gateway.web.app import create_app
from gateway.web.dashboard import known
from gateway.web.sessions import TRIES
from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked
from tests.web.dashboard.visitor import Page, Visitor

PAGES = ("/", "/events", "/deliveries", "/quarantine", "/connections", "/connections/new", "/destinations",
         "/destinations/new", "/keys", "/booking?key=x", "/events/x", "/deliveries/x", "/quarantine/x", "/held",
         "/url", "/audit", "/erase", "/erase/x")  # fmt: skip
DOINGS = ("/sign-out", "/keys", "/keys/x/revoke", "/events/x/replay", "/events/x/reveal", "/deliveries/retry",
          "/deliveries/x/retry", "/quarantine/retry", "/quarantine/x/discard", "/quarantine/x/reveal",
          "/quarantine/x/retry", "/connections/x/check", "/connections/x/repair", "/connections/x/rotate",
          "/connections/x/reconcile", "/connections/new/talking", "/connections/x", "/connections/x/remove",
          "/destinations/new", "/destinations/x", "/destinations/x/test", "/destinations/x/pause",
          "/destinations/x/resume", "/destinations/x/rotate-secret", "/destinations/x/remove",
          "/url/rotate", "/erase", "/erase/look")  # fmt: skip


async def test_every_page_asks_a_stranger_for_a_key(stranger: Visitor) -> None:
    for path in PAGES:
        answer = await stranger.http.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in")
        assert answer.content == b""


async def test_nobody_does_anything_without_a_session(stranger: Visitor) -> None:
    for path in DOINGS:
        answer = await stranger.http.post(path, data={"csrf": "x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path


async def test_no_form_is_taken_without_its_token(visitor: Visitor) -> None:
    for path in DOINGS:
        for fields in ([], [("csrf", "x")], [("csrf", "")]):
            page = await visitor.send(path, fields, 403)
            assert "not valid any more" in page.text


async def test_these_are_all_the_pages_that_do_something(gateway: Gateway) -> None:
    app = create_app(gateway.services)
    posts = {
        re.sub(r"{[^}]*}", "x", route.path_format).replace("new/x", "new/talking")
        for route in app.routes
        if isinstance(route, HTTPRoute) and "POST" in route.methods and not route.path.startswith("/v1/")
    }
    assert posts - {"/sign-in"} == set(DOINGS)


async def test_every_page_says_who_may_frame_it_and_what_may_run(visitor: Visitor, stranger: Visitor) -> None:
    for page in (await visitor.get("/"), await visitor.get("/events/none", 404), await stranger.get("/sign-in")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert "<style" not in page.html
        assert not re.search(r"<script(?![^>]* src=)| on\w+=| style=", page.html)


async def test_signing_in_leads_back_to_the_page_that_was_asked_for(gateway: Gateway, stranger: Visitor) -> None:
    event = await booked(gateway)
    page = await stranger.get(f"/events/{event}?x=1")
    landed = await stranger.send("/sign-in", [*page.form("/sign-in").fields, ("key", await gateway.key("admin"))])
    assert landed.path == f"/events/{event}?x=1"


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/", "/\\evil.example", "evil", "/\nx"])
async def test_signing_in_leads_nowhere_else(gateway: Gateway, stranger: Visitor, back: str) -> None:
    landed = await stranger.enter(await gateway.key("admin"), next=back)
    assert landed.path == "/"


async def test_a_key_without_the_scope_admin_does_not_open(gateway: Gateway, stranger: Visitor) -> None:
    form = (await stranger.get("/sign-in")).form("/sign-in")
    page = await stranger.send("/sign-in", [*form.fields, ("key", await gateway.key("events:read"))], 403)
    assert "lacks the scope admin" in page.text
    assert "gateway=" not in page.headers.get("set-cookie", "")


async def test_the_key_is_on_no_page_and_in_no_cookie(gateway: Gateway, stranger: Visitor) -> None:
    key = await gateway.key("admin")
    landed = await stranger.enter(key)
    assert key not in landed.html + str(dict(stranger.http.cookies))


async def test_a_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites(
    gateway: Gateway, stranger: Visitor
) -> None:
    cookie = await _cookie(stranger, await gateway.key("admin"), {})
    assert re.fullmatch(r"gateway=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", cookie)


@pytest.mark.parametrize(
    ("public", "origin", "safe"),
    [
        ("https://hooks.example.com", None, True),
        ("https://hooks.example.com", "https://hooks.example.com", True),
        ("https://hooks.example.com", "http://{here}", False),
        ("http://hooks.example.com", "https://{here}", True),
        ("http://hooks.example.com", None, False),
    ],
)
async def test_where_there_is_tls_the_cookie_needs_it(
    gateway: Gateway, stranger: Visitor, public: str, origin: str | None, safe: bool
) -> None:
    gateway.services.public_url = public
    here = httpx.URL(gateway.url).netloc.decode()
    headers = {} if origin is None else {"origin": origin.format(here=here)}
    cookie = await _cookie(stranger, await gateway.key("admin"), headers)
    assert cookie.startswith("__Host-gateway=") is safe
    assert cookie.endswith("; Secure") is safe


async def test_a_session_that_needs_tls_is_not_taken_from_the_plain_cookie(gateway: Gateway, stranger: Visitor) -> None:
    gateway.services.public_url = "https://hooks.example.com"
    token = (await _cookie(stranger, await gateway.key("admin"), {})).partition("=")[2].partition(";")[0]
    for name, status in (("__Host-gateway", 200), ("gateway", 303)):
        answer = await stranger.http.get("/keys", headers={"cookie": f"{name}={token}"})
        assert answer.status_code == status


async def test_signing_out_ends_the_session_for_good(visitor: Visitor) -> None:
    token = visitor.http.cookies["gateway"]
    await visitor.submit("/", "/sign-out")
    assert "gateway" not in visitor.http.cookies
    answer = await visitor.http.get("/", headers={"cookie": f"gateway={token}"})
    assert answer.status_code == 303


async def test_revoking_the_key_ends_its_sessions_at_once(gateway: Gateway, stranger: Visitor) -> None:
    key = await gateway.post("/v1/keys", {"scopes": ["admin"]}, 201)
    await stranger.enter(key["key"])
    assert (await gateway.http.delete(f"/v1/keys/{key['id']}")).status_code == 204
    assert (await stranger.http.get("/")).status_code == 303


async def test_a_part_that_asks_again_by_itself_is_told_to_go_and_sign_in(stranger: Visitor) -> None:
    answer = await stranger.http.get("/events?type=booking.*", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?next=%2Fevents%3Ftype%3Dbooking.%2A")


async def test_a_link_from_elsewhere_is_followed_once_more_from_here(stranger: Visitor) -> None:
    """The browser keeps the cookie back from what another site leads to."""
    answer = await stranger.http.get("/events", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_form_that_another_site_sends_is_refused(visitor: Visitor, headers: dict[str, str]) -> None:
    token = dict((await visitor.get("/")).form("/sign-out").fields)["csrf"]
    answer = await visitor.http.post("/sign-out", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403
    assert "somebody else" in answer.text


async def test_the_sign_in_form_is_bound_to_its_browser(gateway: Gateway, stranger: Visitor) -> None:
    """Else a stranger's page could sign somebody in as itself."""
    form = (await stranger.get("/sign-in")).form("/sign-in")
    async with Visitor(gateway.url) as other:
        await other.send("/sign-in", [*form.fields, ("key", await gateway.key("admin"))], 403)


async def test_after_too_many_wrong_keys_none_is_looked_at(gateway: Gateway, stranger: Visitor) -> None:
    form = (await stranger.get("/sign-in")).form("/sign-in")
    for _ in range(TRIES):
        page = await stranger.send("/sign-in", [*form.fields, ("key", "wrong")], 403)
        assert "not a key of this gateway" in page.text
    page = await stranger.send("/sign-in", [*form.fields, ("key", await gateway.key("admin"))], 429)
    assert 0 < int(page.headers["retry-after"]) <= 300


async def test_who_signed_in_before_is_not_locked_out_by_others_behind_the_same_proxy(
    gateway: Gateway, visitor: Visitor, stranger: Visitor
) -> None:
    await visitor.submit("/", "/sign-out")
    form = (await stranger.get("/sign-in")).form("/sign-in")
    for _ in range(TRIES):
        await stranger.send("/sign-in", [*form.fields, ("key", "wrong")], 403)
    own = (await visitor.get("/sign-in")).form("/sign-in")
    assert "Sign out" in (await visitor.send("/sign-in", [*own.fields, ("key", await gateway.key("admin"))])).html

    await visitor.submit("/", "/sign-out")
    own = (await visitor.get("/sign-in")).form("/sign-in")
    for _ in range(TRIES):
        await visitor.send("/sign-in", [*own.fields, ("key", "wrong")], 403)
    await visitor.send("/sign-in", [*own.fields, ("key", await gateway.key("admin"))], 429)


@pytest.mark.parametrize("mark", ["", "key_admin", "key_admin.n.0", "\u00e4.\u00e4.\u00e4", "..", "{id}.n.00"])
async def test_a_mark_that_no_key_made_counts_as_none(gateway: Gateway, mark: str) -> None:
    await gateway.key("admin")
    keys = await gateway.store.keys()
    for key in keys:
        assert known.counted_as(mark.format(id=key.id), "192.0.2.1", keys) == "192.0.2.1"
        assert known.counted_as(known.mark(key), "192.0.2.1", keys).startswith("browser ")
        assert known.counted_as(known.mark(key), "192.0.2.1", []) == "192.0.2.1", "its key was revoked"


@pytest.mark.parametrize("body", [b"\xff=1", b"csrf=%ff", b"&".join([b"a=1"] * 600)])
async def test_what_is_no_form_is_refused(visitor: Visitor, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await visitor.http.post("/keys", content=body, headers=headers)).status_code == 400


async def test_only_forms_are_taken(visitor: Visitor) -> None:
    assert (await visitor.http.post("/keys", json={"scopes": ["admin"]})).status_code == 415


@pytest.mark.usefixtures("visitor")
async def test_signing_in_is_in_the_audit_log(gateway: Gateway) -> None:
    assert "sign_in" in {entry.action for entry in await gateway.store.audit.list(limit=500)}


async def _cookie(stranger: Visitor, key: str, headers: dict[str, str]) -> str:
    form = (await stranger.get("/sign-in")).form("/sign-in")
    said = dict(form.fields) | {"key": key}
    answer = await stranger.http.post("/sign-in", data=said, headers=headers)
    assert answer.status_code == 303, Page(answer).text
    return answer.headers.get_list("set-cookie")[0]
