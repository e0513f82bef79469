"""Group commit, the event loop's side: what is asked in one tick, or while a commit runs, shares the next commit."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from msgspec import Struct

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.engine import Job, Tx

LARGEST = 512
"""Calls in one commit: enough to make a commit's price vanish, few enough that nobody waits long for the others."""
ENOUGH = 64
"""Calls that make a batch worth its commit: nobody waits for more."""
PATIENCE = 5
"""Turns of the event loop without a new call after which a smaller batch goes: some 50 microseconds when it is idle."""


Outcome = Any
"""What a call answers, or an Exception that it raises."""


class Call(Struct, frozen=True, gc=False):
    job: Job[Any, Any]
    item: Any
    told: Callable[[Outcome], None]


class Group:
    """Gather calls into batches and run one batch at a time: one hop to the writer thread and one back a batch."""

    def __init__(self, writer: Executor, commit: Callable[[Sequence[Call]], Sequence[Outcome]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._commit = commit
        self._waiting: list[Call] = []
        self._seen = 0
        self._turns = 0
        self._rest = asyncio.Event()
        self._rest.set()
        self._closed = False
        self._bell = self._loop.create_future()

    def submit(self, job: Job[Any, Any], item: Any) -> "asyncio.Future[Any]":
        """Put a call into the next batch."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.submit_then(job, item, partial(_settle, answer))
        return answer

    def submit_then(self, job: Job[Any, Any], item: Any, told: Callable[[Outcome], None]) -> None:
        """Do the same; `told` is called with the outcome: a future for each call is a thirtieth of an accepted one."""
        if self._closed:
            told(StoreUnavailable("the store is closed"))
            return
        self._waiting.append(Call(job, item, told))
        if self._rest.is_set():
            self._rest.clear()
            self._loop.call_soon(self._start)

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        """Wait for the next batch to end; False after `timeout` seconds without."""
        done, _ = await asyncio.wait([self._bell], timeout=timeout)
        return bool(done)

    def ring(self) -> None:
        """Wake who waits for a change: somebody else committed."""
        self._bell.set_result(None)
        self._bell = self._loop.create_future()

    async def drain(self) -> None:
        """Take no more calls and wait until those taken are answered."""
        self._closed = True
        await self._rest.wait()

    def _start(self) -> None:
        """Write what waits; while more is coming in, wait for that too (measured: an eighth of a call's price)."""
        if self._gathering(len(self._waiting)):
            self._loop.call_soon(self._start)
            return
        self._seen = self._turns = 0
        batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        if batch:
            self._writer.submit(self._work, batch)
        else:
            self._rest.set()

    def _gathering(self, waiting: int) -> bool:
        self._turns = 0 if waiting > self._seen else self._turns + 1
        self._seen = waiting
        return 0 < waiting < ENOUGH and self._turns < PATIENCE

    def _work(self, batch: Sequence[Call]) -> None:
        try:
            outcomes = self._commit(batch)
        except Exception as error:  # noqa: BLE001 -- a mistake of ours must not leave anyone waiting for ever
            outcomes = [error] * len(batch)
        self._loop.call_soon_threadsafe(self._finish, batch, outcomes)

    def _finish(self, batch: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        for call, outcome in zip(batch, outcomes, strict=True):
            try:
                call.told(outcome)
            except Exception as error:  # noqa: BLE001 -- a mistake of one's own must not leave the others unanswered
                self._loop.call_exception_handler({"message": "an answer could not be given", "exception": error})
        self.ring()
        self._loop.call_soon(self._start)  # after the callers just answered, so that what they ask next is in it


def _settle(answer: "asyncio.Future[Any]", outcome: Outcome) -> None:
    if answer.done():  # its caller was cancelled; what it asked for is done nevertheless
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def together(tx: Tx, batch: Sequence[Call]) -> Sequence[Outcome]:
    """Run each kind of job once, for all who asked for it: calls that share a commit have no order."""
    kinds: dict[Job[Any, Any], list[int]] = {}
    for place, call in enumerate(batch):
        kinds.setdefault(call.job, []).append(place)
    outcomes: dict[int, Outcome] = {}
    for job, places in kinds.items():
        outcomes.update(zip(places, job(tx, [batch[place].item for place in places]), strict=True))
    return [outcomes[place] for place in range(len(batch))]
