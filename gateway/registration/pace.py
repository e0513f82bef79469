"""Ask no vendor more often than it allows, whoever asks: the watch, repairs, and the search for missed bookings."""

import asyncio
from collections.abc import Hashable, Mapping

from gateway.contract.http import Answer, Http

BURST = 4
"""A quarter of what a minute allows may go at once; the rest is spread so that no minute has more than it may."""


class Pace:
    """The requests that may be made to each account. Seconds by the event loop's clock."""

    def __init__(self) -> None:
        self._left: dict[Hashable, tuple[float, float]] = {}

    async def wait(self, account: Hashable, per_minute: int) -> None:
        """Wait until one more request may be made."""
        seconds = self._take(account, per_minute)
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _take(self, account: Hashable, per_minute: int) -> float:
        """Take one request out of the account's bucket, which may go below empty; the seconds until it is full again
        of that one."""
        most = max(per_minute // BURST, 1)
        rate = max(per_minute - most, 1) / 60
        now = asyncio.get_running_loop().time()
        left, since = self._left.get(account, (float(most), now))
        left = min(left + (now - since) * rate, most) - 1
        self._left[account] = (left, now)
        return -left / rate


class PacedHttp:
    """A provider's API that is asked no faster than it allows."""

    def __init__(self, http: Http, pace: Pace, account: Hashable, per_minute: int) -> None:
        self._http = http
        self._pace = pace
        self._account = account
        self._per_minute = per_minute

    async def request(
        self, method: str, path: str, *, json: object = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        await self._pace.wait(self._account, self._per_minute)
        return await self._http.request(method, path, json=json, query=query)
