"""Ask a connection's provider for bookings: logged in, paced, and its plugin's own mistakes caught."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from gateway.contract.errors import ApiRefused
from gateway.contract.http import Answer, Http
from gateway.contract.provider import BookingApi, FoundPage
from gateway.registration.remote import guarded
from gateway.registration.rules import Invalid
from gateway.registration.ways import Ways
from gateway.store.model import Connection


class Rows(Protocol):
    """Where the connections are. `now`: epoch milliseconds."""

    async def connections(self) -> list[Connection]: ...
    def now(self) -> int: ...


class Clocked:
    """A provider's API; `date` is the time that its latest answer states."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.date: datetime | None = None

    async def request(
        self, method: str, path: str, *, json: object = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        answer = await self._http.request(method, path, json=json, query=query)
        self.date = answer.date or self.date
        return answer


class Asking:
    """The way to all providers that can be asked. Every call raises ProviderApiError, EgressRefused."""

    def __init__(self, store: Rows, ways: Ways) -> None:
        self._store = store
        self._ways = ways
        self._skews: dict[str, int] = {}

    def skew(self, connection_id: str) -> int:
        """Say how far a provider's clock was ahead of ours when it answered last (milliseconds, negative: behind)."""
        return self._skews.get(connection_id, 0)

    async def fetch(self, connection_id: str, booking_id: str) -> bytes | None:
        """Ask for one booking; None when there is none of this id."""
        api, http = await self._way(connection_id)
        return await guarded(api.fetch(http, booking_id))

    async def changed(self, connection_id: str, since: datetime, page: str | None) -> FoundPage:
        """Ask for one page of the bookings that changed since then (UTC)."""
        api, http = await self._way(connection_id)
        clocked = Clocked(http)
        found = await guarded(api.changed(clocked, since, page))
        if clocked.date is not None:
            self._skews[connection_id] = round(clocked.date.timestamp() * 1000) - self._store.now()
        return found

    async def _way(self, connection_id: str) -> tuple[BookingApi, Http]:
        row = next((c for c in await self._store.connections() if c.id == connection_id), None)
        try:
            api, http = (None, None) if row is None else (self._ways.bookings(row), self._ways.http(row))
        except Invalid as error:
            raise ApiRefused(str(error)) from None
        if api is None or http is None:
            raise ApiRefused("this connection's provider cannot be asked for bookings")
        return api, http
