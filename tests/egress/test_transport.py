"""Whatever a server answers, the attempt ends, says why, and takes nothing for an answer that is none."""

import asyncio
import gzip
import logging

import httpx
import pytest
import uvloop

from gateway.egress import REPLY_CAP, Egress, NoAnswer, Reply
from tests.egress.sinks import (
    DELIVERY,
    LOOPBACK,
    Behave,
    Seen,
    answer,
    drips,
    endless,
    endless_chunks,
    hangs,
    listening,
    says,
    says_then_closes,
)


async def test_a_delivery_arrives_as_it_was_made(egress: Egress) -> None:
    async with listening() as sink:
        reply = await egress.post(sink.url, {**DELIVERY, "x-own": "1"}, b'{"a":1}')
    (seen,) = sink.seen
    assert (reply, seen.method, seen.target, seen.body) == (Reply(200, None), "POST", "/hook/path-token", b'{"a":1}')
    assert seen.headers["host"] == f"127.0.0.1:{sink.port}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["user-agent"].startswith("booking-webhook-gateway/")
    assert (seen.headers["webhook-id"], seen.headers["x-own"]) == ("evt_1", "1")
    assert seen.headers["content-length"] == "7"


async def test_status_and_retry_after_are_read(egress: Egress) -> None:
    async with listening(says(answer(503, retry_after="120"))) as sink:
        assert await egress.post(sink.url, DELIVERY, b"{}") == Reply(503, "120")


async def test_a_redirect_is_an_answer_and_is_not_followed(egress: Egress) -> None:
    async with listening() as elsewhere, listening(says(answer(307, location=elsewhere.url))) as sink:
        assert (await egress.post(sink.url, DELIVERY, b"{}")).status == 307
        assert (await egress.http.get(sink.url)).status_code == 307
    assert elsewhere.seen == []


async def test_a_connection_is_used_again(egress: Egress) -> None:
    async with listening() as sink:
        for _ in range(5):
            await egress.post(sink.url, DELIVERY, b"{}")
    assert (len(sink.seen), sink.connections) == (5, 1)


async def test_cookies_are_not_kept(egress: Egress) -> None:
    async with listening(says(answer(set_cookie="a=1; Path=/"))) as sink:
        await egress.http.get(sink.url)
        await egress.http.get(sink.url)
    assert "cookie" not in sink.seen[1].headers


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as sink:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        egress = Egress([LOOPBACK])
        await egress.post(sink.url, DELIVERY, b"{}")
        await egress.http.get(sink.url)
        await egress.aclose()
    assert (proxy.seen, len(sink.seen)) == ([], 2)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity, gzip", "x-gzip"])
async def test_a_compressed_answer_is_never_made_larger(egress: Egress, coding: str) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with listening(says(answer(200, bomb, content_encoding=coding))) as sink:
        response = await egress.http.get(sink.url)
        assert (await egress.post(sink.url, DELIVERY, b"{}")).status == 200
    assert (response.content, response.extensions["encoded"]) == (bomb, True)
    assert "content-encoding" not in response.headers


async def test_an_answer_that_says_it_is_not_compressed_is_like_any_other(egress: Egress) -> None:
    async with listening(says(answer(200, b"abc", content_encoding="Identity"))) as sink:
        response = await egress.http.get(sink.url)
    assert (response.content, response.extensions["encoded"]) == (b"abc", False)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: u\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + answer(200, b"abc"), b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_every_framing_of_an_answer_is_read(egress: Egress, given: bytes, body: bytes) -> None:
    async with listening(says_then_closes(given)) as sink:
        response = await egress.http.get(sink.url)
    assert (response.content, response.extensions["whole"]) == (body, True)
    assert "t" not in response.headers


@pytest.mark.parametrize(
    "given",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nxx",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"",
    ],
)
async def test_an_answer_that_makes_no_sense_is_no_answer(egress: Egress, given: bytes) -> None:
    async with listening(says_then_closes(given)) as sink:
        with pytest.raises(NoAnswer):
            await egress.post(sink.url, DELIVERY, b"{}")
        await sink.until(lambda s: s.closed == s.connections)


