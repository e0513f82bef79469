"""Rows that cannot be opened any more: shown with what to do, so that one does not hide, or hide others."""

from collections.abc import Mapping

import structlog

from gateway.store.model import Connection, Damaged, Destination, Key
from gateway.store.store import Store
from gateway.web.problems import Refusal, missing

WHAT: Mapping[str, str] = {
    "connection": "its calls are refused. `gateway connections remove {id}`, connect it again, and delete its old "
    "webhook at the provider",
    "destination": "nothing is sent or planned. `gateway destinations remove {id}`, add it again, and replay what "
    "happened since",
    "key": "it opens nothing. `gateway keys revoke {id}`, and make another",
    "token": "calls to that inbound URL are answered 404. `gateway connections repair` moves webhooks to the URL that "
    "`gateway url` shows, and a person those that were pasted",
}

_log = structlog.get_logger(__name__)


def words(row: Damaged) -> str:
    """Say what is wrong, what that means, and what to do."""
    return f"what is kept of it was changed on disk and cannot be opened; {WHAT[row.kind].format(id=row.id)}"


async def warn(store: Store) -> None:
    """Write each into the log."""
    for row in await store.damaged():
        _log.error("row_damaged", kind=row.kind, id=row.id, reason=words(row))


async def of_kind(store: Store, kind: str) -> list[Damaged]:
    """List those of one kind."""
    return [row for row in await store.damaged() if row.kind == kind]


async def all_connections(store: Store) -> list[Connection]:
    """List the connections, and as ones that need a person those that cannot be opened."""
    return [*await store.connections(), *map(_in_need, await of_kind(store, "connection"))]


async def all_destinations(store: Store) -> list[Destination]:
    """List the destinations, and as paused ones those that cannot be opened."""
    return [*await store.destinations(), *map(_paused, await of_kind(store, "destination"))]


async def all_keys(store: Store) -> list[Key]:
    """List the keys, and as ones that open nothing those that cannot be opened."""
    return [*await store.keys(), *map(_useless, await of_kind(store, "key"))]


async def absent(store: Store, kind: str, name: str) -> Refusal:
    """Refuse because there is no such thing, or nothing can be done with it any more."""
    for row in await of_kind(store, kind):
        if row.id == name:
            return Refusal(409, f"Nothing can be done with it: {words(row)}.")
    return missing(kind)


def _in_need(row: Damaged) -> Connection:
    return Connection(id=row.id, provider="", name=row.id, status="needs_repair", problem=words(row), created_at=0)


def _useless(row: Damaged) -> Key:
    return Key(id=row.id, name=words(row), digest=b"", scopes=(), created_at=0)


def _paused(row: Damaged) -> Destination:
    return Destination(id=row.id, name=row.id, url="", types=(), paused=True, paused_reason=words(row), created_at=0)
