"""HTTP framing, sizes and deadlines, over raw sockets: every wrong request is answered, and the next one works."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest
import uvloop

from gateway.web import protocol
from gateway.web.listening import Server

MAX_BODY = 1000
LARGE = 64 << 20
"""Bytes of an answer that does not fit between server and caller, however much the system buffers."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body, once it is there."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)  # longer than the sweep for late requests takes to come round
    body = b"x" * LARGE if scope["path"] == "/large" else b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def listening() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@pytest.fixture(scope="module")
def server(listening: socket.socket) -> Iterator[Server]:
    """Serve the echo as the gateway serves, on a socket of its own."""
    made: SimpleQueue[Server] = SimpleQueue()

    async def serve() -> None:
        server = Server(echo, MAX_BODY, listening)
        made.put(server)
        await server.serve()

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    server = made.get()
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture
def port(server: Server, listening: socket.socket) -> int:
    del server  # it listens there
    return int(listening.getsockname()[1])


def say(port: int, *pieces: bytes) -> bytes:
    """Send raw bytes and read until the server closes or has answered as often as asked."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        return said


def post(body: bytes = b"hello", *fields: bytes) -> bytes:
    """Write one honest request."""
    lines = [b"POST /in/x HTTP/1.1", b"host: x", b"content-length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
WRONG = {
    "two lengths": (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "a negative length": (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
    "a length in words": (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n", 400),
    "a length beyond numbers": (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 40 + b"\r\n\r\n", 400),
    "chunks of no size": (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    "a chunk that is longer than it says": (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    "another coding after chunked": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        400,
    ),
    "no HTTP at all": (b"hello, is anybody there?\r\n\r\n", 400),
    "a header without a name": (b"POST / HTTP/1.1\r\n: x\r\n\r\n", 400),
    "a space before the colon": (b"POST / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
    "a NUL in a value": (b"POST / HTTP/1.1\r\nhost: x\x00y\r\n\r\n", 400),
    "a version from the future": (b"POST / HTTP/9.9\r\nhost: x\r\n\r\n", 400),
    "a long URL": (b"POST /" + b"a" * 2048 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414),
    "an endless URL": (b"POST /" + b"a" * 100_000, 414),
    "too many fields": (post(b"", *[b"x-%d: y" % n for n in range(101)]), 431),
    "too large fields": (post(b"", b"x: " + b"y" * 16_400), 431),
    "endless fields": (b"POST / HTTP/1.1\r\nhost: x\r\n" + b"x: " + b"y" * 100_000, 431),
    "endless trailers": (CHUNKED + b"0\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(2000)), 413),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_answered_and_the_connection_closed(port: int, name: str) -> None:
    sent, status = WRONG[name]
    answer = say(port, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer
    assert say(port, post()).endswith(b"\r\n\r\n5"), "the next caller is served"


def test_what_is_framed_well_passes(port: int) -> None:
    assert say(port, post()).endswith(b"5")
    assert say(port, CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").endswith(b"5")
    assert say(port, post(b"", *[b"x-%d: y" % n for n in range(98)])).endswith(b"0"), "100 fields are allowed"
    assert say(port, post() + post(b"ab")).count(b"HTTP/1.1 200 OK") == 2, "pipelined requests are answered in turn"
    assert say(port, *[bytes([byte]) for byte in post()]).endswith(b"5"), "a request in single bytes"


def test_an_offered_upgrade_is_ignored(port: int) -> None:
    offer = post(b"hello", b"connection: upgrade", b"upgrade: h2c")
    assert say(port, offer).endswith(b"5"), "the body is read, which the parser would leave to the other protocol"
    assert say(port, offer * 3).count(b"200 OK") == 3


def test_chunks_of_one_byte_cannot_grow_a_request_for_ever(port: int) -> None:
    answer = say(port, CHUNKED, b"1;" + b"x" * 50 + b"\r\na\r\n")
    assert answer == b"", "half a request is no request: the caller hung up, there is nobody to answer"
    assert say(port, CHUNKED + b"1\r\na\r\n" * 20_000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        pytest.param(b"POST / HT", b"HTTP/1.1 408 ", id="half a head"),
        pytest.param(post()[:-2], b"HTTP/1.1 408 ", id="half a body"),
        pytest.param(CHUNKED + b"3\r\nab", b"HTTP/1.1 408 ", id="half a chunk"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_a_request_that_does_not_arrive_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes, answered: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.4)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(sent)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
    assert said.startswith(answered) if answered else said == b""


def test_line_breaks_do_not_keep_a_connection_for_ever(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(post())
        assert connection.recv(65536).endswith(b"5")
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
        connection.sendall(b"\r\n")
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
    assert said.startswith(b"HTTP/1.1 408 ")


def test_a_slow_answer_is_not_a_slow_request(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline bounds what the caller sends, not what we think about (a long poll waits for seconds)."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    assert say(port, post().replace(b"/in/x", b"/slow")).endswith(b"5")


def test_a_connection_that_rests_is_closed_in_the_end(
    server: Server, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.config, "timeout_keep_alive", 0.1)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(post())
        assert connection.recv(65536).endswith(b"5")
        assert connection.recv(65536) == b"", "closed, without another word"


def test_a_wrong_request_behind_a_good_one_is_answered_second(port: int) -> None:
    answers = say(port, post() + b"nonsense\r\n\r\n")
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 400 ") + 1 == 2


def test_a_request_that_is_answered_early_is_answered_once(port: int) -> None:
    """What is wrong with a body that nobody waits for ends the connection, and is not said as another answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(CHUNKED.replace(b"POST /", b"POST /early"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"zz\r\n")
        assert connection.recv(65536) == b""


def test_whoever_does_not_fetch_its_answer_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ANSWER_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(post().replace(b"/in/x", b"/large"))
        time.sleep(3.5)  # the sweep comes round once a second, and has to see it twice
        assert len(until_closed(connection)) < LARGE


def test_whoever_fetches_its_answer_slowly_gets_it_whole(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ANSWER_SECONDS", 1.5)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(post(b"hello", b"connection: close").replace(b"/in/x", b"/large"))
        size = 0
        for _ in range(12):
            time.sleep(0.25)
            size += len(connection.recv(1 << 20))
        assert size + len(until_closed(connection)) > LARGE


def until_closed(connection: socket.socket) -> bytes:
    said = []
    try:
        while chunk := connection.recv(1 << 20):
            said.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(said)
