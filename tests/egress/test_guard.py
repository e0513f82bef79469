"""Nothing leaves to an address that is not public, unless it is allowed by network and port."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Allowed
from gateway.contract.errors import EgressRefused
from gateway.egress import Egress
from gateway.egress.guard import NOT_HTTP, Guard, literal, public
from tests.egress.spellings import LOOPBACK_SPELLINGS, NOT_PUBLIC

PUBLIC = ("1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "[2606:4700:4700::1111]", "[::ffff:8.8.8.8]")


def allowed(text: str, port: int | None) -> Allowed:
    return Allowed(ipaddress.ip_network(text), port)


@pytest.mark.parametrize("host", [*LOOPBACK_SPELLINGS, *NOT_PUBLIC])
def test_an_address_that_is_not_public_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(EgressRefused):
        Egress().check_url(f"http://{host}:8080/hook")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "inner.localhost", "a.b.localhost."])
def test_the_name_of_this_machine_is_refused_before_it_is_looked_up(name: str) -> None:
    with pytest.raises(EgressRefused, match="GATEWAY_EGRESS_ALLOW"):
        Egress([allowed("127.0.0.1/32", 9000)]).check_url(f"http://{name}:9001/hook")
    Egress([allowed("127.0.0.1/32", 9000)]).check_url(f"http://{name}:9000/hook")
    Egress([allowed("::1/128", None)]).check_url(f"http://{name}/hook")


@pytest.mark.parametrize("name", ["localhost.example.com", "notlocalhost", "localhost-1.example"])
def test_a_name_that_only_begins_like_this_machines_is_a_name_like_any_other(name: str) -> None:
    Egress().check_url(f"http://{name}/hook")


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_address_may_be_reached(host: str) -> None:
    Egress().check_url(f"https://{host}/hook")


@pytest.mark.parametrize("host", ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[2606:4700::1%251]"])
def test_an_address_with_a_zone_is_refused_even_where_its_network_is_allowed(host: str) -> None:
    with pytest.raises(EgressRefused, match="zone"):
        Egress([allowed("::/0", None)]).check_url(f"http://{host}/")


@pytest.mark.parametrize(
    "host", ["1.2.3.4.5", "256.1.1.1", "4294967296", "0x100000000", "1.2.3.08", "0x", "[::g]", "[v1.x]", "%31.0.0.1"]
)
def test_what_looks_like_an_address_and_is_none_is_refused(host: str) -> None:
    with pytest.raises(EgressRefused):
        Egress([allowed("0.0.0.0/0", None)]).check_url(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("example.com/hook", "https://"),
        ("", "https://"),
        ("http:///hook", "no host"),
        ("http:example.com", "no host"),
        ("https://user@example.com/", "user"),
        ("https://user:password@example.com/", "user"),
        ("https://example.com\\@127.0.0.1/", "user"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://exa mple.com/", "neither"),
        ("https://-.example.com/", "neither"),
        ("https://a..b/", "neither"),
        (f"https://{'a' * 64}.com/", "neither"),
        (f"https://{'a.' * 127}com/", "neither"),
        ("https://example.com/\r\nx: y", "read"),
        ("https://[::1/", "read"),
        ("http://\uff11\uff12\uff17.0.0.1/", "read"),
        ("http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", "read"),
        ("http://127.0.0.1\u200b/", "read"),
        ("http://127.0.0.1\t/", "read"),
        ("http://127%2e0%2e0%2e1/", "neither"),
        ("http://127.0.0.1%00.example.com/", "neither"),
        ("http://127.0.0.1../", "neither"),
        ("http:\\\\127.0.0.1/", "no host"),
        ("http:////127.0.0.1/", "no host"),
        ("http://1.1.1.1 &@127.0.0.1#@8.8.8.8/", "user"),
    ],
)
def test_a_url_that_cannot_be_delivered_to_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(EgressRefused, match=words):
        Egress().check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://b\u00fccher.example/x?y=z", "http://a_b.example.:8443/"]
)
def test_a_name_may_be_configured_before_anyone_knows_its_addresses(url: str) -> None:
    Egress().check_url(url)


def test_a_refusal_names_address_port_and_setting_and_nothing_of_the_path() -> None:
    with pytest.raises(EgressRefused) as refused:
        Egress().check_url("http://127.0.0.1:9000/token-in-the-path")
    assert "127.0.0.1 port 9000" in str(refused.value)
    assert "GATEWAY_EGRESS_ALLOW" in str(refused.value)
    assert "127.0.0.1/32:9000" in str(refused.value)
    assert "token-in-the-path" not in str(refused.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]
)
def test_what_is_allowed_is_the_address_however_it_is_spelled(host: str) -> None:
    egress = Egress([allowed("127.0.0.1/32", 9000)])
    egress.check_url(f"http://{host}:9000/")
    with pytest.raises(EgressRefused):
        egress.check_url(f"http://{host}:9001/")


def test_an_allowed_network_without_a_port_allows_every_port() -> None:
    egress = Egress([allowed("10.1.0.0/16", None)])
    egress.check_url("http://10.1.2.3:25/")
    with pytest.raises(EgressRefused):
        egress.check_url("http://10.2.0.1:80/")


@pytest.mark.parametrize("port", [22, 25, 6379, 5432])
def test_ports_of_other_services_are_refused_on_public_addresses_unless_allowed(port: int) -> None:
    with pytest.raises(EgressRefused, match="service other than HTTP"):
        Egress().check_url(f"http://8.8.8.8:{port}/")
    Egress([allowed("8.8.8.8/32", port)]).check_url(f"http://8.8.8.8:{port}/")


def test_ports_where_http_is_at_home_are_not_refused() -> None:
    assert not NOT_HTTP & {80, 443, 3000, 5000, 8000, 8080, 8443, 9000}


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_that_python_calls_private_is_public(address: IPv4Address) -> None:
    assert not public(address) or address.is_global


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_that_python_calls_private_is_public(address: IPv6Address) -> None:
    assert not public(address) or address.is_global


@given(st.ip_addresses(v=4), st.sampled_from(["64:ff9b::", "64:ff9b:1::", "2002::", "2001::", "::", "::ffff:0:0:0"]))
def test_no_ipv6_address_that_carries_an_ipv4_address_is_public(inner: IPv4Address, prefix: str) -> None:
    shift = 80 if prefix == "2002::" else 0
    assert not public(IPv6Address(int(IPv6Address(prefix)) | int(inner) << shift))


@given(st.ip_addresses(v=4), st.sampled_from(["{}", "0x{:x}", "0{:o}"]), st.integers(0, 3))
def test_every_numeric_spelling_is_read_as_the_address_it_dials(inner: IPv4Address, form: str, dots: int) -> None:
    rest = int(inner)
    parts = []
    for index in range(dots):
        shift = 8 * (3 - index)
        parts.append(form.format(rest >> shift))
        rest &= (1 << shift) - 1
    assert literal(".".join([*parts, form.format(rest)])) == inner


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_ipv4_address_it_is(inner: IPv4Address) -> None:
    guard = Guard([allowed(f"{inner}/32", 8080)])
    assert guard.check(IPv6Address(f"::ffff:{inner}"), 8080) == inner


NAT64 = "64:ff9b::/96"


@pytest.mark.parametrize("prefix", ["64:ff9b::", "64:ff9b:1:2::"])
def test_an_ipv4_address_behind_nat64_is_refused_with_the_setting_that_allows_what_is_public(prefix: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        Guard().check(IPv6Address(f"{prefix}8.8.8.8"), 443)
    assert f"8.8.8.8 by NAT64; on a network with IPv6 only, GATEWAY_EGRESS_ALLOW={prefix}/96:443" in str(refused.value)
    Guard([allowed(f"{prefix}/96", 443)]).check(IPv6Address(f"{prefix}8.8.8.8"), 443)


@pytest.mark.parametrize(
    "behind", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "0.1.2.3", "224.0.0.1"]
)
@pytest.mark.parametrize("network", [NAT64, "64:ff9b::/32", "::/0"])
def test_who_allows_nat64_allows_nothing_private_behind_it(behind: str, network: str) -> None:
    with pytest.raises(EgressRefused):
        Guard([allowed(network, None)]).check(IPv6Address(f"64:ff9b::{behind}"), 443)
    Guard([allowed(f"64:ff9b::{behind}/128", 443)]).check(IPv6Address(f"64:ff9b::{behind}"), 443)
