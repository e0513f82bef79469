"""A backlog: so many deliveries wait. What it takes of memory and time: to start, to claim, to show a page, to go on.

The database is filled through the store, in large transactions; then `gateway serve` is started on it as it is run.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from gateway.sealing import KeyRing
from gateway.store.engines.engine import Tx
from gateway.store.model import Destination
from gateway.store.sieve import Call
from gateway.store.statements import Statement
from gateway.store.store import Store
from tests.bench.load import meeting
from tests.e2e.running import Gateway
from tests.store.samples import event, receipt, result

DESTINATIONS = 2
"""Each event waits for so many: for the first since a moment ago, for the others, which are down, for a retry."""
RETRY_MS = 3_600_000
EVENTS_A_BOOKING = 5
AT_ONCE = 5_000
"""Calls in one transaction while the database is filled."""
ANSWERED = Statement(
    "answered",
    "INSERT INTO attempts (delivery, number, started_at, duration_ms, status, error)"
    " SELECT number, 1, :now, 5, 503, '503 Service Unavailable' FROM deliveries WHERE destination > 1",
)
WAITING = Statement("waiting", "UPDATE deliveries SET attempt = 1, due = :due WHERE destination > 1")
CLAIMS = 50
"""How many claims are timed, of 16 deliveries each."""
ENVELOPE = json.dumps({"type": "booking.scheduled", "filling": "x" * 2000}).encode()
"""As long as an event of the ingest benchmark is."""


def measure(deliveries: int, seconds: float = 10.0) -> dict[str, Any]:
    """Fill, start, look, and let it go for so many seconds."""
    with tempfile.TemporaryDirectory() as folder, sink() as (port, ask):
        gateway = Gateway(Path(folder) / "data", {"GATEWAY_EGRESS_ALLOW": f"127.0.0.1/32:{port}"})
        names = prepare(gateway, port)
        filled = asyncio.run(fill(gateway.directory, deliveries // DESTINATIONS))
        gateway.start()
        try:
            figures = filled | {"ready_s": gateway.ready_in[-1], "resident_at_start_mib": memory(gateway, "VmRSS")}
            figures |= pages(gateway) | files(gateway.directory)
            figures |= {"resident_after_pages_mib": memory(gateway, "VmRSS")}
            figures |= deliver(gateway, names, ask, seconds)
            figures |= {"most_resident_mib": memory(gateway, "VmHWM")} | files(gateway.directory, "after_")
        finally:
            gateway.kill()
        return figures


def prepare(gateway: Gateway, port: int) -> list[str]:
    """Make the directory as a first start does, with paused destinations; their ids."""
    gateway.start()
    names = []
    for number in range(DESTINATIONS):
        made = gateway.call("POST", "/v1/destinations", {"url": f"http://127.0.0.1:{port}/{number}"})["id"]
        gateway.call("POST", f"/v1/destinations/{made}/pause")
        names.append(made)
    gateway.kill()
    return names


# --- filling -------------------------------------------------------------------------------------------------------


async def fill(directory: Path, events: int) -> dict[str, float]:
    """Accept so many events as the gateway does, and time claims among what then waits."""
    store = await Store.open(directory, KeyRing.parse((directory / "secret.keys").read_text()))
    began = time.monotonic()
    for first in range(0, events, AT_ONCE):
        await store._engine.write(Filling(store), range(first, min(first + AT_ONCE, events)))
    await store._engine.write(try_in_vain, store.now())
    took = time.monotonic() - began
    claims = await time_claims(store)
    await store.close()
    return {"events": events, "deliveries": events * DESTINATIONS, "filled_in_s": took, **claims}


class Filling:
    """A job that accepts the calls of whole ranges of numbers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, tx: Tx, items: Sequence[range]) -> list[None]:
        now = self._store.now()
        inbound = meeting("a booking")
        for numbers in items:
            calls = [
                Call(
                    one.digest,
                    one.connection,
                    one,
                    [event(number, key=f"b{number // EVENTS_A_BOOKING}", body=ENVELOPE)],
                )
                for number in numbers
                for one in [receipt(number, received_at=now, inbound=inbound, size=len(inbound))]
            ]
            self._store._intake.accept(tx, calls)
        return [None for _ in items]


def try_in_vain(tx: Tx, items: Sequence[int]) -> list[None]:
    """Let all destinations but the first have answered 503 to everything, and be tried again in an hour."""
    for now in items:
        tx.run(ANSWERED, now=now)
        tx.run(WAITING, due=now + RETRY_MS)
    return [None for _ in items]


