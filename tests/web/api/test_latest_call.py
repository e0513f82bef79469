"""Set up by hand: the first call shows how it looks, and the signature is set from it, or told which part is wrong."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract.provider import Provider
from gateway.sealing import digest, new_api_key, new_id
from gateway.store.model import Key
from providers.harmonizely import Harmonizely
from providers.harmony import Harmony
from tests.web.conftest import running

SECRET = "00112233445566778899aabbccddeeff" * 2
PERSON = "ada.canary@example.com"
BODY = msgspec.json.encode({"event": "contact.created", "data": {"id": "c-1", "email": PERSON}})
SIGNATURE = {"header": "x-harmony-signature", "encoding": "hex", "prefix": "sha256="}
RIGHT = {"settings": {"signature": SIGNATURE}, "signing_secret": SECRET}


class Desk:
    """A gateway that knows Harmony, and somebody who asks it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def connect(self, **fields: Any) -> Any:
        return await self.ask("POST", "/v1/connections", {"provider": "harmony", **fields}, 201)

    async def tests(self, row: Any, body: bytes = BODY, signature: str | None = None) -> Any:
        """Press Harmony's Test button."""
        made = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        sent = {"authorization": "", "content-type": "application/json"}
        sent["x-harmony-signature"] = made if signature is None else signature
        return await self.http.post(row["inbound_url"], content=body, headers=sent)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    plugins: tuple[Provider, ...] = (Harmony(), Harmonizely())
    async with running(tmp_path, plugins) as (services, url):
        key = new_api_key()
        row = Key(id=new_id("key_"), name="test", digest=digest(key), scopes=("admin",), created_at=0)
        await services.store.put_key(row)
        async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as http:
            yield Desk(http)


async def test_the_steps_name_the_url_the_name_and_the_events(desk: Desk) -> None:
    row = await desk.connect(name="Talks", settings={"events": ["contact.created", "conversation.transcribed"]})
    steps = row["instructions"]
    assert row["inbound_url"] in steps
    assert "Talks" in steps
    assert "contact.created, conversation.transcribed" in steps
    assert f"gateway connections show {row['id']}" in steps
    assert f"gateway connections change {row['id']} --signing-secret" in steps
    assert "{" not in steps
    assert "Until then nothing but the URL proves a call" in steps
    assert "all that there are" in (await desk.connect(own_url=True))["instructions"]


async def test_with_a_signature_nothing_is_said_of_its_absence(desk: Desk) -> None:
    row = await desk.connect(**RIGHT)
    assert row["verification"] == "signature"
    assert "Until then" not in row["instructions"]
    assert row["inbound_url"] in row["instructions"]


async def test_before_the_first_call_there_is_nothing_to_show(desk: Desk) -> None:
    row = await desk.connect()
    assert row["status"] == "waiting"
    assert await desk.ask("GET", f"/v1/connections/{row['id']}/latest-call") is None
    await desk.ask("GET", "/v1/connections/con_nobody/latest-call", status=404)


async def test_the_first_call_is_shown_without_a_value(desk: Desk) -> None:
    row = await desk.connect()
    assert (await desk.tests(row)).status_code == 200
    call = await desk.ask("GET", f"/v1/connections/{row['id']}/latest-call")
    assert {"name": "x-harmony-signature", "shape": "sha256= and 64 hex characters"} in call["headers"]
    assert call["body"] == [
        {"name": "event", "shape": "text"},
        {"name": "data.id", "shape": "text"},
        {"name": "data.email", "shape": "text"},
    ]
    assert (call["recognised"], call["signed"], call["misfit"], call["status"]) == (True, None, None, "understood")
    written = msgspec.json.encode(call).decode()
    assert PERSON not in written
    assert "contact.created" not in written
    assert (await desk.ask("GET", f"/v1/connections/{row['id']}"))["status"] == "active"


async def test_a_test_request_that_nobody_recognises_is_shown_too(desk: Desk) -> None:
    row = await desk.connect()
    assert (await desk.tests(row, b'{"ping":"hello"}')).json()["status"] == "quarantined"
    call = await desk.ask("GET", f"/v1/connections/{row['id']}/latest-call")
    assert (call["recognised"], call["reason"], call["body"]) == (
        False, "unrecognised", [{"name": "ping", "shape": "text"}],
    )  # fmt: skip


async def test_a_scheme_that_fits_the_first_call_is_taken_and_unsigned_calls_are_refused(desk: Desk) -> None:
    row = await desk.connect()
    await desk.tests(row)
    changed = await desk.ask("PATCH", f"/v1/connections/{row['id']}", RIGHT)
    assert changed["verification"] == "signature"
    assert "Until then" not in changed["instructions"]
    call = await desk.ask("GET", f"/v1/connections/{row['id']}/latest-call")
    assert (call["signed"], call["misfit"]) == (True, None)
    assert (await desk.tests(row, BODY + b" ")).json()["status"] == "duplicate"
    assert (await desk.tests(row, signature="")).status_code == 401


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("header", "x-signature", "header: the call has no `x-signature`; `x-harmony-signature`"),
        ("encoding", "base64", "encoding: `x-harmony-signature` holds sha256= and 64 hex characters"),
        ("prefix", "", "prefix: `x-harmony-signature` holds sha256= and 64 hex characters"),
        ("key", "hex", "key: it fits with `key=text`"),
        ("signed", "{url}{body}", "signed: it fits with `signed={body}`"),
    ],
)
async def test_a_part_that_does_not_fit_is_named_and_nothing_is_changed(
    desk: Desk, part: str, value: str, words: str
) -> None:
    row = await desk.connect()
    await desk.tests(row)
    wrong = {"settings": {"signature": {**SIGNATURE, part: value}}, "signing_secret": SECRET}
    refused = await desk.ask("PATCH", f"/v1/connections/{row['id']}", wrong, 409)
    assert words in refused["detail"]
    assert "have Harmony send another one" in refused["detail"]
    assert SECRET not in refused["detail"]
    now = await desk.ask("GET", f"/v1/connections/{row['id']}")
    assert (now["verification"], now["settings"]["signature"]) == ("token", None)
    assert (await desk.tests(row, BODY.replace(b"c-1", b"c-2"))).json()["status"] == "accepted", "still taken"


async def test_a_secret_of_before_the_first_call_is_believed(desk: Desk) -> None:
    row = await desk.connect()
    assert (await desk.ask("PATCH", f"/v1/connections/{row['id']}", RIGHT))["verification"] == "signature"


async def test_what_cannot_be_caught_up_with_says_so(desk: Desk) -> None:
    row = await desk.connect()
    words = (
        "Harmony cannot be asked for bookings: what it called while this gateway did not listen, "
        "and does not send again, stays unknown here."
    )
    assert row["cannot_catch_up"] == words
    refused = await desk.ask("POST", f"/v1/connections/{row['id']}/reconcile", status=409)
    assert refused["detail"] == words
    assert (await desk.ask("GET", f"/v1/connections/{row['id']}/reconcile", status=409))["detail"] == words
