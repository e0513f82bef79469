"""The demo's consumer checks signatures by itself, and agrees with the public library about every one of them."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from gateway.cli.demo.consumer import Consumer, is_signed

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
BODY = '{"id": "evt_1", "type": "booking.scheduled", "who": "Bernice Żółw"}'


def headers(at: datetime | None = None, *, secret: str = SECRET, body: str = BODY) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("evt_1", at, body)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def test_what_the_public_library_signs_is_signed() -> None:
    assert is_signed(SECRET, headers(), BODY.encode())


def test_one_of_several_signatures_is_enough() -> None:
    several = headers()
    several["webhook-signature"] = f"v1,AAAA v1a,x {several['webhook-signature']}"
    assert is_signed(SECRET, several, BODY.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "evt_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "ż"},
    ],
)
def test_what_was_changed_is_not_signed(change: dict[str, str]) -> None:
    assert not is_signed(SECRET, headers() | change, BODY.encode())


def test_another_secret_body_or_hour_is_not_signed() -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert not is_signed(SECRET, headers(secret=other), BODY.encode())
    assert not is_signed(SECRET, headers(body=BODY + " "), BODY.encode())
    for away in (timedelta(hours=-1), timedelta(hours=1)):
        assert not is_signed(SECRET, headers(datetime.now(UTC) + away), BODY.encode())
    assert not is_signed(SECRET, {}, BODY.encode())


async def deliver(consumer: Consumer, body: str) -> list[dict[str, Any]]:
    """Call it as a server does, the body in two pieces."""
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": body[:9].encode(), "more_body": True},
        {"type": "http.request", "body": body[9:].encode()},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers(body=body).items()]}
    await consumer(scope, receive, send)
    return sent


async def test_it_keeps_what_arrives_and_wakes_who_waits() -> None:
    consumer = Consumer()
    consumer.secret = SECRET
    waiting = asyncio.create_task(consumer.has(2))
    body = json.dumps({"id": "evt_1"})
    assert (await deliver(consumer, body))[0]["status"] == 204
    assert not waiting.done()
    await deliver(consumer, body)
    async with asyncio.timeout(5):
        await waiting
    assert [(got.webhook_id, got.signed, got.event) for got in consumer.got] == [("evt_1", True, {"id": "evt_1"})] * 2
