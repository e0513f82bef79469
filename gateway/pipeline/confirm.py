"""Step 2a: held calls. Their provider is asked about the booking, then step 2 goes on with what it answered.

Calls about one booking leave in the order in which they came: only the earliest held one is looked at, and every later
one waits behind it, also one that needs no asking. Rows say what is left to do, so a restart goes on with it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import groupby
from typing import Protocol

import structlog
from msgspec.structs import replace

from gateway.contract.errors import Contradicted, EgressRefused, ProviderApiError
from gateway.contract.provider import Draft
from gateway.pipeline import normalize
from gateway.pipeline.receive import Inbox, Received, Unclaimed
from gateway.pipeline.translate import Translated, translate
from gateway.store.held import HeldCall, HeldCalls
from gateway.store.model import StoredReceipt

WAITS = (2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds before a provider that did not answer is asked again; the last one repeats."""
SECOND_LOOK = 3.0
"""Seconds after which a provider that contradicts is asked once more: it may call before it writes things down."""
LOOK_SECONDS = 0.25
"""How soon a call that was just held is seen. Commits do not wake this loop: there are thousands a second."""
LONGEST_ASKED = 300.0
"""The longest wait that a provider's Retry-After is believed for."""
PATIENCE = 900
"""Seconds that an answer is waited for where no setting says so."""
AT_ONCE = 4
"""Bookings of one connection that are asked about at once."""
MOST = 200
UNAVAILABLE = "confirm_unavailable"

_log = structlog.get_logger(__name__)


class Asker(Protocol):
    """The way to a connection's provider. `fetch` gives None when there is no such booking.

    Raises ProviderApiError, EgressRefused.
    """

    async def fetch(self, connection_id: str, booking_id: str, /) -> bytes | None: ...


class ConfirmStore(normalize.ReceiptStore, Protocol):
    """What this step asks of the store."""

    held: HeldCalls

    async def receipt(self, receipt_id: str) -> StoredReceipt | None: ...
    def now(self) -> int: ...


class Inboxes(Protocol):
    """Which connections a URL leads to."""

    def by_id(self, token_id: str, connection_id: str | None, /) -> Inbox: ...


class Confirmation:
    """Ask about held calls until cancelled. `look`: seconds between two looks at what is held."""

    def __init__(self, store: ConfirmStore, inboxes: Inboxes, asker: Asker, *, look: float = LOOK_SECONDS) -> None:
        self._store = store
        self._inboxes = inboxes
        self._asker = asker
        self._look = look
        self._busy: set[str] = set()
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled: each connection by itself, so that a slow provider delays no other."""
        await self._store.held.hurry()
        async with asyncio.TaskGroup() as working:
            while True:
                self._done.clear()
                for connection, calls in groupby(sorted(await self._due(), key=_connection), key=_connection):
                    self._busy.add(connection)
                    working.create_task(self._work(connection, list(calls)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look):  # wait_for would lose a cancellation
                        await self._done.wait()

    async def _due(self) -> list[HeldCall]:
        now = self._store.now()
        return [call for call in await self._store.held.first(MOST, self._busy) if call.due <= now]

    async def _work(self, connection: str, calls: Iterable[HeldCall]) -> None:
        some = asyncio.Semaphore(AT_ONCE)

        async def settled(call: HeldCall) -> None:
            async with some:
                await self.settle(call)

        try:
            await asyncio.gather(*map(settled, calls))
        finally:
            self._busy.discard(connection)
            self._done.set()

    async def settle(self, held: HeldCall) -> None:
        """Take one held call as far as it goes now. Raises StoreUnavailable."""
        stored = await self._store.receipt(held.receipt)
        if stored is None or stored.status != "held":
            return
        if stored.inbound is None:
            await self._quarantine(held, "damaged: its bytes cannot be read any more")
            return
        call = normalize.again(stored, self._inboxes.by_id(stored.token, stored.connection))
        if isinstance(call, Unclaimed):
            await self._quarantine(held, call.reason)
            return
        wanted = await asyncio.to_thread(translate, call)  # a plugin may be slow about a large body
        if not wanted.wants:
            await self._understood(held, stored, call, wanted)
            return
        try:
            fetched = await self._fetched(held, wanted.wants)
        except (ProviderApiError, EgressRefused) as error:
            await self._unanswered(held, stored, call, error)
        except Contradicted as error:
            await self._contradicted(held, f"contradicted: {error}")
        else:
            await self._answered(held, stored, call, fetched)

    async def _fetched(self, held: HeldCall, bookings: Iterable[str]) -> Mapping[str, bytes]:
        fetched: dict[str, bytes] = {}
        for booking in bookings:
            answer = await self._asker.fetch(held.connection, booking)
            if answer is None:
                raise Contradicted("the provider knows no such booking")
            fetched[booking] = answer
        return fetched

    async def _answered(
        self, held: HeldCall, stored: StoredReceipt, call: Received, fetched: Mapping[str, bytes]
    ) -> None:
        asked = Received(call.candidate, replace(call.receipt, fetched=fetched))
        told = await asyncio.to_thread(translate, asked, asking=False)
        if told.reason is not None and told.reason.startswith("contradicted"):
            await self._contradicted(held, told.reason)
        else:
            await self._understood(held, stored, asked, told)

    async def _contradicted(self, held: HeldCall, reason: str) -> None:
        if held.attempt == 0:
            await self._store.held.postpone(held.receipt, SECOND_LOOK)
        else:
            await self._quarantine(held, reason)

    async def _unanswered(self, held: HeldCall, stored: StoredReceipt, call: Received, error: Exception) -> None:
        """Wait, as long as the connection's setting says; then pass it on as it is, or not."""
        settings = call.receipt.account.settings
        left = getattr(settings, "confirm_seconds", PATIENCE) - (self._store.now() - held.received_at) / 1000
        if left > 0:
            await self._store.held.postpone(held.receipt, min(left, _wait(held.attempt, error)))
            return
        why = f"unconfirmed: {call.candidate.provider.title} did not answer ({_kind(error)})"
        told = await asyncio.to_thread(translate, call, asking=False)
        if getattr(settings, "confirm", "no") == "must" or told.reason is not None:
            await self._quarantine(held, f"{why}; retry it once that answers")
            return
        _log.warning("unconfirmed", receipt=held.receipt, connection=held.connection, error=_kind(error))
        await self._understood(held, stored, call, Translated([_warned(draft) for draft in told.drafts]))

    async def _understood(self, held: HeldCall, stored: StoredReceipt, call: Received, told: Translated) -> None:
        if told.reason is not None:
            await self._quarantine(held, told.reason)
        else:
            await normalize.resolve(self._store, stored, call, told.drafts)

    async def _quarantine(self, held: HeldCall, reason: str) -> None:
        if await self._store.held.quarantine(held.receipt, reason):
            _log.warning("quarantined", receipt=held.receipt, connection=held.connection, reason=reason)


def _connection(call: HeldCall) -> str:
    return call.connection


def _wait(attempt: int, error: Exception) -> float:
    asked = getattr(error, "retry_after", None) or 0.0
    return max(WAITS[min(attempt, len(WAITS) - 1)], min(asked, LONGEST_ASKED))


def _kind(error: Exception) -> str:
    """Say what went wrong without the provider's words, which may repeat what it was sent."""
    status = getattr(error, "status", 0)
    return f"HTTP {status}" if status else type(error).__name__


def _warned(draft: Draft) -> Draft:
    return replace(draft, warnings=tuple(dict.fromkeys((*draft.warnings, UNAVAILABLE))))
