"""PostgreSQL beside the embedded store in one run: python -m tests.bench --store postgres [--processes N] [--json]

The server is started by the benchmark, on this machine, with fsync on. The load generator keeps to the second core, the
first gateway to the first; a second gateway shares the second core with the load, and the server takes what is free. So
what two processes add on two cores is a lower bound.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.sealing import KeyRing
from gateway.store.engines.engine import Tx
from gateway.store.statements import Statement
from gateway.store.store import Store
from tests.bench.backlog import Filling, time_claims
from tests.bench.load import Figures, bookings, drive
from tests.bench.running import CONNECTIONS, SECRET, Child, Gateway, pin, run, wait_for
from tests.postgres import Server
from tests.store.samples import KEYS, subscribe

ADMIN = "k" * 48
GROWN = (0, 10_000, 100_000)
"""Events in the log when the price of one more is measured."""
SAMPLE = 5_000
WAITING, LATER = 1_000_000, 50_000
EVENTS = 1_000
FILL = Statement(
    "fill",
    "INSERT INTO deliveries (number, destination, event, key_hash, position, status, due, attempt, earlier, created_at)"
    " SELECT n, :destination, 1 + n % :events, n / 5, n, 'pending',"
    " CASE WHEN n % :each = 0 THEN :now + 3600000 ELSE :now - 1000 END, 0, 0, :now"
    " FROM generate_series(CAST(:first AS BIGINT), CAST(:last AS BIGINT)) AS s(n)",
)


def measure(processes: int, calls: int, rounds: int) -> dict[str, Any]:
    """Measure ingest and delivery of the embedded store, of one process on PostgreSQL, and of several."""
    with ExitStack() as stack:
        server = Server()
        stack.callback(server.remove)
        pin(1)
        sink = Child(stack, 1, "tests.bench.sink")
        port = int(sink.line())
        shared = {
            "GATEWAY_DATABASE_URL": server.url(),
            "GATEWAY_SECRET_KEYS": KEYS,
            "GATEWAY_ADMIN_KEY": ADMIN,
        }
        embedded = [Gateway(stack, port)]
        many = [Gateway(stack, port, core=number % 2, **shared) for number in range(processes)]
        sides: dict[str, Side] = {
            "embedded": (embedded, embedded[0].connect()),
            "postgres_1": (many[:1], many[0].connect()),
        }
        if processes > 1:
            sides[f"postgres_{processes}"] = (many, sides["postgres_1"][1])
        time.sleep(1.0)
        return {
            "ingest": ingest(sides, calls, rounds),
            "delivery": {name: delivery(each, calls, sink, port) for name, each in sides.items()},
        }


Side = tuple[Sequence[Gateway], str]
"""Gateways on one database, and the inbound URL of the first."""


def ingest(sides: dict[str, Side], calls: int, rounds: int) -> dict[str, Any]:
    """Drive each in turn, so that all see the same machine; a round does not count."""
    rates: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            figures = flood(side, calls)
            if number:
                rates[name].append(figures)
    return {
        name: {
            "rate": statistics.median(f.rate for f in each),
            "p50_ms": statistics.median(f.p50 for f in each),
            "p99_ms": statistics.median(f.p99 for f in each),
            "refused": sum(f.refused for f in each),
            "ratio": statistics.median(f.rate / e.rate for f, e in zip(each, rates["embedded"], strict=True)),
        }
        for name, each in rates.items()
    }


def flood(side: Side, calls: int) -> Figures:
    """Send so many calls, evenly to all gateways of a side."""
    gateways, inbound = side
    path = inbound.partition("/in/")[2]
    share = calls // len(gateways)
    sent = [(f"{gateway.url}/in/{path}", bookings(inbound, SECRET, share)) for gateway in gateways]

    async def all_at_once() -> Sequence[Figures]:
        connections = CONNECTIONS // len(gateways)
        return await asyncio.gather(*(drive(url, load, connections, b'"accepted"') for url, load in sent))

    began = time.perf_counter()
    figures: Sequence[Figures] = run(all_at_once())
    rate = share * len(gateways) / (time.perf_counter() - began)
    return Figures(rate, max(f.p50 for f in figures), max(f.p99 for f in figures), sum(f.refused for f in figures))


def delivery(side: Side, calls: int, sink: Child, port: int) -> dict[str, float]:
    """Let go what waits for a paused destination; deliveries a second."""
    gateways, _ = side
    first = gateways[0]
    made = first.call("POST", "/v1/destinations", {"url": f"http://127.0.0.1:{port}/many"})["id"]
    first.call("POST", f"/v1/destinations/{made}/pause")
    time.sleep(0.5)
    flood(side, calls)
    sink.ask("reset")
    began = time.time()
    first.call("POST", f"/v1/destinations/{made}/resume")
    figures = wait_for(sink, calls // len(gateways) * len(gateways))
    first.call("DELETE", f"/v1/destinations/{made}")
    time.sleep(0.5)
    return {"rate": calls / (figures["last"] - began), "repeats": figures["repeats"]}


# --- what a large table costs --------------------------------------------------------------------------------------


def measure_growth() -> dict[str, Any]:
    """Measure one more event in a growing log, and a claim among a million that wait."""
    server = Server()
    try:
        with TemporaryDirectory() as folder:
            return asyncio.run(_grow(Path(folder), server.url()))
    finally:
        server.remove()


async def _grow(folder: Path, url: str) -> dict[str, Any]:
    store = await Store.open(folder / "data", KeyRing.parse(KEYS), url=url)
    destination = await subscribe(store)
    filling, there, price = Filling(store), 0, {}
    for size in GROWN:
        while there < size:
            await store._engine.write(filling, range(there, there + SAMPLE))
            there += SAMPLE
        began = time.perf_counter()
        for first in range(there, there + SAMPLE, 250):
            await store._engine.write(filling, range(first, first + 250))
        price[size] = 1e6 * (time.perf_counter() - began) / SAMPLE
        there += SAMPLE
    began = time.perf_counter()
    for first in range(there + 1, there + WAITING, 100_000):
        await store._engine.write(_fill, (store.now(), destination.number, first, first + 99_999))
    filled = time.perf_counter() - began
    claims = await time_claims(store)
    await store.close()
    return {"us_an_event_at": price, "waiting": WAITING, "later": LATER, "filled_in_s": filled, **claims}


def _fill(tx: Tx, items: Sequence[tuple[int, int, int, int]]) -> list[None]:
    for now, destination, first, last in items:
        tx.run(FILL, now=now, destination=destination, first=first, last=last, events=EVENTS, each=WAITING // LATER)
    return [None for _ in items]


def tell(figures: dict[str, Any]) -> str:
    """Write the figures for a person."""
    lines = []
    for name, f in figures["ingest"].items():
        times = f"p50 {f['p50_ms']:5.1f} ms   p99 {f['p99_ms']:5.1f} ms   refused {f['refused']}"
        lines.append(f"ingest    {name:12} {f['rate']:8,.0f}/s   {f['ratio']:.2f} of embedded   {times}")
    for name, f in figures["delivery"].items():
        lines.append(f"delivery  {name:12} {f['rate']:8,.0f}/s   repeats {f['repeats']:.0f}")
    return "\n".join(lines)


def tell_growth(figures: dict[str, Any]) -> str:
    """Write the figures for a person."""
    prices = [f"one more event with {size:,} in the log: {us:.0f} us" for size, us in figures["us_an_event_at"].items()]
    claim = f"claim of 16 among {figures['waiting']:,}, {figures['later']:,} of them later"
    return "\n".join(
        [*prices, f"{claim}: p50 {figures['claim_p50_ms']:.1f} ms, longest {figures['claim_longest_ms']:.1f} ms"]
    )


def main(processes: int, calls: int, rounds: int, growth: bool, as_json: bool) -> None:
    figures = measure_growth() if growth else measure(processes, calls, rounds)
    say = tell_growth if growth else tell
    print(json.dumps(figures, indent=2) if as_json else say(figures))
