"""Measure in one run, on the same server settings: python -m tests.bench [--calls N] [--rounds N] [--json]
or what a backlog costs: python -m tests.bench --backlog 1000000 [--json]
or PostgreSQL beside the embedded store: python -m tests.bench --store postgres [--processes N] [--growth] [--json]

a  an empty Litestar POST route that reads the body and stores nothing
b  the gateway's durable ingest of signed, distinct 1.7 KB Harmonizely calls
c  the gateway's delivery of a backlog to a local consumer, beside a bare client's rate to the same consumer
d  accepted to delivered, at 200 events a second to three destinations

Server and load generator are pinned to a core each where there are two. Read the ratios: machines differ, and the same
one swings. So a and b are measured in many short pairs, in turn the one and the other first, after a pair that does not
count; the ratio is the median of the pairs', by calls a second and by the CPU time that a call took the server.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from tests.bench import backlog, many
from tests.bench.load import Figures, bookings, drive, request
from tests.bench.running import CONNECTIONS, SECRET, Child, Gateway, pin, run, wait_for


class Side(NamedTuple):
    """One of the two that are compared: its process, and what it is to be sent."""

    child: Child
    url: str
    requests: Callable[[int], list[bytes]]
    expected: bytes


class Round(NamedTuple):
    """What one side did in one round. `cpu`: seconds of its CPU time."""

    figures: Figures
    cpu: float


def ingest(gateway: Gateway, bare: Child, inbound: str, calls: int, rounds: int) -> dict[str, Any]:
    """Measure a and b in pairs, so that both see the same machine."""
    bare_url = f"http://127.0.0.1:{bare.line()}/bare"
    body = bookings(inbound, SECRET, 1)[0].partition(b"\r\n\r\n")[2]
    a = Side(bare, bare_url, lambda count: [request(bare_url, body)] * count, b"accepted")
    b = Side(gateway.child, inbound, lambda count: bookings(inbound, SECRET, count), b'"accepted"')
    pair((a, b), calls // 4)
    pairs = [pair((a, b), calls) if number % 2 else pair((b, a), calls)[::-1] for number in range(rounds)]
    ratios = [durable.figures.rate / empty.figures.rate for empty, durable in pairs]
    return {
        "a_bare_route": summary([empty for empty, _ in pairs], calls),
        "b_durable_ingest": summary([durable for _, durable in pairs], calls),
        "ratio_b_a": statistics.median(ratios),
        "ratio_b_a_worst": min(ratios),
        "ratio_b_a_best": max(ratios),
        "ratio_b_a_by_cpu_time": statistics.median(empty.cpu / durable.cpu for empty, durable in pairs),
        "events": gateway.call("GET", "/v1/stats")["events"],
        "resident_mib": gateway.child.resident_mib(),
    }


def pair(sides: tuple[Side, Side], calls: int) -> list[Round]:
    """Measure both, one right after the other."""
    requests = [side.requests(calls) for side in sides]
    rounds = []
    for side, sent in zip(sides, requests, strict=True):
        before = side.child.cpu_seconds()
        figures = run(drive(side.url, sent, CONNECTIONS, side.expected))
        rounds.append(Round(figures, side.child.cpu_seconds() - before))
    return rounds


def delivery(gateway: Gateway, sink: Child, sink_url: str, inbound: str, calls: int) -> dict[str, Any]:
    """Measure c: fill the queue of a paused destination, let it go, and compare with a client on its own."""
    destination = gateway.call("POST", "/v1/destinations", {"url": sink_url + "/c"})["id"]
    gateway.call("POST", f"/v1/destinations/{destination}/pause")
    run(drive(inbound, bookings(inbound, SECRET, calls), CONNECTIONS, b'"accepted"'))
    sink.ask("reset")
    began = time.time()
    gateway.call("POST", f"/v1/destinations/{destination}/resume")
    figures = wait_for(sink, calls)
    rate = calls / (figures["last"] - began)
    gateway.call("DELETE", f"/v1/destinations/{destination}")
    with ExitStack() as stack:
        bare_rate = float(Child(stack, 0, "tests.bench.bare", "client", sink_url + "/bare", str(calls)).line())
    return {"rate": rate, "repeats": figures["repeats"], "bare_client_rate": bare_rate, "ratio": rate / bare_rate}


def latency(gateway: Gateway, sink: Child, sink_url: str, inbound: str, seconds: float) -> dict[str, Any]:
    """Measure d: a steady 200 events a second, each to three destinations."""
    made = [gateway.call("POST", "/v1/destinations", {"url": f"{sink_url}/d{n}"})["id"] for n in range(3)]
    sink.ask("reset")
    requests = bookings(inbound, SECRET, int(200 * seconds))
    run(paced(inbound, requests, 200.0))
    figures = wait_for(sink, 3 * len(requests))
    for destination in made:
        gateway.call("DELETE", f"/v1/destinations/{destination}")
    return {"p50_ms": figures["p50"], "p99_ms": figures["p99"], "repeats": figures["repeats"]}


async def paced(url: str, requests: list[bytes], rate: float) -> None:
    """Send so many a second, each when its time has come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for start in range(0, len(requests), 10):
        await asyncio.sleep(max(0.0, began + start / rate - loop.time()))
        await drive(url, requests[start : start + 10], 5, b'"accepted"')


