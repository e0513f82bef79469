"""/v1/audit: who did what."""

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from gateway.registration.rules import Invalid
from gateway.web.api.calls import call
from gateway.web.api.pages import After, Limit, Page, Time, cut, moment
from gateway.web.api.reading import Asker, wired


class Act(Struct, frozen=True, kw_only=True):
    """One act. `key`: the id of the API key that was used; `object`: the id of what it was done to, if it has one."""

    id: str
    at: Time
    key: str
    action: str
    object: str | None


class AuditFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which acts."""

    key: str | None = None
    action: Annotated[str, Meta(max_length=100, description="such as `create_key`")] | None = None
    object: str | None = None
    after: After | None = None
    limit: Limit = 50


@get("/audit", **call("admin"))
async def list_audit(request: Asker, asked: NamedDependency[AuditFilter]) -> Page[Act]:
    """List who did what, oldest first: every change made through the API, and every look at unmasked bytes."""
    services = wired(request)
    entries = await services.store.audit.list(
        key=asked.key,
        action=asked.action,
        object_id=asked.object,
        after=_number(asked.after),
        limit=asked.limit + 1,
    )
    acts = [
        Act(id=str(entry.number), at=moment(entry.at), key=entry.key, action=entry.action, object=entry.object)
        for entry in entries
    ]
    return cut(acts, asked.limit, lambda act: act.id)


def _number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) <= 18):  # noqa: PLR2004 -- fits the database's integers
        raise Invalid("after", "not a cursor of this list")
    return int(after)


HANDLERS: list[Any] = [list_audit]
