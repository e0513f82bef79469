"""Connections, kept and new: every dial passes the guard, and only a checked address is dialled."""

import asyncio
import os
import socket
import ssl
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import httpx
from msgspec import Struct

from gateway.egress.guard import Guard, address_of, host_of, literal, port_of
from gateway.egress.names import Resolve
from gateway.egress.wire import Stale, Wire, WireAnswer

IDLE_SECONDS = 4.0
"""How long an unused connection is kept: less than the five seconds after which common servers close theirs."""
ADDRESS_SECONDS = 3.0
"""How long one address of several may take to connect before the next is tried."""

Origin = tuple[str, str, int]


class Target(Struct, frozen=True):
    """A URL, read once: where to connect, and what the request says of it."""

    origin: Origin
    authority: bytes
    path: bytes

    @classmethod
    def of(cls, url: httpx.URL) -> "Target":
        return cls((url.scheme, host_of(url), port_of(url)), url.netloc, url.raw_path)


class Pool:
    """Exchange one request for one answer, over a kept connection or a new one to an allowed address.

    An answer is read before it is handed over, up to a cap. So none can hold a connection, and an exchange that is
    cancelled at any point closes its own.
    """

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._idle: defaultdict[Origin, list[tuple[float, Wire]]] = defaultdict(list)
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(self, origin: Origin, payload: bytes, cap: int, *, repeatable: bool) -> WireAnswer:
        """Send a request's bytes. Has no deadline; the caller's ends it at any point.

        `repeatable`: it may be sent again after a kept connection turned out to be closed. Raises EgressRefused and
        httpx's transport errors, which name host and port and nothing more of the URL.
        """
        wire = self._reuse(origin)
        if wire is not None:
            try:
                return await self._run(origin, wire, payload, cap)
            except Stale:
                if not repeatable:
                    raise
        return await self._run(origin, await self._dial(origin), payload, cap)

    def close(self) -> None:
        """Close what is idle now; what is in use closes when it is done."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for wires in self._idle.values():
            for _, wire in wires:
                wire.abort()
        self._idle.clear()

    async def _run(self, origin: Origin, wire: Wire, payload: bytes, cap: int) -> WireAnswer:
        answer = await wire.exchange(payload, cap)
        if wire.reusable and not self._closed:
            self._keep(origin, wire)
        else:
            wire.abort()
        return answer

    # --- idle connections ---

    def _reuse(self, origin: Origin) -> Wire | None:
        wires = self._idle.get(origin)
        while wires:
            since, wire = wires.pop()  # the newest: the others grow old and are swept
            if wire.reusable and wire.silent and self._now() - since < IDLE_SECONDS:
                return wire
            wire.abort()
        return None

    def _keep(self, origin: Origin, wire: Wire) -> None:
        self._idle[origin].append((self._now(), wire))
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = self._now() - IDLE_SECONDS
        for origin, wires in list(self._idle.items()):
            for since, wire in wires:
                if since <= oldest:
                    wire.abort()
            self._idle[origin] = [kept for kept in wires if not kept[1].closed]
            if not self._idle[origin]:
                del self._idle[origin]
        if self._idle:
            self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- new connections ---

    async def _dial(self, origin: Origin) -> Wire:
        scheme, host, port = origin
        addresses = await self._addresses(host, port)
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(ADDRESS_SECONDS):
                    return await self._connect(scheme, host, address, port)
            except (TimeoutError, httpx.ConnectError):
                continue
        return await self._connect(scheme, host, addresses[-1], port)

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve once and check every answer: one that is not allowed refuses them all. Only these are dialled."""
        fixed = literal(host)
        try:
            found = [fixed] if fixed is not None else [address_of(a) for a in await self._resolve(host, port)]
        except OSError as error:
            raise httpx.ConnectError(f"{host} cannot be resolved: {_why(error)}") from None
        if not found:
            raise httpx.ConnectError(f"{host} cannot be resolved: it has no address")
        return [str(self._guard.check(address, port)) for address in found]

    async def _connect(self, scheme: str, host: str, address: str, port: int) -> Wire:
        secure = scheme == "https"
        try:
            _, wire = await asyncio.get_running_loop().create_connection(
                Wire,
                address,
                port,
                ssl=self._tls if secure else None,
                server_hostname=host.removesuffix(".") if secure else None,
            )
        except OSError as error:
            raise httpx.ConnectError(f"{host} port {port}: {_why(error)}") from None
        return wire

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Trust certifi's authorities, or those of SSL_CERT_FILE or SSL_CERT_DIR."""
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


def head(method: bytes, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write the request line and the headers; a line break or NUL within one of them never leaves."""
    lines = [b"%b %b HTTP/1.1" % (method, path)]
    lines += [b"%b: %b" % header for header in headers]
    written = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if written.count(b"\n") != breaks or written.count(b"\r") != breaks or b"\0" in written:
        raise httpx.LocalProtocolError("a header holds a line break")
    return written + b"\r\n\r\n"


def _why(error: OSError) -> str:
    """Say what the system says, without addresses and numbers that mean nothing to an operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)
