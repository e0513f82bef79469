"""Whatever a server does, the attempt ends, says why, and keeps no connection that it should not."""

import asyncio
import datetime
import gzip
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config import Allowed
from gateway.contract.errors import EgressRefused
from gateway.egress import REPLY_CAP, Egress, NoAnswer, Reply
from tests.egress.sinks import LOOPBACK, Behave, Seen, answer, hangs, listening, says, says_then_closes

DELIVERY = {"webhook-id": "evt_1", "content-type": "application/json"}


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    door = Egress([LOOPBACK])
    yield door
    await door.aclose()


def resolving(*answers: Sequence[str]) -> tuple[Egress, list[str]]:
    """Make an Egress whose names resolve to these answers in turn; and what it was asked."""
    asked: list[str] = []
    left = list(answers)

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return Egress([Allowed(ipaddress.ip_network("127.0.0.1/32"), None)], resolver=resolve), asked


# --- what is sent, what comes back ---------------------------------------------------------------------------------


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


async def test_a_compressed_answer_stays_as_it_is(egress: Egress) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with listening(says(answer(200, bomb, x_note="bomb"))) as sink:
        assert (await egress.http.get(sink.url)).content == bomb


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


async def endless(_seen: Seen, transport: asyncio.Transport) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not transport.is_closing():
        transport.write(b"x" * 65_536)
        await asyncio.sleep(0)


async def endless_chunks(_seen: Seen, transport: asyncio.Transport) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not transport.is_closing():
        transport.write(b"1;" + b"e" * 9_000 + b"\r\nx\r\n")
        await asyncio.sleep(0)


async def drips(_seen: Seen, transport: asyncio.Transport) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not transport.is_closing():
        transport.write(b".")
        await asyncio.sleep(0.01)


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


# --- connections that are not there --------------------------------------------------------------------------------


async def test_a_refused_connection_says_where_and_why_and_not_the_path(egress: Egress) -> None:
    async with listening() as sink:
        pass
    with pytest.raises(NoAnswer, match=f"port {sink.port}: Connection refused") as no:
        await egress.post(sink.url, DELIVERY, b"{}")
    assert "path-token" not in str(no.value)


async def test_a_reset_is_no_answer(egress: Egress) -> None:
    async def resets(_seen: Seen, transport: asyncio.Transport) -> None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        transport.abort()

    async with listening(resets) as sink:
        with pytest.raises(NoAnswer, match="closed"):
            await egress.post(sink.url, DELIVERY, b"{}")
    assert len(sink.seen) == 1


def closing_on_the_second(*answers: bytes) -> Behave:
    """Close the first connection on its second request, as a server does whose idle time was up just then."""

    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        count[seen.connection] = count.get(seen.connection, 0) + 1
        if seen.connection == 1 and count[1] == 2:
            transport.abort()
        else:
            transport.write(answers[0])

    count: dict[int, int] = {}
    return behave


async def test_a_delivery_on_a_kept_connection_that_was_closed_meanwhile_is_sent_again(egress: Egress) -> None:
    async with listening(closing_on_the_second(answer())) as sink:
        await egress.post(sink.url, DELIVERY, b"1")
        assert (await egress.post(sink.url, DELIVERY, b"2")).status == 200
    assert [seen.body for seen in sink.seen] == [b"1", b"2", b"2"]


async def test_a_post_without_an_id_is_never_sent_again(egress: Egress) -> None:
    async with listening(closing_on_the_second(answer())) as sink:
        await egress.http.post(sink.url, content=b"1")
        with pytest.raises(httpx.RemoteProtocolError):
            await egress.http.post(sink.url, content=b"2")
    assert [seen.body for seen in sink.seen] == [b"1", b"2"]


async def test_a_connection_that_the_server_closed_is_not_used(egress: Egress) -> None:
    async with listening(says_then_closes(answer())) as sink:
        await egress.http.post(sink.url, content=b"1")
        await sink.until(lambda s: s.closed == 1)
        assert (await egress.http.post(sink.url, content=b"2")).status_code == 200
    assert sink.connections == 2


