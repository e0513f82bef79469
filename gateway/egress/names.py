"""Name look-ups that neither hold up one another nor the end of the process."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Turn a host and a port into addresses as text; raises OSError when there are none."""


class Names:
    """Ask the system's resolver, each name on a thread of its own.

    A thread of a shared executor would let a few names with dead name servers hold up all others; there is never
    more than one look-up a name under way, so the threads are bounded by the names in use. They are daemons: a
    look-up cannot be cancelled, and the gateway must be able to stop beside one.
    """

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Look a name up; callers at the same time share one answer. Raises OSError."""
        key = (host, port)
        answer = self._under_way.get(key)
        if answer is None:
            answer = self._under_way[key] = self._begin(host, port)
            answer.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(answer)  # one caller's deadline must not end the look-up of the others

    def _begin(self, host: str, port: int) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        thread = threading.Thread(target=_look_up, args=(host, port, loop, answer), name="name look-up", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            answer.set_exception(OSError("no thread for a name look-up"))
        return answer

    def _end(self, key: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen, though every caller may have given up


def _look_up(host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        outcome: list[str] | OSError = addresses
    except (OSError, UnicodeError) as error:
        outcome = error if isinstance(error, OSError) else OSError("not a name")
    try:
        loop.call_soon_threadsafe(_deliver, answer, outcome)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


def _deliver(answer: asyncio.Future[list[str]], outcome: list[str] | OSError) -> None:
    if answer.done():
        return
    if isinstance(outcome, OSError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
