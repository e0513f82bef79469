"""Group commit, the event loop's side: what is asked during one tick, or while a commit runs, shares the next commit."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.engine import Job

LARGEST = 512
"""Calls in one commit: enough to make a commit's price vanish, few enough that nobody waits long for the others."""


class Call(NamedTuple):
    job: Job[Any, Any]
    item: Any
    answer: "asyncio.Future[Any]"


Outcome = Any
"""What a call answers, or an Exception that it raises."""


class Group:
    """Gather calls into batches and run one batch at a time: one hop to the writer thread and one back a batch."""

    def __init__(self, writer: Executor, commit: Callable[[Sequence[Call]], Sequence[Outcome]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._commit = commit
        self._waiting: list[Call] = []
        self._busy = False
        self._closed = False
        self._commits = self._loop.create_future()

    def submit(self, job: Job[Any, Any], item: Any) -> "asyncio.Future[Any]":
        """Put a call into the next batch."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        answer = self._loop.create_future()
        self._waiting.append(Call(job, item, answer))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)
        return answer

    def _start(self) -> None:
        batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        if batch:
            self._writer.submit(self._work, batch)
        else:
            self._busy = False

    def _work(self, batch: Sequence[Call]) -> None:
        outcomes = self._commit(batch)
        self._loop.call_soon_threadsafe(self._finish, batch, outcomes)

    def _finish(self, batch: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        for call, outcome in zip(batch, outcomes, strict=True):
            if call.answer.done():  # its caller was cancelled; what it asked for is done nevertheless
                continue
            if isinstance(outcome, Exception):
                call.answer.set_exception(outcome)
            else:
                call.answer.set_result(outcome)
        self._ring()
        self._loop.call_soon(self._start)  # after the callers just answered, so that what they ask next is in it

    def _ring(self) -> None:
        if not self._commits.done():
            self._commits.set_result(None)
            self._commits = self._loop.create_future()

    async def changed(self, timeout: float) -> bool:
        """Wait for the next batch to end; False after `timeout` seconds without."""
        done, _ = await asyncio.wait([self._commits], timeout=timeout)
        return bool(done)

    async def drain(self) -> None:
        """Take no more calls and wait until those taken are answered."""
        self._closed = True
        while self._busy:
            await self.changed(timeout=1.0)
            await asyncio.sleep(0)
