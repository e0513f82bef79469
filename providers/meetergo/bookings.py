"""Asking for bookings: a list by when they begin, no filter on changes. As in their API reference, never tried."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from msgspec import Raw, Struct

from gateway.contract import asked
from gateway.contract.people import identifier
from gateway.contract.provider import Account, BookingApi, Draft, Found, FoundPage, Http, Told, decode, find
from gateway.contract.reading import keys, moment, stamp
from providers.meetergo import api

MOST = 100  # appointments on a page
BEFORE, AFTER = timedelta(days=1), timedelta(days=3653)  # what is changed was just over, or lies ahead


class _Page(Struct):
    appointments: list[Raw]
    total: int | None = None


class Bookings(api.Access, BookingApi):
    def __init__(self, drafted: Callable[[str, bytes], Draft]) -> None:
        self.drafted = drafted

    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        return await find(http, f"/v4/appointment/{quote(booking_id, safe='')}")

    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        at, sort = int(page or 0), {"sortBy": "appointment.createdAt", "sortDirection": "DESC"}
        window = {"start": str(stamp(since - BEFORE)), "end": str(stamp(since + AFTER))}
        query = {"page": str(at), "pageSize": str(MOST), **window, **sort}
        told = (await http.request("GET", "/v4/appointment/paginated", query=query)).read(_Page)
        bodies = [bytes(raw) for raw in told.appointments]
        some = [Found(name, body) for body in bodies if (name := _changed(keys(decode(body, object)), since))]
        # a page shorter than asked for may be their limit: only an empty one is certainly the last
        more = bool(bodies) and (told.total is None or (at + 1) * len(bodies) < told.total)
        return FoundPage(bookings=some, next=str(at + 1) if more else None, size=len(bodies), total=told.total)

    def state(self, account: Account, found: Found) -> Draft:
        del account
        told = keys(decode(found.body, object))
        moved = "booking_rescheduled" if told.get("rescheduledAt") else "booking_created"
        return self.drafted("booking_cancelled" if told.get("isCancelled") else moved, found.body)

    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        return asked.missed(self.state(account, found), told, left="booking_cancelled")


def _changed(told: Mapping[str, Any], since: datetime) -> str | None:
    at = moment(told.get("updatedAt"))
    return identifier(told.get("id")) if at is None or at >= since else None
