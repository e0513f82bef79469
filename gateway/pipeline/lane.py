"""One destination's own way out: nothing it does, or fails to do, takes a place from another destination."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog
from msgspec.structs import replace

from gateway.pipeline.deliver import Door, Terms, deliver, failed
from gateway.pipeline.pace import Pace, Ramp
from gateway.pipeline.retry import DAY, GONE, hopeless
from gateway.store.ids import delivery_id
from gateway.store.model import Claimed, Destination, Result

MOST_IN_FLIGHT = 16
FIRST_IN_FLIGHT = 4
LEASE_MARGIN = 30.0
"""Seconds a claim outlives the timeout, so that a result in time always finds its lease."""
TOO_MANY, FIRST_SERVER_ERROR = 429, 500
SAY_AGAIN = 60.0
"""Seconds in which it is logged once at most that a destination begins to fail: one may take every other event."""

_log = structlog.get_logger(__name__)


class Queue(Protocol):
    """What a lane asks of the store."""

    @property
    def alone(self) -> bool: ...
    def now(self) -> int: ...
    async def claim(
        self, destination: int, limit: int, lease: float, rate: float | None = None, /
    ) -> list[Claimed]: ...
    async def settle(self, results: Sequence[Result]) -> int | None: ...


class Lane:
    """Claim, send and settle for one destination, 1 to 16 at a time.

    What finishes while one commit is under way is settled by the next, together with the claim for the places that
    became free: so the batches grow with the load, and nothing waits for a batch to fill.
    """

    def __init__(
        self,
        destination: Destination,
        queue: Queue,
        door: Door,
        terms: Terms,
        retire: Callable[[Destination, str], Awaitable[None]],
    ) -> None:
        self.destination = destination
        self._queue = queue
        self._door = door
        self._terms = terms
        self._retire = retire
        self._window = FIRST_IN_FLIGHT
        self._most = MOST_IN_FLIGHT
        now = time.monotonic()
        self._pace = Pace(self._own_rate(destination), now)
        self._ramp = Ramp(now, self._failing(destination.failing_since))
        self._sending: dict[asyncio.Task[Result], tuple[Claimed, Destination]] = {}
        self._finished: list[Result] = []
        self._ended_with: tuple[Destination, str] | None = None
        self._told = destination.failing_since is not None
        self._tell_from = now
        self._hungry = True
        self._open = True
        self._bell = asyncio.Event()

    # --- what the dispatcher says ---

    def wake(self) -> None:
        """Say that something is due."""
        self._hungry = True
        self._bell.set()

    def update(self, destination: Destination) -> None:
        """Go on with a changed configuration; what is in flight ends with the old one."""
        if destination.rate != self.destination.rate:
            self._pace = Pace(self._own_rate(destination), time.monotonic())
            self._hungry = True  # who waited for a place in time has another one now
        if destination.url != self.destination.url:  # who was down is not who is there now
            self._ramp = Ramp(time.monotonic())
        self.destination = destination
        self._bell.set()

    def share(self, most: int) -> None:
        """Keep to so many at once: connections are for all destinations."""
        self._most = min(most, MOST_IN_FLIGHT)

    def close(self) -> None:
        """Claim nothing more; `run` ends when all that is in flight is settled."""
        self._open = False
        self._bell.set()

    def interrupt(self) -> None:
        """Give up what is in flight: nobody knows whether it arrived, so it is due again at once."""
        for task in self._sending:
            task.cancel()

    async def run(self) -> None:
        """Work until closed and empty. Raises StoreUnavailable; can be called again, nothing is lost."""
        while self._open or self._sending or self._finished:
            self._bell.clear()
            if not await self._round():
                await self._rest()

    def _own_rate(self, destination: Destination) -> float | None:
        """Tell the rate that is kept here; with other processes it is the store that keeps it, for all."""
        return destination.rate if self._queue.alone else None

    # --- one commit ---

    async def _round(self) -> bool:
        """Settle what finished and claim for the free places, in one commit; False when there is neither."""
        if self._ended_with is not None:
            await self._retire(*self._ended_with)
            self._ended_with = None
        room = self._room()
        if not self._finished and not room:
            return False
        outcomes = await asyncio.gather(self._settle(), self._claim(room), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return True

    def _room(self) -> int:
        """Say how many may be claimed: never more than are sent at once. A settled head makes its follower due."""
        if not self._claiming or not (self._hungry or self._finished):
            return 0
        now = time.monotonic()
        free = min(self._window, self._most) - len(self._sending)
        return max(0, min(free, self._pace.allowed(now), self._ramp.pace.allowed(now)))

    @property
    def _claiming(self) -> bool:
        return self._open and self._ended_with is None and not self.destination.paused

    async def _settle(self) -> None:
        results, self._finished = self._finished, []
        if not results:
            return
        try:
            failing = self._failing(await self._queue.settle(results))
        except BaseException:
            self._finished[:0] = results
            raise
        after = self._terms.pause_after
        if after is not None and failing is not None and failing >= after and self._ended_with is None:
            self._ended_with = (self.destination, f"every try failed for {after / DAY:g} days")
            self._bell.set()

    def _failing(self, since: int | None) -> float | None:
        """Say for how many seconds nothing was taken: by the store's clock, which does not jump as the world's may."""
        return None if since is None else (self._queue.now() - since) / 1000

    async def _claim(self, room: int) -> None:
        if not room:
            return
        self._hungry = False  # before asking: what becomes due meanwhile sets it again
        try:
            lease = self._terms.timeout + LEASE_MARGIN
            claimed = await self._queue.claim(self.destination.number, room, lease, self.destination.rate)
        except BaseException:
            self._hungry = True
            raise
        self._hungry |= len(claimed) == room
        now = time.monotonic()
        self._pace.take(len(claimed), now)
        self._ramp.pace.take(len(claimed), now)
        for each in claimed:
            if hopeless(each.tries, self._terms.schedule):
                self._finish(each, replace(self._unsent(each), outcome="dead", error="no try came to a result"))
            elif self._claiming:
                self._send(each)
            else:
                self._finish(each, self._unsent(each))

    async def _rest(self) -> None:
        """Wait for the bell, or until the rate lets one more go."""
        limited = self._claiming and self._hungry and len(self._sending) < min(self._window, self._most)
        now = time.monotonic()
        try:
            async with asyncio.timeout(max(self._pace.wait(now), self._ramp.pace.wait(now)) if limited else None):
                await self._bell.wait()
        except TimeoutError:
            return

    # --- one delivery ---

    def _send(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._deliver(claimed, self.destination))
        self._sending[task] = (claimed, self.destination)
        task.add_done_callback(self._ended)

    async def _deliver(self, claimed: Claimed, destination: Destination) -> Result:
        if claimed.wait > 0:
            await asyncio.sleep(claimed.wait)
        return await deliver(claimed, destination, self._door, self._terms)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        claimed, destination = self._sending.pop(task)
        result = self._result(task, claimed)
        self._adapt(result)
        self._measure(claimed, destination.id, result)
        if result.status == GONE:
            self._ended_with = (destination, "it answered 410 Gone")
        self._finish(claimed, result)
        self._bell.set()

    def _result(self, task: asyncio.Task[Result], claimed: Claimed) -> Result:
        if task.cancelled():
            return replace(self._unsent(claimed), outcome="retry", error="the gateway stopped before an answer came")
        error = task.exception()
        if error is not None:  # one event that cannot be sent must neither end the lane nor be tried for ever
            _log.error("delivery broke", **self._about(claimed), error=type(error).__name__, at=_place(error))
            return failed(claimed, self._terms, f"the gateway failed: {type(error).__name__}")
        self._tell(claimed, task.result())
        return task.result()

    def _tell(self, claimed: Claimed, result: Result) -> None:
        """Log when it begins to fail, and when it takes something again; the tries in between are counted, not told."""
        now = time.monotonic()
        if result.outcome == "delivered" and self._told:
            self._told = False
            _log.info("destination recovered", **self._about(claimed))
        elif result.outcome != "delivered" and not self._told and now >= self._tell_from:
            self._told, self._tell_from = True, now + SAY_AGAIN
            if result.outcome != "dead":  # that is told each time
                _log.warning("delivery failed", **self._about(claimed), status=result.status, error=result.error)

    def _finish(self, claimed: Claimed, result: Result) -> None:
        self._finished.append(result)
        if result.outcome == "dead":
            _log.warning("delivery dead", **self._about(claimed), status=result.status, error=result.error)

    def _about(self, claimed: Claimed) -> dict[str, object]:
        return {
            "event_id": claimed.event_id,
            "delivery": delivery_id(claimed.delivery),
            "destination": self.destination.id,
            "attempt": claimed.attempt,
        }

    def _adapt(self, result: Result) -> None:
        """Send one more at once after a success, half as many after a sign of trouble. A plain refusal is no sign."""
        status, now = result.status, time.monotonic()
        if result.outcome == "delivered":
            self._ramp.succeeded(now)
            self._window = min(MOST_IN_FLIGHT, self._window + 1)
        elif status is None or status == TOO_MANY or status >= FIRST_SERVER_ERROR:
            self._ramp.failed(now)
            self._window = max(1, self._window // 2)

    def _measure(self, claimed: Claimed, destination: str, result: Result) -> None:
        metrics = self._terms.metrics
        metrics.attempted(destination, result.outcome, result.duration_ms / 1000)
        first = claimed.attempt == claimed.tries  # not one that somebody had sent again, long after
        if result.outcome == "delivered" and first and claimed.accepted_at:
            metrics.delivered(destination, max(0, self._queue.now() - claimed.accepted_at) / 1000)

    def _unsent(self, claimed: Claimed) -> Result:
        now = int(self._terms.clock() * 1000)
        return Result(
            delivery=claimed.delivery, attempt=claimed.attempt, outcome="released", started_at=now, duration_ms=0
        )


def _place(error: BaseException) -> str:
    """Say where it came from; what it says may quote an event."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
