"""Slow clients and many of them: whoever calls honestly is served within seconds, and memory has a bound."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.web.crowd import raise_limit
from tests.bench.load import meeting
from tests.hostile.standing import Answer, Standing, answers, framed, next_answer, proof, until_closed

DESCRIPTORS = 1024
CROWD = 1100
MEBIBYTE = 1 << 20
FEW = 64 * MEBIBYTE
"""Bytes of bodies that may be under way, as gateway/web/crowd.py has it."""


@pytest.fixture(scope="module", autouse=True)
def many_sockets() -> None:
    """Let this process have more sockets than the gateway may."""
    raise_limit()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Run a gateway that can have no more than 1,024 descriptors."""
    serve = f"ulimit -n {DESCRIPTORS}; exec {sys.executable} -m gateway serve"
    up = Standing.up(tmp_path_factory.mktemp("narrow") / "data", ("sh", "-c", serve))
    yield up
    up.down()


@contextlib.contextmanager
def crowd(standing: Standing, says: bytes, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """Open many connections, say something on each, and leave them so."""
    with contextlib.ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", standing.port), timeout=60))
            lines.append(line)
            with contextlib.suppress(OSError):  # it may be sent away already
                line.sendall(says)
        yield lines


def resident(standing: Standing) -> int:
    """Tell the memory of the process in bytes."""
    assert standing.gateway.process is not None
    status = Path(f"/proc/{standing.gateway.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


HALF_BODY = framed(b"/in/" + b"x" * 43, b"y" * 1000)[:-1]


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\n", id="a line break"),
        pytest.param(b"POST /in/", id="half a head"),
        pytest.param(HALF_BODY, id="half a body"),
        pytest.param(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n", id="a good request and nothing more"),
        pytest.param(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 3, id="requests whose answers nobody reads"),
    ],
)
def test_honest_calls_get_through_a_thousand_that_hold_their_places(narrow: Standing, says: bytes) -> None:
    with crowd(narrow, says):
        for _ in range(5):
            narrow.control()
    narrow.control()


def test_honest_calls_get_through_while_strangers_push_in_without_end(narrow: Standing) -> None:
    over = threading.Event()

    def push() -> None:
        lines: list[socket.socket] = []
        while not over.is_set():
            with contextlib.suppress(OSError):
                lines.append(socket.create_connection(("127.0.0.1", narrow.port), timeout=60))
                lines[-1].sendall(b"POST /in/")
            if len(lines) > CROWD:
                lines.pop(0).close()
        for line in lines:
            line.close()

    pushing = [threading.Thread(target=push) for _ in range(2)]
    for one in pushing:
        one.start()
    try:
        served = 0
        while served < 20:
            narrow.control()
            served += 1
    finally:
        over.set()
        for one in pushing:
            one.join()
    narrow.control()


def test_an_idle_neighbour_keeps_its_connection_while_there_is_room(narrow: Standing) -> None:
    with narrow.dial() as neighbour:
        with crowd(narrow, b"POST /in/", 300):
            narrow.control()
        body = meeting("neighbour")
        neighbour.sendall(framed(narrow.path("signed"), body, proof(body)))
        assert next_answer(neighbour).said == "accepted"


def test_bodies_under_way_have_a_bound_and_small_calls_pass(narrow: Standing) -> None:
    """A hundred mebibytes that never become whole: the largest go with a 503, and nobody honest is among them."""
    before = resident(narrow)
    path = narrow.path("signed")
    half = framed(path, b"y" * MEBIBYTE)[:-1]
    with crowd(narrow, half, 100) as lines:
        for _ in range(5):
            narrow.control()
        assert resident(narrow) < before + 3 * FEW
        refused = [said for line in lines if (said := whatever_came(line))]
        assert len(refused) >= 30
        for answer in refused:
            assert answer.status == 503
            assert answer.fields[b"retry-after"].isdigit()
    narrow.control()


def whatever_came(line: socket.socket) -> Answer | None:
    """Read what is there, without waiting for more."""
    line.setblocking(False)
    try:
        said = line.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return None
    return answers(said)[0] if said else None


def test_a_flood_of_pipelined_requests_is_answered_one_by_one(narrow: Standing) -> None:
    asked = b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n"
    with crowd(narrow, asked * 2000, 5) as lines:
        narrow.control()
        for line in lines:
            line.shutdown(socket.SHUT_WR)
            assert [answer.status for answer in answers(until_closed(line))] == [200] * 2000
    narrow.control()


def test_whoever_reads_nothing_costs_no_more_than_it_is_worth(narrow: Standing) -> None:
    """Endless requests on fifty connections, no answer fetched: what is not read is not asked for either."""
    before = resident(narrow)
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            line = stack.enter_context(narrow.dial())
            line.settimeout(0.1)
            with contextlib.suppress(OSError):
                while True:
                    line.sendall(asked)
        for _ in range(3):
            narrow.control()
        time.sleep(1.2)  # the sweep comes round once a second
        assert resident(narrow) < before + 4 * FEW
    narrow.control()


DRIPS = {
    "nothing": (b"", b"", b""),
    "line breaks": (b"", b"\r\n", b""),
    "a head": (b"POST /in/x HTTP/1.1\r\nhost: x\r\n", b"x-a: y\r\n", b"408"),
    "a URL": (b"POST /", b"x", b"408"),
    "a body": (b"POST /in/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", b"y", b"404"),
    "a body on a URL that exists": (b"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", b"y", b"408"),
    "chunks": (b"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\ny\r\n", b"408"),
    "trailers": (b"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n", b"408"),
    "a body for the API": (b"POST /v1/keys HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", b"y", b"401"),
}


def test_whoever_drips_is_answered_and_hung_up_on_and_others_are_served_meanwhile(standing: Standing) -> None:
    """A byte now and then, for as long as the gateway listens: ten seconds for a head, fifteen for all."""
    said: dict[str, bytes] = {}
    dripping = [threading.Thread(target=_drip, args=(standing, name, said)) for name in DRIPS]
    for one in dripping:
        one.start()
    while any(one.is_alive() for one in dripping):
        standing.control()
        time.sleep(0.2)
    for name, (_, _, status) in DRIPS.items():
        assert said[name].startswith(b"HTTP/1.1 " + status) if status else said[name] in (b"", said[name]), name
    standing.control()


def _drip(standing: Standing, name: str, said: dict[str, bytes]) -> None:
    head, drop, _ = DRIPS[name]
    with standing.dial() as line:
        line.sendall(head.replace(b"{path}", standing.path("signed")))
        line.settimeout(0.5)
        said[name] = b""
        began = time.monotonic()
        while time.monotonic() - began < 60:
            try:
                line.sendall(drop)
                piece = line.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not piece:
                return
            said[name] += piece
    raise AssertionError(f"{name}: never hung up on")
