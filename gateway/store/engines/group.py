"""Group commit, the event loop's side: what is asked in one tick, or while a commit runs, shares the next commit."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from msgspec import Struct

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.engine import Job

LARGEST = 512
"""Calls in one commit: enough to make a commit's price vanish, few enough that nobody waits long for the others."""


class Call(Struct, frozen=True, gc=False):
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
        self._rest = asyncio.Event()
        self._rest.set()
        self._closed = False
        self._bell = self._loop.create_future()

    def submit(self, job: Job[Any, Any], item: Any) -> "asyncio.Future[Any]":
        """Put a call into the next batch."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        answer = self._loop.create_future()
        self._waiting.append(Call(job, item, answer))
        if self._rest.is_set():
            self._rest.clear()
            self._loop.call_soon(self._start)
        return answer

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        """Wait for the next batch to end; False after `timeout` seconds without."""
        done, _ = await asyncio.wait([self._bell], timeout=timeout)
        return bool(done)

    async def drain(self) -> None:
        """Take no more calls and wait until those taken are answered."""
        self._closed = True
        await self._rest.wait()

    def _start(self) -> None:
        batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        if batch:
            self._writer.submit(self._work, batch)
        else:
            self._rest.set()

    def _work(self, batch: Sequence[Call]) -> None:
        try:
            outcomes = self._commit(batch)
        except Exception as error:  # noqa: BLE001 -- a mistake of ours must not leave anyone waiting for ever
            outcomes = [error] * len(batch)
        self._loop.call_soon_threadsafe(self._finish, batch, outcomes)

    def _finish(self, batch: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        for call, outcome in zip(batch, outcomes, strict=True):
            if call.answer.done():  # its caller was cancelled; what it asked for is done nevertheless
                continue
            if isinstance(outcome, Exception):
                call.answer.set_exception(outcome)
            else:
                call.answer.set_result(outcome)
        self._bell.set_result(None)
        self._bell = self._loop.create_future()
        self._loop.call_soon(self._start)  # after the callers just answered, so that what they ask next is in it
