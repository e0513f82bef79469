"""Receipts, events and destinations by number: the same number is the same fact."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.sealing import KeyRing
from gateway.store.engines.engine import Clock
from gateway.store.model import Accepted, Claimed, Connection, Destination, NewEvent, NewReceipt, Result
from gateway.store.store import Store
from tests import stores

DATABASES = stores.DATABASES
KEYS = "A" * 43
OTHER_KEYS = "B" * 42 + "A"
START = 1_800_000_000_000


class HandClock:
    """A clock that moves when told to."""

    def __init__(self, at: int = START) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += round(seconds * 1000)


async def open_store(data_dir: Path, clock: Clock | None = None, keys: str = KEYS) -> Store:
    """Open the store that a directory stands for."""
    return await Store.open(data_dir, KeyRing.parse(keys), url=stores.database_url(data_dir), clock=clock)


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def receipt(number: int, **changes: Any) -> NewReceipt:
    fields: dict[str, Any] = {
        "digest": digest("receipt", number)[:16],
        "connection": "con_1",
        "token": "url_1",
        "status": "understood",
        "proof": "signature",
        "received_at": START + number,
        "size": 100,
        "sha256": digest("body", number),
        "inbound": b"inbound %d" % number,
    }
    return NewReceipt(**(fields | changes))


def quarantined(number: int, **changes: Any) -> NewReceipt:
    return receipt(number, **({"status": "quarantined", "reason": "data.start: not a time"} | changes))


def event(number: int, **changes: Any) -> NewEvent:
    fields: dict[str, Any] = {
        "id": digest("event", number)[:20],
        "type": "booking.scheduled",
        "provider": "meetergo",
        "connection": "con_1",
        "key": None,
        "timestamp": START,
        "data_digest": digest("data", number),
        "live": True,
        "body": b'{"event":%d}' % number,
    }
    return NewEvent(**(fields | changes))


async def accept(store: Store, number: int, **changes: Any) -> Accepted:
    """Accept one receipt with one event."""
    return await store.accept(receipt(number), [event(number, **changes)])


def connection(name: str = "con_1", **changes: Any) -> Connection:
    fields: dict[str, Any] = {"id": name, "provider": "meetergo", "name": name, "created_at": START}
    return Connection(**(fields | changes))


async def subscribe(store: Store, name: str = "dst_1", **changes: Any) -> Destination:
    fields: dict[str, Any] = {"id": name, "name": name, "url": f"https://{name}.example", "created_at": START}
    return await store.put_destination(Destination(**(fields | changes)))


def result(claimed: Claimed, outcome: Any = "delivered", **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "delivery": claimed.delivery,
        "attempt": claimed.attempt,
        "outcome": outcome,
        "started_at": START,
        "duration_ms": 5,
        "status": 200 if outcome == "delivered" else 500,
        "error": None if outcome == "delivered" else "answered 500",
    }
    return Result(**(fields | changes))


def bodies(claimed: Sequence[Claimed]) -> list[bytes]:
    return [each.body for each in claimed]
