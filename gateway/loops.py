"""Background work that goes on by itself: every loop runs again when it fails, and a process that stands still ends.

A loop is a coroutine function that works until it is cancelled. `Loops.start` keeps it going; `Loops.beat` says that it
moves; `Watchdog` looks from a thread of its own, so that it also sees an event loop that is stuck.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog
from msgspec import Struct

from gateway.contract.errors import StoreUnavailable

BACK_OFF_SECONDS = (0.1, 5.0)
"""The first and the longest wait before a loop that failed goes on."""
STEADY_SECONDS = 10.0
"""A loop that failed counts as well again when it ran for so long, or moved."""
SAY_AGAIN_SECONDS = 60.0
"""The same failure of the same loop is logged no more often."""
TICK_SECONDS = 1.0
LINES_OF_WAY = 4
"""How much of a traceback goes to the log."""
STUCK = 70
"""The exit status of a process that stood still: EX_SOFTWARE."""

_log = structlog.get_logger(__name__)


class _Failure(Struct):
    words: str
    until: float
    said: float


class Loops:
    """Keep loops going. Make it in the event loop that they run in."""

    def __init__(self) -> None:
        self.beats: Counter[str] = Counter()
        self._failures: dict[str, _Failure] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def failing(self) -> dict[str, str]:
        """Say which loops fail just now, and why: nothing secret, nothing personal."""
        now = time.monotonic()
        return {name: failure.words for name, failure in self._failures.items() if now < failure.until}

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a loop going until `stop`."""
        self._tasks.append(asyncio.create_task(self.keep(name, run), name=name))

    async def stop(self) -> None:
        """Cancel what was started, and see it end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def beat(self, name: str) -> None:
        """Say that a loop moves."""
        self.beats[name] += 1
        if self._failures.pop(name, None) is not None:
            _log.info("loop works again", loop=name)

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run to the end, and again whenever it fails, with growing pauses."""
        pause, longest = BACK_OFF_SECONDS
        while True:
            began = time.monotonic()
            try:
                await run()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the others and the next turn must go on
                self._failed(name, _words(error))
            else:
                self._failures.pop(name, None)
                return
            pause = min(pause * 2, longest) if time.monotonic() - began < longest else BACK_OFF_SECONDS[0]
            await asyncio.sleep(pause)

    def _failed(self, name: str, words: str) -> None:
        self.beats[name] += 1  # it did not succeed, but it does not stand still
        now = time.monotonic()
        before = self._failures.get(name)
        said = before.said if before and before.words == words and now - before.said < SAY_AGAIN_SECONDS else now
        self._failures[name] = _Failure(words, now + BACK_OFF_SECONDS[1] + STEADY_SECONDS, said)
        if said == now:
            _log.error("loop failed", loop=name, reason=words)


class Watchdog:
    """End the process when something stands still that must move: whoever runs it starts it again.

    `patience`: seconds without a beat, by name. They are counted by the thread's own waits and not read from a clock,
    so a process that was stopped, or a machine that slept, is not taken for stuck.
    """

    def __init__(self, loops: Loops, patience: Mapping[str, int], end: Callable[[str], None] | None = None) -> None:
        self._loops = loops
        self._patience = dict(patience)
        self._end = end or _end_process
        self._still = dict.fromkeys(patience, 0)
        self._seen: dict[str, int] = {}
        self._left: int | None = None
        self._over = threading.Event()
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def hurry(self, seconds: int) -> None:
        """Look from now on at one thing: that the process ends within so many seconds."""
        self._left = seconds

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            stuck = self._look()
            if stuck is not None:
                self._end(f"{stuck} (the event loop is at {_standing(self._watched)}): ending, to be started again")
                return

    def _look(self) -> str | None:
        if self._left is not None:
            self._left -= 1
            return "stopping took too long" if self._left < 0 else None
        for name, patience in self._patience.items():
            beats = self._loops.beats[name]
            self._still[name] = 0 if beats != self._seen.get(name) else self._still[name] + 1
            self._seen[name] = beats
            if self._still[name] >= patience:
                return f"the {name} has stood still for {patience} s"
        return None


async def tick(beat: Callable[[], None]) -> None:
    """Show that the event loop moves, until cancelled."""
    while True:
        beat()
        await asyncio.sleep(TICK_SECONDS)


def _end_process(words: str) -> None:
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"gateway: {words}\n".encode())
    os._exit(STUCK)


def _words(error: Exception) -> str:
    """Say what went wrong; of several at once, the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, StoreUnavailable) else f"{type(error).__name__} at {_way(error)}"


def _way(error: BaseException) -> str:
    """Name the last lines on the way to it; what it says may quote an event."""
    frames = traceback.extract_tb(error.__traceback__)[-LINES_OF_WAY:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def _standing(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 -- documented; there is no other way to ask
    return "its end" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
