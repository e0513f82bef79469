"""Who asks, and whether they may: API keys and their scopes."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.sealing import digest
from gateway.store.model import Key
from gateway.store.store import Store
from gateway.web.problems import Refusal
from gateway.web.services import Services

Scope = Literal["events:read", "events:replay", "config:read", "config:write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MEANINGS: Mapping[Scope, str] = {
    "events:read": "read events, deliveries, quarantine and counts",
    "events:replay": "replay events, retry deliveries and quarantined calls",
    "config:read": "read connections, destinations, providers and metrics",
    "config:write": "change connections and destinations, see inbound URLs whole",
    "admin": "everything: keys, the dashboard, erasing people, exact bytes, the audit log",
}
"""What a key of each scope may do."""
CHALLENGE = 'Bearer realm="gateway"'
LONGEST_KEY = 512

Asked = ASGIConnection[Any, Any, Any, Any]


async def authorize(connection: Asked, handler: BaseRouteHandler) -> None:
    """Let a request through whose key has the scope that its route states; a route that states none wants `admin`."""
    key = await _key(connection)
    if key is None:
        raise Refusal(401, _advice(connection), headers={"www-authenticate": CHALLENGE})
    scope: Scope = handler.opt.get("scope", "admin")
    if not holds(key, scope):
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'
        raise Refusal(403, f"This key lacks the scope {scope}.", headers={"www-authenticate": challenge})
    connection.scope["auth"] = key


class Standing:
    """Whether a key still stands: an answer that goes on for long asks before each part of it."""

    def __init__(self, store: Store, key: Key) -> None:
        self._store = store
        self._key = key
        self._seen: int | None = None
        self._stands = True

    async def stands(self) -> bool:
        """Say whether the key was not revoked since, in any process. The keys are read only after a change."""
        version = await self._store.look_at_version()
        if version != self._seen:
            self._stands = any(key.digest == self._key.digest for key in await self._store.keys())
            self._seen = version
        return self._stands


def holds(key: Key, scope: Scope) -> bool:
    """Say whether a key may; `admin` may everything."""
    return scope in key.scopes or "admin" in key.scopes


async def _key(connection: Asked) -> Key | None:
    """Find the key by its digest: nothing is compared that an attacker could measure. Read each time, so that a
    revoked key is dead at once, in every process."""
    given = _bearer(connection)
    if given is None:
        return None
    services: Services = connection.app.state.services
    return {key.digest: key for key in await services.store.keys()}.get(digest(given))


def _bearer(connection: Asked) -> str | None:
    values = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, given = values[0].decode("latin-1").partition(" ")
    given = given.strip()
    return given if scheme.lower() == "bearer" and 0 < len(given) <= LONGEST_KEY else None


def _advice(connection: Asked) -> str:
    if any(name == b"authorization" for name, _ in connection.scope["headers"]):
        return "This is not a key of this gateway, or it was revoked."
    return "Send an API key: `Authorization: Bearer KEY`."
