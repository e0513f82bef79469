"""Connections go where they may, carry one exchange at a time, and are closed when they should not be kept."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config import Allowed
from gateway.contract.errors import EgressRefused
from gateway.egress import Egress, NoAnswer
from tests.egress.sinks import (
    DELIVERY,
    LOOPBACK,
    Behave,
    Seen,
    answer,
    listening,
    says_then_closes,
)


def resolving(*answers: Sequence[str]) -> tuple[Egress, list[str]]:
    """Make an Egress whose names resolve to these answers in turn; and what it was asked."""
    asked: list[str] = []
    left = list(answers)

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return Egress([Allowed(ipaddress.ip_network("127.0.0.1/32"), None)], resolver=resolve), asked


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
