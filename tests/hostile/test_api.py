"""The API under generated requests: what its document allows, and what it does not. No 5xx, nothing undocumented."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.bench.load import meeting
from tests.hostile.calls import BODIES, appointment
from tests.hostile.standing import EXAMPLES, Standing, framed, proof

SCOPES = ("events:read", "events:replay", "config:read", "config:write", "admin")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/events/stream"
OUTWARD = ("check", "repair", "reconcile", "rotate", "test")
"""Verbs that call a vendor or a consumer when they are asked of something that exists: asked of what does not."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Run a gateway that nobody else needs: what is asked of it changes it."""
    up = Standing.up(tmp_path_factory.mktemp("fuzzed") / "data")
    yield up
    up.down()


@pytest.fixture(scope="module")
def schema(fuzzed: Standing) -> Any:
    return schemathesis.openapi.from_url(f"{fuzzed.gateway.url}/openapi.json")


@pytest.fixture(scope="module")
def known(fuzzed: Standing) -> dict[str, str]:
    """Make one of each thing; gives ids by the name they have in paths."""
    target = fuzzed.gateway.call("POST", "/v1/destinations", {"url": "http://127.0.0.1:9/", "types": ["booking.*"]})
    event = fuzzed.post("unsigned, own", appointment("fuzzed")).json()["events"][0]
    receipt = fuzzed.post("unsigned, own", BODIES["half a body"]).json()["receipt"]
    delivery = fuzzed.gateway.call("GET", "/v1/deliveries")["items"][0]["id"]
    return {
        "event_id": event,
        "receipt_id": receipt,
        "delivery_id": delivery,
        "destination_id": target["id"],
        "connection_id": fuzzed.ids["signed"],
    }


@pytest.fixture(scope="module")
def keys(fuzzed: Standing) -> dict[str, str | None]:
    """Make a key of every scope; beside them none, and one that is no key."""
    made = {scope: fuzzed.gateway.call("POST", "/v1/keys", {"scopes": [scope]})["key"] for scope in SCOPES}
    return {**made, "none": None, "wrong": "gwk_" + "x" * 43}


@pytest.mark.parametrize("scope", [*SCOPES, "none", "wrong"])
def test_nothing_that_is_asked_of_the_api_is_a_fault_of_ours(
    fuzzed: Standing, schema: Any, known: dict[str, str], keys: dict[str, str | None], scope: str
) -> None:
    """Every operation with every kind of key; what a key may not do gets less attention."""
    headers = {"authorization": f"Bearer {keys[scope]}"} if keys[scope] else {}
    for result in schema.get_all_operations():
        if result.ok().path != ENDLESS or scope not in ("events:read", "admin"):  # to them it has no end
            ask(result.ok(), fuzzed.gateway.url, headers, known, EXAMPLES if scope == "admin" else 3)
    body = meeting(f"after {scope}")
    assert fuzzed.post("signed, own", body, proof(body)).said == "accepted"


def ask(operation: Any, url: str, headers: dict[str, str], known: dict[str, str], examples: int) -> None:
    """Ask for one operation in many ways."""
    real = [name for name in known if f"{{{name}}}" in operation.path]
    mine = operation.method.upper() != "DELETE" and operation.path.rpartition("/")[2] not in OUTWARD
    turns = iter(range(1 << 30))

    @settings(
        max_examples=examples, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def asked(case: Any) -> None:
        if mine and next(turns) % 2:
            for name in real:
                case.path_parameters[name] = known[name]
        tame(case)
        answer = case.call(base_url=url, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    asked()


def tame(case: Any) -> None:
    """Keep a request from waiting a minute for events, and from calling a vendor."""
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0 if isinstance(case.query["wait"], int | float) else case.query["wait"]
    if isinstance(case.body, dict) and case.path == "/v1/connections":
        case.body["register"] = False


# --- what no document says -----------------------------------------------------------------------------------------

KEYLESS = ("/live", "/ready", "/docs", "/openapi.json", "/asyncapi.json", "/schemas/1.0/event.json")
PATHS = (
    *KEYLESS,
    "/",
    "/v1",
    "/v1/",
    "/v1/events/",
    "/v1//events",
    "/v1/events/%00",
    "/v1/events/%ff%fe",
    "/v1/events/..%2f..%2fkeys",
    "/v1/events/" + "x" * 1900,
    "/v1/deliveries/" + "9" * 400,
    "/v1/quarantine/rcp_%C3%A9",
    "/v1/events?after=" + "9" * 400,
    "/v1/events?after=-1&limit=1e3",
    "/v1/events?limit=%D9%A1",
    "/v1/events?limit=1&limit=2",
    "/v1/events?types=*&types[]=x&__proto__=1",
    "/v1/events?" + "&".join(f"a{n}=1" for n in range(300)),
    "/v1/events?wait=nan",
    "/v1/events?wait=-inf",
    "/v1/events?booking=%00",
    "/schemas/1.0/..%2f..%2fetc%2fpasswd",
    "/schemas/1.0/%2e%2e/%2e%2e/x.json",
    "/metrics",
    "/favicon.ico",
    "/.env",
    "/dashboard",
    "/dashboard/login?next=//evil.example",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
WRITABLE = (
    "/v1/connections",
    "/v1/destinations",
    "/v1/keys",
    "/v1/erase",
    "/v1/deliveries/retry",
    "/v1/quarantine/retry",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_nobody_documented_is_no_fault_of_ours(fuzzed: Standing, path: str) -> None:
    key = ((b"authorization", b"Bearer " + fuzzed.gateway.key.encode()),)
    for method in METHODS:
        for fields in ((), key):
            (answer,) = fuzzed.raw(framed(path.encode(), b"", fields, method.encode()))
            assert answer.status < 500, (method, answer.status, answer.body)


@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if len(body) < 1 << 17 or "mebibyte" in name])
def test_a_body_that_is_no_request_is_refused(fuzzed: Standing, name: str) -> None:
    key = (
        (b"authorization", b"Bearer " + fuzzed.gateway.key.encode()),
        (b"content-type", b"application/json"),
    )
    for path in WRITABLE:
        (answer,) = fuzzed.raw(framed(path.encode(), BODIES[name], key))
        everything = path.endswith("/retry") and BODIES[name].strip() in (b"", b"null", b"{}")
        assert answer.status in ((200, 202, 413) if everything else (400, 413)), (path, answer.status, answer.body)
        assert len(answer.body) < 2000


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer", b"Bearer ", b"Bearer \xff", b"Basic x", b"bearer  x", b"Bearer " + b"x" * 9000, b"Bearer a b", b"",
        b"Bearer \xc3\xa9", b'Bearer "x"', b"Bearer null",
    ],
)  # fmt: skip
def test_what_is_no_key_opens_nothing(fuzzed: Standing, value: bytes) -> None:
    (answer,) = fuzzed.raw(framed(b"/v1/keys", b"", ((b"authorization", value),), b"GET"))
    assert answer.status == 401
    assert b"bearer" in answer.fields[b"www-authenticate"].lower()


def test_a_key_given_twice_is_none(fuzzed: Standing) -> None:
    key = ((b"authorization", b"Bearer " + fuzzed.gateway.key.encode()),)
    (answer,) = fuzzed.raw(framed(b"/v1/keys", b"", key * 2, b"GET"))
    assert answer.status == 401
    assert fuzzed.gateway.call("GET", "/v1/keys")["items"]