def summary(rounds: list[Round], calls: int) -> dict[str, float]:
    """Take the median of the rounds."""
    figures = [each.figures for each in rounds]
    return {
        "rate": statistics.median(f.rate for f in figures),
        "p50_ms": statistics.median(f.p50 for f in figures),
        "p99_ms": statistics.median(f.p99 for f in figures),
        "cpu_us": statistics.median(each.cpu for each in rounds) / calls * 1e6,
        "refused": sum(f.refused for f in figures),
    }


def measure(calls: int, rounds: int) -> dict[str, Any]:
    """Run all four and return every figure."""
    with ExitStack() as stack:
        pin(1)
        sink = Child(stack, 1, "tests.bench.sink")
        sink_port = int(sink.line())
        sink_url = f"http://127.0.0.1:{sink_port}"
        gateway = Gateway(stack, sink_port)
        inbound = gateway.connect()
        bare = Child(stack, 0, "tests.bench.bare", "serve")
        return {
            "ingest": ingest(gateway, bare, inbound, calls, rounds),
            "delivery": delivery(gateway, sink, sink_url, inbound, calls),
            "latency": latency(gateway, sink, sink_url, inbound, 10.0),
        }


def tell(figures: dict[str, Any]) -> str:
    """Write the figures for a person."""
    took, out, paced_ = figures["ingest"], figures["delivery"], figures["latency"]
    a, b = took["a_bare_route"], took["b_durable_ingest"]
    worst, best = took["ratio_b_a_worst"], took["ratio_b_a_best"]
    return "\n".join(
        [
            f"a  empty Litestar route      {a['rate']:8,.0f}/s   {_times(a)}   {a['cpu_us']:4.0f} us of CPU a call",
            f"b  durable ingest            {b['rate']:8,.0f}/s   {_times(b)}   {b['cpu_us']:4.0f} us of CPU a call",
            f"   b / a                     {took['ratio_b_a']:8.2f}     pairs from {worst:.2f} to {best:.2f}",
            f"   by CPU time               {took['ratio_b_a_by_cpu_time']:8.2f}     refused {b['refused']}",
            f"   resident after {took['events']:,} events  {took['resident_mib']:.0f} MiB",
            f"c  delivery of a backlog     {out['rate']:8,.0f}/s   repeats {out['repeats']:.0f}",
            f"   bare client               {out['bare_client_rate']:8,.0f}/s   ratio {out['ratio']:.2f}",
            f"d  accepted to delivered     200/s to 3   {_times(paced_)}   repeats {paced_['repeats']:.0f}",
        ]
    )


def _times(figures: dict[str, float]) -> str:
    return f"p50 {figures['p50_ms']:5.1f} ms   p99 {figures['p99_ms']:5.1f} ms"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000, help="calls a round")
    parser.add_argument("--rounds", type=int, default=10, help="pairs of a and b")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--backlog", type=int, help="measure a backlog of so many deliveries instead (see backlog.py)")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="postgres: see many.py")
    parser.add_argument("--processes", type=int, default=2, help="gateways on PostgreSQL")
    parser.add_argument("--growth", action="store_true", help="with --store postgres: what a large table costs")
    asked = parser.parse_args()
    if asked.store == "postgres":
        many.main(asked.processes, asked.calls, asked.rounds, asked.growth, asked.json)
        return
    if asked.backlog:
        figures = backlog.measure(asked.backlog)
        print(json.dumps(figures, indent=2) if asked.json else backlog.tell(figures))
        return
    figures = measure(asked.calls, asked.rounds)
    print(json.dumps(figures, indent=2) if asked.json else tell(figures))


if __name__ == "__main__":
    main()