async def test_a_second_answer_that_nobody_asked_for_is_given_to_nobody(egress: Egress) -> None:
    async with listening(says(answer(200, b"first") + answer(500, b"second"), answer(200, b"third"))) as sink:
        assert (await egress.http.get(sink.url)).content == b"first"
        assert (await egress.http.get(sink.url)).content == b"third"
    assert sink.connections == 2


async def test_an_answer_that_comes_before_it_is_asked_for_is_given_to_nobody(egress: Egress) -> None:
    async def talks(_seen: Seen, transport: asyncio.Transport) -> None:
        transport.write(answer(200, b"asked"))
        asyncio.get_running_loop().call_soon(transport.write, answer(200, b"unasked"))

    async with listening(talks) as sink:
        assert (await egress.http.get(sink.url)).content == b"asked"
        await sink.until(lambda s: s.closed == 1)
        assert (await egress.http.get(sink.url)).content == b"asked"
    assert sink.connections == 2


# --- answers without an end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("behave", [endless, endless_chunks])
async def test_an_endless_answer_is_read_up_to_the_cap_and_its_connection_closed(
    egress: Egress, behave: Behave
) -> None:
    async with listening(behave) as sink:
        assert (await egress.post(sink.url, DELIVERY, b"{}")).status == 200
        await sink.until(lambda s: s.closed == 1)


async def test_the_cap_is_what_the_request_says(egress: Egress) -> None:
    async with listening(says(answer(200, b"x" * (REPLY_CAP + 1)))) as sink:
        response = await egress.http.get(sink.url, extensions={"cap": 10})
    assert (response.content, response.extensions["whole"]) == (b"x" * 10, False)


@pytest.mark.parametrize("behave", [hangs, drips])
async def test_the_deadline_of_the_caller_cuts_whatever_is_under_way(egress: Egress, behave: Behave) -> None:
    async with listening(behave) as sink:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await egress.post(sink.url, DELIVERY, b"{}")
        await sink.until(lambda s: s.closed == 1)


async def test_the_clients_timeout_bounds_the_whole_exchange(egress: Egress) -> None:
    async with listening(drips) as sink:
        with pytest.raises(httpx.ReadTimeout):
            await egress.http.get(sink.url, timeout=0.1)
        await sink.until(lambda s: s.closed == 1)


def test_a_cancelled_attempt_leaves_no_connection_open_on_the_servers_loop() -> None:
    async def law() -> None:
        egress = Egress([LOOPBACK])
        async with listening(hangs) as sink:
            attempts = [asyncio.create_task(egress.post(sink.url, DELIVERY, b"{}")) for _ in range(20)]
            await sink.until(lambda s: len(s.seen) == 20)
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
            await sink.until(lambda s: s.closed == 20)
        await egress.aclose()

    uvloop.run(law())


@pytest.mark.parametrize("steps", range(12))
async def test_an_attempt_cancelled_at_any_step_leaves_no_connection_open(egress: Egress, steps: int) -> None:
    async with listening(hangs) as sink:
        attempt = asyncio.create_task(egress.post(sink.url, DELIVERY, b"{}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        _, mark = await asyncio.open_connection("127.0.0.1", sink.port)  # accepted after whatever the attempt opened
        mark.write(b"POST /mark HTTP/1.1\r\n\r\n")
        await sink.until(lambda s: any(seen.target == "/mark" for seen in s.seen))
        await sink.until(lambda s: s.closed == s.connections - 1)
        mark.close()
        await mark.wait_closed()


# --- logs ----------------------------------------------------------------------------------------------------------


async def test_no_log_line_holds_a_path(egress: Egress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as sink:
        await egress.post(sink.url, DELIVERY, b"{}")
        await egress.http.get(sink.url)
    assert "path-token" not in caplog.text
