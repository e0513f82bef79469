"""Which of several processes does what only one may do: the one that holds a lock in a transaction that it keeps open.

Such a transaction holds up nothing: it has no snapshot between its statements. A pooler leaves it on one server's
session, which it does not do for a lock of the session's own.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.postgres_limits import address

LOOK_SECONDS = 2.0
"""How soon another process takes over from one that ended, and how often the one that leads sees that it still does."""
FROZEN = "15s"
"""After so long a silence the server ends the session of one that leads, and somebody else may."""


TURN_SECONDS = 0.25
"""How often one that waits for its turn looks."""
LONGEST_TURN = "300s"
"""After so long without a word a turn is over: whoever had it is frozen, or cut off."""


@contextlib.asynccontextmanager
async def turn(url: str, name: str) -> AsyncIterator[None]:
    """Hold a lock of this name, on a session of its own, as long as the block runs. Raises StoreUnavailable."""
    try:
        session = await psycopg.AsyncConnection.connect(address(url), autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise StoreUnavailable(f"the database cannot do it now: {type(error).__name__}") from None
    try:
        await _wait_for(session, name)
        yield
    finally:
        await session.close()


async def _wait_for(session: "psycopg.AsyncConnection[Any]", name: str) -> None:
    try:
        await session.execute(_open(LONGEST_TURN).encode())
        while not await _try(session, name):  # noqa: ASYNC110 -- the database has no event for it
            await asyncio.sleep(TURN_SECONDS)
        await session.execute("SELECT 1")  # lets go of the snapshot of a statement with parameters
    except psycopg.Error as error:
        raise StoreUnavailable(f"the database cannot do it now: {type(error).__name__}") from None


def _open(silence: str) -> str:
    """Begin a transaction that the server ends after such a silence."""
    return f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{silence}'"


async def _try(session: "psycopg.AsyncConnection[Any]", name: str) -> bool:
    asked = await session.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
    row = await asked.fetchone()
    return bool(row and row[0])


class Leadership:
    """A candidate. `connect` opens a session of its own; `lock` is the advisory lock that all candidates want."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], lock: int, closed: threading.Event) -> None:
        self._connect = connect
        self._lock = lock
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._leads, self._follows = asyncio.Event(), asyncio.Event()
        self._follows.set()
        self._thread = threading.Thread(target=self._stand, name="store-leadership", daemon=True)

    async def lead(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run it each time this process leads, from the beginning; end when it ends by itself."""
        if not self._thread.is_alive():
            self._thread.start()
        while True:
            await self._leads.wait()
            working = asyncio.ensure_future(run())
            deposed = asyncio.ensure_future(self._follows.wait())
            try:
                await asyncio.wait({working, deposed}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    return working.result()
            finally:
                for task in (working, deposed):
                    task.cancel()
                await asyncio.gather(working, deposed, return_exceptions=True)

    def close(self) -> None:
        """Wait until the session is over; `closed` is set already."""
        if self._thread.is_alive():
            self._thread.join()

    def _stand(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error), contextlib.closing(self._connect()) as db:
                db.execute(_open(FROZEN).encode())
                self._watch(db)
            self._tell(self._follows, self._leads)
            self._closed.wait(LOOK_SECONDS)

    def _watch(self, db: "psycopg.Connection[Any]") -> None:
        """Ask for the lock until it is ours, then see that the session lives, which holds it."""
        held = False
        while not self._closed.is_set():
            if not held:
                row = db.execute(f"SELECT pg_try_advisory_xact_lock({self._lock:d})".encode()).fetchone()
                held = bool(row and row[0])
                if held:
                    self._tell(self._leads, self._follows)
            else:
                db.execute("SELECT 1")
            self._closed.wait(LOOK_SECONDS)

    def _tell(self, now: asyncio.Event, before: asyncio.Event) -> None:
        def tell() -> None:
            before.clear()
            now.set()

        with contextlib.suppress(RuntimeError):  # the event loop is over
            self._loop.call_soon_threadsafe(tell)