async def test_idle_connections_are_closed_after_a_while(egress: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.egress.pool.IDLE_SECONDS", 0.05)
    async with listening() as sink:
        await egress.post(sink.url, DELIVERY, b"{}")
        await sink.until(lambda s: s.closed == 1)


async def test_closing_the_door_closes_what_is_idle_and_what_comes_back(egress: Egress) -> None:
    async with listening() as sink:
        await egress.post(sink.url, DELIVERY, b"{}")
        await egress.aclose()
        await sink.until(lambda s: s.closed == 1)
        await egress.post(sink.url, DELIVERY, b"{}")
        await sink.until(lambda s: s.closed == 2)


async def test_a_line_break_in_a_header_never_leaves(egress: Egress) -> None:
    async with listening() as sink:
        with pytest.raises(NoAnswer, match="line break"):
            await egress.post(sink.url, {**DELIVERY, "x-own": "a\r\nx-forged: 1"}, b"{}")
    assert sink.connections == 0


# --- the guard at the dial -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0", "localhost"])
async def test_loopback_is_not_dialled_in_any_spelling(host: str) -> None:
    egress = Egress()
    async with listening() as sink:
        with pytest.raises(EgressRefused):
            await egress.post(f"http://{host}:{sink.port}/", DELIVERY, b"{}")
        with pytest.raises(EgressRefused):
            await egress.http.get(f"http://{host}:{sink.port}/")
    assert sink.connections == 0


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://a..b/", "http://user@example.com/", "http://h:0/"])
async def test_a_url_that_could_not_be_configured_is_not_reached_either(egress: Egress, url: str) -> None:
    with pytest.raises(EgressRefused):
        await egress.http.get(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_an_allowed_address_is_dialled_in_any_spelling(egress: Egress, host: str) -> None:
    async with listening() as sink:
        assert (await egress.post(f"http://{host}:{sink.port}/", DELIVERY, b"{}")).status == 200


async def test_the_checked_address_is_the_dialled_one_and_the_name_stays_in_host() -> None:
    egress, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
    async with listening() as sink, listening(host="127.0.0.2", port=sink.port) as inner:
        reply = await egress.post(f"http://Consumer.Example:{sink.port}/", DELIVERY, b"{}")
        await egress.aclose()
    assert (reply.status, asked, inner.connections) == (200, ["consumer.example"], 0)
    assert sink.seen[0].headers["host"] == f"consumer.example:{sink.port}"


async def test_a_name_that_is_bound_again_to_an_inner_address_is_refused_at_the_next_dial() -> None:
    egress, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
    async with listening(says_then_closes(answer())) as sink, listening(host="127.0.0.2", port=sink.port) as inner:
        url = f"http://consumer.example:{sink.port}/"
        await egress.post(url, DELIVERY, b"{}")
        await sink.until(lambda s: s.closed == 1)
        with pytest.raises(EgressRefused, match=r"127\.0\.0\.2 port"):
            await egress.post(url, DELIVERY, b"{}")
        await egress.aclose()
    assert (asked, inner.connections) == (["consumer.example"] * 2, 0)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1", "127.0.0.2"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"], ["127.0.0.1", "fe80::1%lo"]],
)
async def test_one_address_that_is_not_allowed_refuses_all_of_a_names(answers: list[str]) -> None:
    egress, _ = resolving(answers)
    async with listening() as sink:
        with pytest.raises(EgressRefused):
            await egress.post(f"http://consumer.example:{sink.port}/", DELIVERY, b"{}")
        await egress.aclose()
    assert sink.connections == 0


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    egress = Egress([LOOPBACK], resolver=resolve)
    async with listening() as sink:
        assert (await egress.post(f"http://consumer.example:{sink.port}/", DELIVERY, b"{}")).status == 200
        await egress.aclose()


@pytest.mark.parametrize(("answers", "words"), [([], "no address"), (["nonsense"], "not an address")])
async def test_a_name_without_an_address_is_said_so(answers: list[str], words: str) -> None:
    egress, _ = resolving(answers)
    with pytest.raises((NoAnswer, EgressRefused), match=words):
        await egress.post("http://consumer.example/", DELIVERY, b"{}")


async def test_the_systems_resolver_is_asked_once_for_all_who_ask_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *, type: int) -> object:  # noqa: A002 -- socket's own word
        asked.append(host)
        return real("127.0.0.1", port, type=type)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    egress = Egress([LOOPBACK])
    async with listening() as sink:
        url = f"http://consumer.example:{sink.port}/"
        await asyncio.gather(*(egress.post(url, DELIVERY, b"{}") for _ in range(8)))
        await egress.aclose()
    assert (asked, len(sink.seen)) == (["consumer.example"], 8)


async def test_a_name_that_does_not_exist_is_said_so(egress: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(NoAnswer, match=r"consumer\.invalid cannot be resolved: Name or service not known"):
        await egress.post("http://consumer.invalid/path-token", DELIVERY, b"{}")


# --- TLS -----------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """Make a server's context with a certificate for `name` that signs itself; its file is folder/cert.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_tls_asks_for_the_name_and_checks_it_though_an_address_is_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    tls = certificate(tmp_path, "consumer.example")
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    egress, _ = resolving(["127.0.0.1"])
    async with listening(tls=tls) as sink:
        assert (await egress.post(f"https://consumer.example:{sink.port}/", DELIVERY, b"{}")).status == 200
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            await egress.post(f"https://other.example:{sink.port}/", DELIVERY, b"{}")
        await egress.aclose()
    assert asked == ["consumer.example", "other.example"]


async def test_an_unknown_authority_is_not_trusted(egress: Egress, tmp_path: Path) -> None:
    async with listening(tls=certificate(tmp_path, "127.0.0.1")) as sink:
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            await egress.post(f"https://127.0.0.1:{sink.port}/", DELIVERY, b"{}")
    assert sink.seen == []


async def test_tls_towards_a_server_that_speaks_none_fails_in_words(egress: Egress) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(400))
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NoAnswer, match=f"127.0.0.1 port {port}: TLS failed"):
            await egress.post(f"https://127.0.0.1:{port}/", DELIVERY, b"{}")


# --- logs ----------------------------------------------------------------------------------------------------------


async def test_no_log_line_holds_a_path(egress: Egress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as sink:
        await egress.post(sink.url, DELIVERY, b"{}")
        await egress.http.get(sink.url)
    assert "path-token" not in caplog.text