async def time_claims(store: Store) -> dict[str, float]:
    """Claim from a destination that has everything waiting, and give back; milliseconds."""
    (destination, *_) = await store.destinations()
    await put(store, destination, paused=False)
    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claimed = await store.claim(destination.number, 16, 45.0)
        times.append(1000 * (time.perf_counter() - began))
        assert claimed
        await store.settle([result(each, "released") for each in claimed])
    (destination, *_) = await store.destinations()
    await put(store, destination, paused=True)
    return {"claim_p50_ms": sorted(times)[len(times) // 2], "claim_longest_ms": max(times)}


async def put(store: Store, destination: Destination, *, paused: bool) -> None:
    await store.put_destination(replace(destination, paused=paused))


# --- looking -------------------------------------------------------------------------------------------------------


def pages(gateway: Gateway) -> dict[str, Any]:
    """Read the lists that people and consumers read, at their begin and deep inside; seconds for the slowest page."""
    newest = gateway.call("GET", "/v1/stats")["events"]
    (destination, *_) = gateway.call("GET", "/v1/destinations")["items"]
    paths = {
        "stats": "/v1/stats",
        "deliveries": "/v1/deliveries?limit=500",
        "deliveries pending": "/v1/deliveries?status=pending&limit=500",
        "deliveries deep": f"/v1/deliveries?status=pending&limit=500&after=dlv_{newest:016x}",
        "deliveries of one destination": f"/v1/deliveries?destination={destination['id']}&status=pending&limit=500",
        "deliveries dead": "/v1/deliveries?status=dead&limit=500",
        "events": "/v1/events?limit=500",
        "events deep": f"/v1/events?limit=500&after={newest - 500}",
        "events of a type": "/v1/events?limit=500&types=booking.scheduled",
        "events of a booking": f"/v1/events?booking=b{newest // EVENTS_A_BOOKING // 2}",
    }
    times: dict[str, float] = {}
    for name, path in paths.items():
        began = time.monotonic()
        gateway.call("GET", path)
        times[name] = time.monotonic() - began
    slowest = max(times, key=lambda name: times[name])
    return {"slowest_page_s": times[slowest], "slowest_page": slowest, "pages_s": times}


def deliver(gateway: Gateway, names: Sequence[str], ask: Any, seconds: float) -> dict[str, float]:
    """Let them go for a while, as far as anything is due; deliveries a second, the careful first ones included."""
    began = time.time()
    for name in names:
        gateway.call("POST", f"/v1/destinations/{name}/resume")
    time.sleep(seconds)
    figures = ask("figures")
    return {"delivered_a_second": figures["events"] / (figures["last"] - began), "repeats": figures["repeats"]}


def memory(gateway: Gateway, field: str) -> float:
    """Read the memory of the process, in MiB: VmRSS has it now, VmHWM had it at most."""
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def files(directory: Path, when: str = "") -> dict[str, float]:
    """Say how large the database and its log are, in MiB."""
    sizes = {name: (directory / f"gateway.db{name}").stat().st_size / 2**20 for name in ("", "-wal")}
    return {f"{when}database_mib": sizes[""], f"{when}log_mib": sizes["-wal"]}


@contextmanager
def sink() -> Iterator[tuple[int, Any]]:
    """Run the fast consumer: its port, and a way to ask it for figures."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(process.terminate)
        asks, says = process.stdin, process.stdout
        assert asks is not None
        assert says is not None

        def ask(question: str) -> dict[str, float]:
            asks.write(question + "\n")
            asks.flush()
            return cast("dict[str, float]", json.loads(says.readline()))

        yield int(says.readline()), ask


def tell(figures: dict[str, Any]) -> str:
    """Write the figures for a person."""
    f = figures
    lines = {
        "waiting": f"{f['deliveries']:,} deliveries of {f['events']:,} events, filled in {f['filled_in_s']:.0f} s",
        "ready after": f"{f['ready_s']:.2f} s",
        "resident": f"{f['resident_at_start_mib']:.0f} MiB at start, {f['most_resident_mib']:.0f} MiB at most",
        "claim of up to 16": f"p50 {f['claim_p50_ms']:.1f} ms, longest {f['claim_longest_ms']:.1f} ms",
        "slowest page of 500": f"{f['slowest_page_s']:.3f} s ({f['slowest_page']})",
        "delivery, the rest waiting": f"{f['delivered_a_second']:,.0f}/s, repeats {f['repeats']:.0f}",
        "database, log": f"{f['database_mib']:.0f} MiB, {f['log_mib']:.0f} MiB",
        "after delivering": f"{f['after_database_mib']:.0f} MiB, {f['after_log_mib']:.0f} MiB",
    }
    return "\n".join(f"{what:<28} {figure}" for what, figure in lines.items())
