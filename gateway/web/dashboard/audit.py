"""/audit: who did what, newest first."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get
from msgspec import Struct

from gateway.store.audit import ITSELF, Entry
from gateway.web.api.reading import Asker, wired
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import cursor, page

AT_ONCE = 50

ACTS: Final[Mapping[str, str]] = {
    "sign_in": "signed in to the dashboard",
    "show_personal_data": "looked at personal data",
    "show_exact_bytes": "looked at exact bytes",
    "connect": "connected a provider",
    "change_connection": "changed a connection",
    "check_connection": "compared a connection with its provider",
    "repair_connection": "repaired a connection",
    "rotate_connection": "renewed a connection's secret or URL",
    "reconcile": "asked a provider for what was missed",
    "disconnect": "removed a connection",
    "create_destination": "added a destination",
    "change_destination": "changed a destination",
    "try_destination": "sent a test to a destination",
    "pause_destination": "paused a destination",
    "resume_destination": "resumed a destination",
    "rotate_secret": "renewed a destination's secret",
    "delete_destination": "removed a destination",
    "replay_event": "replayed an event",
    "retry_delivery": "retried a dead delivery",
    "retry_deliveries": "retried many dead deliveries",
    "retry_quarantined": "retried a call in quarantine",
    "retry_quarantine": "retried many calls in quarantine",
    "discard_quarantined": "threw away a call in quarantine",
    "create_key": "made a key",
    "revoke_key": "revoked a key",
    "rotate_url": "renewed the inbound URL",
    "rotate_encryption": "renewed the encryption key",
    "erase": "erased a person or a booking",
}
"""What is done, by the word for it in the log: the name of the call."""

PLACES: Final[Mapping[str, str]] = {
    "evt": "/events/",
    "dlv": "/deliveries/",
    "rcp": "/quarantine/",
    "con": "/connections/",
    "dst": "/destinations/",
    "ers": "/erase/",
}
"""Where the page of an object is, by the beginning of its id."""


class Line(Struct, frozen=True):
    """One act as it is read: who, what, and to what, with the page of that where there is one."""

    entry: Entry
    who: str
    what: str
    to: str | None
    link: str | None


@get("/audit", include_in_schema=False)
async def list_acts(request: Asker) -> Response[bytes]:
    """List what was done, newest first."""
    services, asked = wired(request), request.query_params
    filters = {name: asked.get(name, "").strip() or None for name in ("key", "action", "object")}
    before = cursor(asked.get("before"))
    found = await services.store.audit.newest(
        key=filters["key"], action=filters["action"], object_id=filters["object"], before=before, limit=AT_ONCE + 1
    )
    keys = {key.id: key.name for key in await services.store.keys()}
    names = await Names.read(services)
    return await page(
        request,
        "audit.html",
        lines=[_line(entry, keys, names) for entry in found[:AT_ONCE]],
        keys={**keys, ITSELF: _who(ITSELF, keys)},
        acts=ACTS,
        filters=filters,
        filtered=any(filters.values()),
        older={**filters, "before": found[AT_ONCE - 1].number} if len(found) > AT_ONCE else None,
        before=before,
    )


def _line(entry: Entry, keys: Mapping[str, str], names: Names) -> Line:
    what = ACTS.get(entry.action, entry.action)
    return Line(entry, _who(entry.key, keys), what, _called(entry.object, keys, names), _place(entry.object, names))


def _who(key: str, keys: Mapping[str, str]) -> str:
    return "the gateway itself" if key == ITSELF else keys.get(key, f"{key} (revoked)")


def _called(about: str | None, keys: Mapping[str, str], names: Names) -> str | None:
    """Name what it was done to: by its name where it has one and is still there."""
    if about is None:
        return None
    row = names.connections.get(about) or names.destinations.get(about)
    return row.name if row else keys.get(about, about)


def _place(about: str | None, names: Names) -> str | None:
    kind = (about or "").partition("_")[0]
    gone = kind in ("con", "dst") and about not in names.connections and about not in names.destinations
    return None if gone or kind not in PLACES else f"{PLACES[kind]}{about}"


HANDLERS: list[Any] = [list_acts]
