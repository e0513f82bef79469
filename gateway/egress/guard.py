"""Which addresses and ports may be reached: the public ones, and what GATEWAY_EGRESS_ALLOW names."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx

from gateway.config import Allowed
from gateway.contract.errors import EgressRefused

SETTING = "GATEWAY_EGRESS_ALLOW"
LONGEST_NAME = 253
LAST_PORT = 65_535

Address = IPv4Address | IPv6Address

# `ipaddress.is_global` is not asked: it calls NAT64, 6to4, multicast and Azure's 168.63.129.16 global.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; Alibaba's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's metadata, DNS and health probes, inside every virtual network
        "169.254.0.0/16",  # link-local; metadata of most clouds at 169.254.169.254
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Everything outside this is loopback, unique local, link-local, multicast, unassigned, or carries an IPv4 address
# (mapped, compatible, translated, NAT64 64:ff9b::/96 and 64:ff9b:1::/48).
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_NAT64_LENGTH = 96
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Upper half of an interface id whose lower half is an IPv4 address."""

# Ports where something else than HTTP listens that could be made to act on an HTTP request: mail, chat, shells, file
# services, databases. Allowed all the same when the setting names them.
# fmt: off
NOT_HTTP = frozenset(
    (
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
        109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515,
        526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720,
        1723, 2049, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668,
        6669, 6679, 6697, 10080, 11211, 27017,
    )
)
# fmt: on

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_OWN_NAME = re.compile(r"(^|\.)localhost\.?$", re.ASCII)
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)


class Guard:
    """Decide what may be reached. Without `allow`: public addresses, at ports that may speak HTTP."""

    def __init__(self, allow: Sequence[Allowed] = ()) -> None:
        self._allow = tuple(allow)

    def check(self, address: Address, port: int) -> Address:
        """Pass an address that may be dialled, an IPv4-mapped one as the IPv4 address it is; raises EgressRefused."""
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                raise EgressRefused(f"{address} has a zone, which only this machine understands: never reached")
            address = address.ipv4_mapped or address
        if self._named(address, port):
            return address
        if not public(address):
            raise EgressRefused(_refusal(address, port, "is not a public address"))
        if port in NOT_HTTP:
            raise EgressRefused(_refusal(address, port, "is the port of a service other than HTTP"))
        return address

    def check_url(self, text: str) -> httpx.URL:
        """Pass a URL that may be configured, and read it.

        A name is only checked when it is dialled, because that is when its addresses count; `localhost` is known not
        to be public. Raises EgressRefused; no message repeats more of the URL than host and port, since its path may
        hold a token.
        """
        url = _read(text)
        host, port = host_of(url), port_of(url)
        address = literal(host)
        if address is not None:
            self.check(address, port)
        elif not _NAME.fullmatch(host) or len(host) > LONGEST_NAME:
            raise EgressRefused("the URL's host is neither a name nor an address")
        elif _OWN_NAME.search(host) and not any(self._named(each, port) for each in _LOOPBACK):
            raise EgressRefused(_refusal(_LOOPBACK[0], port, f"is what {host} means, and is not a public address"))
        return url

    def _named(self, address: Address, port: int) -> bool:
        closed = behind_nat64(address)
        least = 0 if closed is None or public(closed) else _NAT64_LENGTH + 1
        return any(
            address in allowed.network and allowed.port in (None, port) and allowed.network.prefixlen >= least
            for allowed in self._allow
        )


def public(address: Address) -> bool:
    """Say whether an address belongs to the public internet, and to nothing that only looks like it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address not in _PUBLIC_6 or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def behind_nat64(address: Address) -> IPv4Address | None:
    """Read the IPv4 address that a network with IPv6 only reaches by this one, None for any other.

    Such an address is refused like all that are not public. Who allows the whole prefix allows what is public behind
    it; what is not takes an entry that names some of its bits.
    """
    if isinstance(address, IPv6Address) and any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def literal(host: str) -> Address | None:
    """Read an address in any spelling that a dial would understand; None for a name.

    `127.1`, `0x7f.1`, `2130706433` and `[::ffff:127.0.0.1]` are addresses: they never reach a resolver that could be
    guarded. Raises EgressRefused for what ends in a number and is no address.
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        if ":" in bare:
            return IPv6Address(bare.replace("%25", "%"))
        if _NUMBER.fullmatch(bare.removesuffix(".").rpartition(".")[2]):
            return IPv4Address(socket.inet_aton(bare.removesuffix(".")))
    except (ValueError, OSError):
        raise EgressRefused("the URL's host is neither a name nor an address") from None
    return None


def host_of(url: httpx.URL) -> str:
    """Name the host as it is dialled: ASCII, lower case, an IPv6 address without brackets."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    """Name the port, stated or not."""
    return url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]


def address_of(text: str) -> Address:
    """Read what a resolver answered; raises EgressRefused for what is no address."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise EgressRefused("the name resolves to something that is not an address") from None


def _read(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise EgressRefused("the URL cannot be read: give it as https://HOST/PATH") from None
    if url.scheme not in ("http", "https"):
        raise EgressRefused("the URL must begin with https:// or http://")
    if url.userinfo:
        raise EgressRefused("the URL must not hold a user or a password: give them as a header")
    if "#" in text:
        raise EgressRefused("the URL must not have a #fragment: it is never sent")
    if not url.raw_host:
        raise EgressRefused("the URL names no host")
    if url.port is not None and not 0 < url.port <= LAST_PORT:
        raise EgressRefused("the URL's port is not between 1 and 65535")
    return url


def _refusal(address: Address, port: int, why: str) -> str:
    behind = behind_nat64(address)
    if behind is not None and public(behind):
        prefix = f"{IPv6Address(int(address) & ~0xFFFF_FFFF)}/{_NAT64_LENGTH}"
        return (
            f"{address} port {port} is not a public address but {behind} by NAT64; on a network with IPv6 only, "
            f"{SETTING}={prefix}:{port} allows what is public behind it"
        )
    return f"{address} port {port} {why}; {SETTING} can allow it as {address}/{address.max_prefixlen}:{port}"
