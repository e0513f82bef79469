"""A consumer as anybody could write it: it knows Standard Webhooks and nothing of the gateway."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

TOLERANCE = 300
"""Seconds that a delivery's timestamp may be away from the consumer's clock."""


class Got(Struct, frozen=True, kw_only=True):
    """One delivery as it arrived. `signed`: its signature is right, and fresh, over exactly these bytes."""

    webhook_id: str
    signed: bool
    event: dict[str, Any]


class Consumer:
    """Receive deliveries and keep them in the order of arrival. An ASGI application."""

    def __init__(self) -> None:
        self.secret = ""
        self.got: list[Got] = []
        self._more = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self._take({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}, body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def has(self, count: int) -> None:
        """Wait until so many deliveries are here."""
        while len(self.got) < count:
            self._more.clear()
            await self._more.wait()

    def _take(self, headers: Mapping[str, str], body: bytes) -> None:
        signed = is_signed(self.secret, headers, body)
        event = msgspec.json.decode(body, type=dict[str, Any])
        self.got.append(Got(webhook_id=headers.get("webhook-id", ""), signed=signed, event=event))
        self._more.set()


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Check a Standard Webhooks signature: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    return any(hmac.compare_digest(expected, one.encode()) for one in headers.get("webhook-signature", "").split(" "))
