"""A stand-in for a vendor: its API on loopback, and the calls it would make. For demo, tests and trials."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct


class Hook(Struct, kw_only=True):
    """One webhook registered at the simulated vendor."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str | None = None
    label: str | None = None


class Call(Struct, frozen=True):
    """One HTTP POST that the vendor makes, signed if it signs."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Scene(Struct, frozen=True, kw_only=True):
    """One thing that happens at the vendor. `type`: the canonical type it must become; None: it must be quarantined."""

    title: str
    word: str
    body: bytes
    type: str | None


class Fault(Struct, frozen=True, kw_only=True):
    """What a vendor's API does with one request instead of obeying.

    `method`: of which request, None is any. `obeys`: it does what it is asked, and answers this all the same. `stalls`:
    it gives no answer at all, for as long as it is waited for.
    """

    method: str | None = None
    obeys: bool = False
    stalls: bool = False
    status: int = 500
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Simulator(ABC):
    """Behave like one vendor: serve its API (`app`, an ASGI application) and make its calls (`calls`).

    `faults`: what its API does next instead of obeying, used up one by one.
    """

    credentials: ClassVar[Mapping[str, str]]
    """What its API accepts."""

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] = {}
        self.faults: list[Fault] = []

    @property
    @abstractmethod
    def app(self) -> Any:
        """Be the vendor's API. ASGI; typed Any so that the contract names no web framework."""

    @abstractmethod
    def settings(self, base_url: str) -> dict[str, Any]:
        """Make the connection settings that lead to this simulator, served at `base_url`."""

    @abstractmethod
    def headers(self, hook: Hook, word: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Make the headers of one call, the signature included where the vendor signs."""

    @abstractmethod
    def story(self) -> Sequence[Scene]:
        """Tell one short life of a booking, in order; the last scene is a body the gateway cannot understand."""

    def calls(self, word: str, body: bytes) -> list[Call]:
        """Make one call for each webhook that subscribed to this event word; no events means all."""
        return [
            Call(hook.url, self.headers(hook, word, body), body)
            for hook in self.hooks.values()
            if not hook.events or word in hook.events
        ]

    def paste(self, url: str, secret: str | None = None) -> Hook:
        """Set a webhook up by hand, as a person does on a settings page."""
        hook = Hook(id=f"hook-{len(self.hooks) + 1}", url=url, events=(), secret=secret)
        self.hooks[hook.id] = hook
        return hook


class BookingSimulator(Simulator):
    """A vendor that keeps bookings, and can be asked for them.

    `clock` tells its time (UTC). `page`: how many bookings its list has on one page. `outbox`: the calls that it made,
    or would have made, in their order; whoever simulates delivers them, late, twice or never.
    """

    page: ClassVar[int]

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.clock = clock
        self.outbox: list[Call] = []

    @abstractmethod
    def book(self) -> str:
        """Make a booking that lies ahead; gives its id."""

    @abstractmethod
    def move(self, booking_id: str) -> None:
        """Move it to another slot, as often as it is asked for."""

    @abstractmethod
    def cancel(self, booking_id: str) -> None:
        """Cancel it."""

    @abstractmethod
    def forget(self, booking_id: str) -> None:
        """Remove it without a trace and without a call."""


def troubled(app: Any, faults: list[Fault]) -> Any:
    """Serve a vendor's API (ASGI) as its faults have it."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        fault = next((fault for fault in faults if fault.method in (None, scope["method"])), None)
        if fault is None:
            await app(scope, receive, send)
            return
        faults.remove(fault)
        if fault.obeys:
            await app(scope, receive, _unheard)
        if fault.stalls:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [*fault.headers, ("content-length", str(len(fault.body)))]
        start = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        await send({"type": "http.response.start", "status": fault.status, "headers": start})
        await send({"type": "http.response.body", "body": fault.body})

    return serve


async def _unheard(message: Any) -> None:
    """Take the part of an answer that nobody gets."""
    del message
