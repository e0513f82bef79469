"""A name server on loopback that answers what a test says, and the way for the system's resolver to ask it."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

A, AAAA = 1, 28
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_NO_SUCH_NAME = 3
_real = socket.getaddrinfo


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers for each name in turn, the last one ever after; with a time to live of 0, as who rebinds does."""

    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        number = _HEADER.unpack_from(data)[0]
        question = data[_HEADER.size :]
        name, kind = _question(question)
        found = self._answer(name, kind)
        status = 0x8180 | (0 if name in self.names else _NO_SUCH_NAME)
        records = [b"\xc0\x0c" + _RECORD.pack(kind, 1, 0, len(each)) + each for each in found]
        head = _HEADER.pack(number, status, 1, len(records), 0, 0)
        self._transport.sendto(head + question[: _question_size(question)] + b"".join(records), addr)

    def _answer(self, name: str, kind: int) -> list[bytes]:
        """Give the addresses of one kind; a look-up asks for A first, and AAAA ends it."""
        left = self.names.get(name, [()])
        if kind == A:
            self.asked.append(name)
        given = [ipaddress.ip_address(text) for text in left[0]]
        if kind == AAAA and len(left) > 1:
            left.pop(0)
        return [each.packed for each in given if each.version == (4 if kind == A else 6)]


def _question(data: bytes) -> tuple[str, int]:
    labels, at = [], 0
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += data[at] + 1
    return ".".join(labels).lower(), struct.unpack_from("!H", data, at + 1)[0]


def _question_size(data: bytes) -> int:
    at = 0
    while data[at]:
        at += data[at] + 1
    return at + 5


def _ask(port: int, name: str, kind: int) -> list[str]:
    """Ask one question over UDP and read the answer's addresses."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    question = labels + b"\0" + struct.pack("!HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(_HEADER.pack(7, 0x0100, 1, 0, 0, 0) + question, ("127.0.0.1", port))
        data = asking.recv(65_535)
    status, count = struct.unpack_from("!H", data, 2)[0] & 15, _HEADER.unpack_from(data)[3]
    if status:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    size, found, at = (4 if kind == A else 16), [], _HEADER.size + len(question)
    for _ in range(count):
        found.append(str(ipaddress.ip_address(data[at + 12 : at + 12 + size])))
        at += 12 + size
    return found


def resolver(port: int) -> Callable[..., Any]:
    """Make a `socket.getaddrinfo` that asks the name server for names, and reads addresses as ever."""

    def getaddrinfo(host: Any, service: Any, *given: Any, **named: Any) -> Any:
        if not (isinstance(host, str) and host.endswith((".example", ".example."))):
            return _real(host, service, *given, **named)
        found = [*_ask(port, host, A), *_ask(port, host, AAAA)]
        if not found:
            raise socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
        return [entry for each in found for entry in _real(each, service, *given, **named)]

    return getaddrinfo


@contextlib.asynccontextmanager
async def naming(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """Serve names below `.example` to whoever asks the system in this process."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", resolver(server.port))
    try:
        yield server
    finally:
        transport.close()
