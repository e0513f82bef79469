"""The inbound URL over raw sockets: in turn, with the body unread, half-closed, interrupted, and while stopping."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.store.model import Accepted
from gateway.web.app import create_app
from gateway.web.ingest import Ingest
from tests.web.conftest import Gateway, QuickServer, listen


class Line:
    """One connection, and what was said on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        host, port = writer.get_extra_info("peername")
        self.address = f"http://{host}:{port}"

    def say(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer that has a content-length."""
        async with asyncio.timeout(20):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            fields = dict(line.lower().split(": ", 1) for line in lines[1:])
            body = await self._reader.readexactly(int(fields.get("content-length", 0)))
        return int(lines[0].split()[1]), fields, body

    async def status(self) -> int:
        return (await self.hear())[0]

    async def rest(self) -> bytes:
        """Read until the gateway hangs up."""
        async with asyncio.timeout(20):
            return await self._reader.read()


@contextlib.asynccontextmanager
async def dial(url: str) -> AsyncIterator[Line]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def url(gateway: Gateway) -> str:
    return str((await gateway.connect())["inbound_url"])


@pytest.fixture
async def line(url: str) -> AsyncIterator[Line]:
    async with dial(url) as line:
        yield line


def call(url: str, body: bytes = b"", *fields: bytes, method: bytes = b"POST", version: bytes = b"1.1") -> bytes:
    """Write one honest request."""
    path = urlsplit(url).path.encode()
    lines = [b"%b %b HTTP/%b" % (method, path, version), b"host: x", b"content-length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def made(booking: str) -> bytes:
    return json.dumps({"from": "talking", "booking": booking}).encode()


async def events(gateway: Gateway) -> int:
    counted: int = (await gateway.get("/v1/stats"))["events"]
    return counted


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 -- what is waited for rings no bell
            await asyncio.sleep(0.001)


class Slow:
    """A store that takes its time: calls wait in it until `go`."""

    def __init__(self, gateway: Gateway, patch: pytest.MonkeyPatch) -> None:
        self.waiting = self.kept = 0
        self.go = asyncio.Event()
        self._take = gateway.store.take_then
        self._held: set[asyncio.Task[None]] = set()
        patch.setattr(gateway.store, "take_then", self.take)

    def take(self, make: Any, item: Any, told: Callable[[Accepted | Exception], None]) -> None:
        self.waiting += 1
        self._held.add(asyncio.create_task(self._later(make, item, told)))

    async def _later(self, make: Any, item: Any, told: Callable[[Accepted | Exception], None]) -> None:
        await self.go.wait()

        def kept(accepted: Accepted | Exception) -> None:
            self.kept += not isinstance(accepted, Exception)
            told(accepted)

        self._take(make, item, kept)

    async def reached(self, calls: int = 1) -> None:
        await until(lambda: self.waiting >= calls)


@pytest.fixture
def slow(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(gateway, monkeypatch)


async def test_pipelined_requests_are_answered_in_the_order_they_came(gateway: Gateway, url: str, line: Line) -> None:
    unknown, live = gateway.url + "/in/" + "x" * 43, gateway.url + "/live"
    line.say(
        call(url, made("one")),
        call(unknown, b"never read"),
        call(live, method=b"GET"),
        call(url, method=b"HEAD"),
        call(url, made("two")),
        call(url, b"x", method=b"PUT"),
        call(url, made("two")),
    )
    assert [await line.status() for _ in range(4)] == [200, 404, 200, 200]
    assert json.loads((await line.hear())[2])["status"] == "accepted"
    assert await line.status() == 405
    assert json.loads((await line.hear())[2])["status"] == "duplicate"
    assert await events(gateway) == 2


async def test_thousands_of_pipelined_requests_wait_for_one_without_harm(url: str, line: Line, slow: Slow) -> None:
    line.say(call(url, made("one")), call(url, method=b"GET") * 5000)
    await slow.reached()
    slow.go.set()
    assert [await line.status() for _ in range(5001)] == [200] * 5001


async def test_a_caller_that_reads_nothing_is_heard_no_more(url: str, line: Line) -> None:
    """Answers that nobody reads are not piled up: the caller's own requests are left unread instead."""
    requests = call(url, b"x", method=b"PUT") * 200_000  # some 80 MB of answers
    line.say(requests)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await line.writer.drain()
    assert [await line.status() for _ in range(20_000)] == [405] * 20_000
    line.writer.transport.abort()


async def test_a_wrong_request_behind_a_good_one_is_answered_second(
    gateway: Gateway, url: str, line: Line, slow: Slow
) -> None:
    broken = b"POST /in/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    async with dial(url) as other:
        for each, wrong in ((line, b"\x00nonsense\r\n\r\n"), (other, broken)):
            each.say(call(url, made("one")), wrong)
            each.writer.write_eof()
        await slow.reached(2)
        slow.go.set()
        for each in (line, other):
            assert (await each.hear())[0] == 200
            assert (await each.hear())[0] == 400
            assert await each.rest() == b""
    assert await events(gateway) == 1


async def test_a_caller_that_asks_first_is_told_to_go_on_or_why_not(url: str, line: Line) -> None:
    body = made("b1")
    head = call(url, body, b"expect: 100-continue").removesuffix(body)
    line.say(head)
    assert await line.status() == 100
    line.say(body)
    assert await line.status() == 200
    line.say(head.replace(url[-43:].encode(), b"x" * 43))
    assert await line.status() == 404
    async with dial(url) as other:
        other.say(call(url, b"", b"expect: 100-continue", b"content-encoding: gzip"))
        assert await other.status() == 415


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
async def test_a_body_that_nobody_wants_is_let_go_and_the_next_call_taken(
    url: str, line: Line, gateway: Gateway, chunked: bool
) -> None:
    long = b"x" * 300_000
    body = (b"%x\r\n%b\r\n" % (len(long), long)) + b"0\r\n\r\n" if chunked else long
    length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(long)
    request = call(gateway.url + "/in/" + "x" * 43).replace(b"content-length: 0", length)
    line.say(request)
    assert await line.status() == 404, "before a byte of the body came"
    line.say(body, call(url, made("b1")))
    assert await line.status() == 200


async def test_a_body_over_the_cap_is_refused_while_it_comes(gateway: Gateway, url: str, line: Line) -> None:
    cap = gateway.services.settings.max_body
    line.say(call(url).replace(b"content-length: 0", b"transfer-encoding: chunked"))
    line.say(b"%x\r\n%b\r\n" % (cap, b"x" * cap), b"1\r\n")
    line.say(b"x")
    assert await line.status() == 413, "it has not ended"
    line.say(b"\r\n0\r\n\r\n", call(url, made("b1")))
    assert await line.status() == 200


async def test_a_body_in_many_pieces_is_one_body(url: str, line: Line) -> None:
    body = made("b1")
    line.say(call(url).replace(b"content-length: 0", b"transfer-encoding: chunked"))
    for byte in body:
        line.say(b"1\r\n", bytes([byte]), b"\r\n")
        await asyncio.sleep(0)
    line.say(b"0\r\nx-trailer: y\r\n\r\n")
    said = json.loads((await line.hear())[2])
    assert said["status"] == "accepted"
    line.say(call(url, body))
    assert json.loads((await line.hear())[2]) == {**said, "status": "duplicate"}


async def test_an_old_or_closing_caller_is_answered_and_let_go(url: str) -> None:
    for request in (call(url, made("b1"), version=b"1.0"), call(url, made("b2"), b"connection: close")):
        async with dial(url) as line:
            line.say(request)
            status, fields, _ = await line.hear()
            assert (status, fields["connection"]) == (200, "close")
            assert await line.rest() == b""


async def test_a_whole_url_and_an_offered_upgrade_change_nothing(url: str, line: Line) -> None:
    line.say(call(url, made("b1"), b"connection: upgrade", b"upgrade: h2c").replace(b"POST /", b"POST http://else/"))
    assert await line.status() == 200


async def test_a_caller_that_has_said_all_is_still_answered(url: str, line: Line, slow: Slow) -> None:
    line.say(call(url, made("b1")))
    line.writer.write_eof()
    await slow.reached()
    slow.go.set()
    assert (await line.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_half_a_call_leaves_nothing(gateway: Gateway, url: str, line: Line) -> None:
    line.say(call(url, made("b1"))[:-1])
    line.writer.write_eof()
    assert await line.rest() == b"", "there is nobody to answer"
    assert await events(gateway) == 0


async def test_a_whole_call_is_kept_though_its_caller_went_away(gateway: Gateway, url: str, slow: Slow) -> None:
    async with dial(url) as line:
        line.say(call(url, made("b1")))
        await slow.reached()
        line.writer.transport.abort()
    slow.go.set()
    await until(lambda: slow.kept == 1)
    assert await events(gateway) == 1


async def test_another_fact_under_the_same_id_is_kept_beside_it(gateway: Gateway, url: str, line: Line) -> None:
    for title in ("one", "two", "two"):
        line.say(call(url, json.dumps({"from": "talking", "booking": "b1", "title": title}).encode()))
    said = [json.loads((await line.hear())[2])["status"] for _ in range(3)]
    assert said == ["accepted", "accepted", "duplicate"]
    assert await events(gateway) == 2


async def test_a_mistake_of_ours_is_a_500_that_says_nothing_of_the_call(
    gateway: Gateway, url: str, line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mistaken(*_: object) -> object:
        raise KeyError("a private matter")

    def mistaken_later(_make: object, _item: object, told: Callable[[Accepted | Exception], None]) -> None:
        try:
            mistaken()
        except KeyError as error:
            told(error)

    for take in (mistaken, mistaken_later):
        with monkeypatch.context() as patch:
            patch.setattr(gateway.store, "take_then", take)
            line.say(call(url, made("b1")))
            assert await line.status() == 500
        said = capsys.readouterr().out
        assert "unexpected_error" in said
        assert "mistaken" in said, "where it was"
        assert "private" not in said
    line.say(call(url, made("b1")))
    assert await line.status() == 200, "and the next one is taken"


async def test_calls_under_way_are_answered_before_the_gateway_stops(gateway: Gateway, url: str, slow: Slow) -> None:
    app, ingest = create_app(gateway.services), Ingest(gateway.services)
    with listen() as listening:
        server = QuickServer(app, gateway.services.settings.max_body, listening, ingest)
        serving = asyncio.create_task(server.serve())
        await server.listening.wait()
        async with dial(f"http://127.0.0.1:{listening.getsockname()[1]}") as line, dial(line.address) as idle:
            line.say(call(url, made("b1")), call(url, made("b2")))
            await slow.reached()
            server.should_exit = True
            assert await idle.rest() == b"", "who says nothing is let go at once"
            slow.go.set()
            assert "connection" not in (await line.hear())[1], "one more is under way"
            status, fields, _ = await line.hear()
            assert (status, fields["connection"]) == (200, "close")
            assert await line.rest() == b""
        await serving
    assert await events(gateway) == 2


class Elsewhere:
    """All was set up at another gateway: here nothing is known before a look is over."""

    def __init__(self, gateway: Gateway, patch: pytest.MonkeyPatch) -> None:
        self.looking: list[asyncio.Future[None]] = []
        self._looked = False
        by_token = gateway.services.inboxes.by_token
        patch.setattr(gateway.services.inboxes, "by_token", lambda token: by_token(token) if self._looked else None)
        patch.setattr(gateway.services, "following", self)

    def latest(self) -> "asyncio.Future[None]":
        self.looking.append(asyncio.get_running_loop().create_future())
        return self.looking[-1]

    async def looked(self, error: StoreUnavailable | None = None) -> None:
        """End the look that somebody waits for."""
        await until(lambda: bool(self.looking))
        self._looked = error is None
        for each in self.looking:
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(error)
        self.looking.clear()


@pytest.fixture
def elsewhere(gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    assert url, "what is set up, is set up"
    return Elsewhere(gateway, monkeypatch)


async def test_a_url_that_was_made_elsewhere_is_looked_for_before_it_is_refused(
    url: str, line: Line, elsewhere: Elsewhere
) -> None:
    line.say(call(url, made("b1")), call(url, made("b2")))
    await elsewhere.looked()
    assert [json.loads((await line.hear())[2])["status"] for _ in range(2)] == ["accepted", "accepted"]


async def test_a_caller_that_asks_first_waits_for_the_look(url: str, line: Line, elsewhere: Elsewhere) -> None:
    body = made("b1")
    line.say(call(url, body, b"expect: 100-continue").removesuffix(body))
    await elsewhere.looked()
    assert await line.status() == 100
    line.say(body)
    assert await line.status() == 200


async def test_a_body_over_the_cap_is_refused_when_the_url_was_looked_for(
    gateway: Gateway, url: str, line: Line, elsewhere: Elsewhere
) -> None:
    chunk = b"8000\r\n%b\r\n" % (b"x" * 0x8000)
    line.say(call(url).replace(b"content-length: 0", b"transfer-encoding: chunked"))
    line.say(chunk * (gateway.services.settings.max_body // 0x8000 + 2), b"0\r\n\r\n")
    await elsewhere.looked()
    assert await line.status() == 413
    line.say(call(url, made("b1")))
    assert await line.status() == 200


async def test_a_url_that_is_nowhere_is_not_found_and_none_is_while_nobody_can_look(
    gateway: Gateway, line: Line, elsewhere: Elsewhere
) -> None:
    line.say(call(gateway.url + "/in/" + "x" * 43, b"never read"))
    await elsewhere.looked(StoreUnavailable("gone"))
    status, fields, _ = await line.hear()
    assert (status, "retry-after" in fields) == (503, True)
    line.say(call(gateway.url + "/in/" + "x" * 43, b"never read"))
    await elsewhere.looked()
    assert await line.status() == 404
    line.say(call(gateway.url + "/in/too-short", b"never read"))
    assert await line.status() == 404
