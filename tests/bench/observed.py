"""What being observed costs: python -m tests.bench.observed [--calls N] [--rounds N]

Durable ingest with everything counted (as always) and traced to a collector, beside the same program with neither.
"""

import argparse
import http.server
import json
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gateway.cli.main import main as gateway
from gateway.metrics import Metrics
from tests.bench.__main__ import Side, pair
from tests.bench.load import bookings
from tests.bench.running import SECRET, Gateway, pin

SAMPLED = {"all": "1.0", "one in ten": "0.1"}


@contextmanager
def collector() -> Iterator[str]:
    """Take spans on loopback, and let them go."""

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is http.server's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def side(made: Gateway) -> Side:
    inbound = made.connect()
    return Side(made.child, inbound, lambda count: bookings(inbound, SECRET, count), b'"accepted"')


def measure(calls: int, rounds: int) -> dict[str, Any]:
    """Compare in pairs; the ratio is the median of the pairs'."""
    found = {}
    with ExitStack() as stack:
        endpoint = stack.enter_context(collector())
        plain = side(Gateway(stack, 1, "tests.bench.observed"))
        for name, share in SAMPLED.items():
            traced: Any = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
            observed = side(Gateway(stack, 1, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **traced))
            pair((plain, observed), calls // 4)
            pairs = [
                pair((plain, observed), calls) if number % 2 else pair((observed, plain), calls)[::-1]
                for number in range(rounds)
            ]
            found[f"counted, {name} traced"] = {
                "ratio": round(statistics.median(o.figures.rate / p.figures.rate for p, o in pairs), 3),
                "ratio_by_cpu_time": round(statistics.median(p.cpu / o.cpu for p, o in pairs), 3),
            }
    return found


def unobserved() -> int:
    """Run the program with nothing counted; tracing is off unless the environment says so."""
    for name in ("called", "committed", "attempted", "delivered"):
        setattr(Metrics, name, lambda *_: None)
    return gateway(["serve"])


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        sys.exit(unobserved())
    options = argparse.ArgumentParser()
    options.add_argument("--calls", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=6)
    given = options.parse_args()
    pin(1)
    print(json.dumps(measure(given.calls, given.rounds), indent=1))
