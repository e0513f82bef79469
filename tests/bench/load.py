"""A load generator: keep-alive connections that each send the next request when the last one is answered."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit


@dataclass
class Figures:
    """Calls a second and their latencies in milliseconds; `refused` counts every answer but the expected one."""

    rate: float
    p50: float
    p99: float
    refused: int = 0


@dataclass
class Load:
    """What all connections share: the requests still to send, and when each answer came."""

    requests: Iterator[bytes]
    expected: bytes
    latencies: list[float] = field(default_factory=list)
    refused: int = 0


class Caller(asyncio.Protocol):
    """One connection of a busy provider."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._sent = 0.0
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self._load.latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 2") or self._load.expected not in body:
            self._load.refused += 1
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        request = next(self._load.requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def drive(url: str, requests: list[bytes], connections: int, expected: bytes = b"") -> Figures:
    """Send all requests over so many connections and measure; raises ConnectionError when the server hangs up."""
    parts = urlsplit(url)
    load = Load(iter(requests), expected)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: Caller(load), str(parts.hostname), parts.port or 80))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(caller.done for caller in callers))
    took = time.perf_counter() - began
    ordered = sorted(load.latencies)
    at = [ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99)]
    return Figures(len(requests) / took, at[0], at[1], load.refused)


def request(url: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    """Write one HTTP/1.1 POST."""
    parts = urlsplit(url)
    fields = [
        ("host", parts.netloc),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        *headers,
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def bookings(url: str, secret: str, count: int) -> list[bytes]:
    """Write signed, distinct Harmonizely calls of 1.7 KB, one for each booking."""
    return [signed(url, secret, meeting(str(uuid.uuid4()))) for _ in range(count)]


def meeting(booking: str, word: str = "meetingScheduled") -> bytes:
    """Write the body of one Harmonizely call about one booking; no two are the same."""
    body = _TEMPLATE.replace(b"{booking}", booking.encode(), 1).replace(b"{call}", str(uuid.uuid4()).encode(), 1)
    return body.replace(b"meetingScheduled", word.encode(), 1)


def signed(url: str, secret: str, body: bytes) -> bytes:
    """Write the request that Harmonizely makes of a body."""
    signature = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    return request(url, body, ("user-agent", "Harmonizely"), ("webhook-signature", signature))


_BOOKING = {
    "data": {
        "rescheduling": None,
        "pretty_canceled_at": None,
        "pretty_scheduled_at": "Monday, March 2, 2026 09:30",
        "pretty_scheduled_at_in_invitee_timezone": "Monday, March 2, 2026 at 10:30 AM",
        "pretty_canceled_at_in_invitee_timezone": None,
        "event_type": {
            "name": "Introduction",
            "location": None,
            "location_label": None,
            "description": "Half an hour to see whether we fit. " * 5,
            "duration": 30,
            "slug": "introduction",
            "is_secret": False,
            "confirmation_page_type": "internal",
            "confirmation_page_url": None,
            "notification_type": "email",
            "pass_details_to_redirected_page": False,
            "type": "regular",
            "position": 0,
        },
        "scheduled_at": "2026-03-02T09:30:00+00:00",
        "end_date": "2026-03-02T10:00:00+00:00",
        "invitee": {
            "first_name": "Ada",
            "email": "ada@example.com",
            "full_name": "Ada Example",
            "timezone": "Europe/Vienna",
            "phone_number": "+43000000000",
            "locale": "de",
        },
        "state": "new",
        "canceled_at": None,
        "uuid": "{booking}",
        "notes": "Nothing to add. " * 14,
        "details": None,
        "answers": [
            {"question_label": "What is it about?", "value": "A first look around", "question_type": "textarea"},
            {"question_label": "Agree to terms?", "value": 1, "question_type": "checkbox"},
        ],
        "location": "https://meet.example/room/1",
        "cancellation": None,
        "payment": None,
    },
    "event": "meetingScheduled",
    "uuid": "{call}",
}
_TEMPLATE = json.dumps(_BOOKING).encode()
