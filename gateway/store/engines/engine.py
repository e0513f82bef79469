"""What the store asks of a database."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from gateway.store.statements import Statement

A = TypeVar("A")
R = TypeVar("R")
Value = int | float | str | bytes | None
Row = tuple[Any, ...]
Clock = Callable[[], int]
"""Epoch milliseconds (UTC); never goes back while the process runs."""

Observer = Callable[[int, float, float], None]
"""Told of each commit, on the writer's thread: how many writes shared it, its seconds, and those of its last step."""


class Tx(Protocol):
    """One transaction."""

    def run(self, statement: Statement, **values: Value | Sequence[Value]) -> list[Row]:
        """Run once; a list of values, not empty, stands for `(:names*)`."""

    def many(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Run for each row: its values in the order in which the statement names them."""


Job = Callable[[Tx, Sequence[A]], Sequence[R | Exception]]
"""Do one kind of write for several callers at once: an answer for each, or the error it gets.

An error in the answers means that nothing was written for that caller. A raised one undoes the whole transaction;
the engine then runs each caller's part alone, so that only the bad one fails.
"""


class Memory(Protocol):
    """Something that jobs learn from transactions and keep: it has to follow their fate."""

    def keep(self) -> None:
        """What was learnt stands."""

    def undo(self) -> None:
        """What was learnt since the last `keep` is void."""

    def forget(self) -> None:
        """Nobody knows what stands: learn anew."""


class Engine(Protocol):
    """A database whose writes share commits. `alone`: no other process uses it."""

    alone: bool

    def now(self) -> int:
        """Tell the time by the steady clock: epoch milliseconds (UTC)."""

    def instant(self, tx: Tx) -> int | None:
        """Tell the time that all processes on this database agree on, in microseconds; None: there is only this one."""

    def roomy(self) -> bool:
        """Tell whether there is room for more than what is already being handled."""

    def remind(self, memory: Memory) -> None:
        """Tell this, on the writer's thread, what became of the transactions that jobs learnt something in."""

    def write(self, job: Job[A, R], item: A) -> Awaitable[R]:
        """Run the job in a transaction and answer once it is durable. Raises StoreUnavailable."""

    def write_then(self, job: Job[A, R], item: A, told: Callable[[R | Exception], None]) -> None:
        """Do the same and call `told`, which raises nothing, in the event loop: what is asked for most waits so."""

    async def read(self, query: Callable[[Tx], R]) -> R:
        """Run a query on a snapshot. Raises StoreUnavailable."""

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        """Wait until anything was committed; False after `timeout` seconds without."""

    async def lead(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run what only one process may do: when it is this one's turn, and as long as it stays so."""

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        """Keep other processes from the same turn; within this one the caller sees to it. Raises StoreUnavailable."""

    async def settle_log(self) -> None:
        """Leave nothing of what was deleted in a log beside the database, as far as nobody reads in it just now."""

    async def close(self) -> None:
        """Finish what was submitted, then let go of everything."""
