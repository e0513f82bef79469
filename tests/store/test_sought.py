"""A person is found however somebody else wrote the address down, and nobody else is."""

import html
import json
import quopri
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.sought import Address, BookingId, is_address, spellings

ADDRESS = "Grace.O'Hara+news@Example.com"


def as_json(text: str) -> bytes:
    return json.dumps({"a": [{"email": text}]}).encode()


def all_escaped(text: str) -> bytes:
    return ('{"email": "' + "".join(f"\\u{ord(each):04X}" for each in text) + '"}').encode()


def in_a_link(text: str) -> bytes:
    return json.dumps({"manage": f"https://x.example/?next={quote_plus('/b?email=' + quote(text, safe=''))}"}).encode()


SPELLINGS: list[Callable[[str], bytes]] = [
    as_json,
    all_escaped,
    in_a_link,
    lambda text: f"Dear <b>{text.upper()}</b>,".encode(),
    lambda text: f"mail={quote_plus(text)}&x=1".encode(),
    lambda text: html.escape(f'<a href="mailto:{text}">').replace("@", "&#64;").encode(),
    lambda text: html.escape(f"<{text}>").replace("@", "&commat;").encode(),
    lambda text: as_json(json.dumps({"to": text}).replace("@", "\\u0040")),
    lambda text: as_json(as_json(as_json(f"To\r\n{text}\tfrom").decode()).decode()),
    lambda text: b"payload=" + quote_plus(all_escaped(text)).encode(),
    lambda text: as_json("payload=" + quote(as_json(f"To\n{text}"))),
    lambda text: text.encode("utf-16"),
    lambda text: text.encode("utf-16-be"),
    lambda text: msgspec.msgpack.encode(((("reply-to", text.encode()),), b"\xff\xfe")),
    lambda text: quopri.encodestring(b"Dear " + b"x" * 58 + b" " + text.encode() + b" \xc3\xbc"),
    lambda text: as_json(text.replace("@", "=40").replace(".", "=2E")),
    lambda text: as_json(text.replace("@", "@=\r\n").replace("com", "co=\nm")),
    lambda text: b"x-www-form-urlencoded\0note=ask+" + quote_plus(text).encode() + b"+first",
    lambda text: f"a=abc&next=%2Fb%3Femail%3D{quote(quote(text, safe=''), safe='')}".encode(),
]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_an_address_is_found_in_every_spelling(spell: Callable[[str], bytes]) -> None:
    assert Address(f" {ADDRESS.lower()} ").within(spell(ADDRESS))
    assert not Address("hopper@example.com").within(spell(ADDRESS))


@pytest.mark.parametrize(
    "other", ["joann@x.org", "ann@x.org.uk", "ann@x.organ", "b.ann@x.org", "ann@x.org-y.de", "a+ann@x.org"]
)
def test_an_address_is_not_found_in_a_longer_one(other: str) -> None:
    assert not Address("ann@x.org").within(as_json(other))
    assert Address("ann@x.org").within(as_json(f"{other}, ann@x.org."))


def test_a_plus_is_part_of_an_address_but_a_space_in_a_form() -> None:
    assert not Address("ann@x.org").within(as_json("joe+ann@x.org"))
    assert not Address("ann@x.org").within(b"x-www-form-urlencoded a=joe%2Bann%40x.org")
    assert Address("joe+ann@x.org").within(b"x-www-form-urlencoded a=joe%2Bann%40x.org")
    assert Address("ann@x.org").within(b"x-www-form-urlencoded a=to+ann%40x.org")


@pytest.mark.parametrize("written", ["ann@m\u00fcller.example", "ann@xn--mller-kva.example", "Ann@M\u00dcLLER.Example"])
def test_a_domain_is_the_same_in_its_letters_and_in_ascii(written: str) -> None:
    for sought in ("ann@m\u00fcller.example", "ANN@XN--MLLER-KVA.example"):
        assert Address(sought).within(as_json(written))
    assert not Address("ann@muller.example").within(as_json(written))


@pytest.mark.parametrize(
    "before", ["Front desk\n", "a\t", "a\r\n", "a\b", "a\f", "see...", " -", "_", "(", ">", '"', "a\\"]
)
def test_what_stands_before_and_after_an_address_does_not_hide_it(before: str) -> None:
    for after in ("", ".", "\n", "_", "-", " ", ".Thanks", "...", '"'):
        assert Address("ann@x.org").within(as_json(f"{before}ann@x.org{after}"))
        assert Address("ann@x.org").within(as_json(as_json(f"{before}ann@x.org{after}").decode()))


@pytest.mark.parametrize(
    "part",
    [
        "\\",
        "\\\\n",
        "&",
        "&#",
        "&#9",
        "&#0",
        "9",
        "%",
        "%25",
        "@",
        "@a.",
        "@a.B",
        "[",
        'id":[',
        'id": ',
        "id=",
        ",",
        ' "',
        "_",
        ".",
        "=",
        "=4",
        "=40",
        "=\\n",
        "+",
    ],
)
def test_long_bodies_are_read_in_passing(part: str) -> None:
    content = (b'{"ids":[&#' + part.encode() * 100_000)[:300_000]
    begun = time.process_time()
    assert not Address("ann@x.org").within(content)
    assert not BookingId("bk-1").within(content)
    assert time.process_time() - begun < 10  # where every place is looked at from every other it is minutes


def test_composed_and_decomposed_letters_are_the_same() -> None:
    composed = "j\u00fcrgen@example.com"
    assert Address(composed).within("ju\u0308rgen@example.com".encode())
    assert Address("ju\u0308rgen@example.com").within(composed.upper().encode())


@given(st.emails())
def test_every_address_is_found_in_json_and_in_a_form(address: str) -> None:
    for spell in (as_json, all_escaped, lambda text: b"e=" + quote_plus(text).encode()):
        assert Address(address).within(spell(address))


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(content: bytes) -> None:
    assert all(isinstance(text, str) for text in spellings(content))
    assert not Address("nobody@nowhere.example").within(content)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "bk-1"}',
        b'{"data":{"uuid":"BK-1","x":2}}',
        b'{"appointmentId" : "bk-1"}',
        b"a=1&booking_id=bk-1&b=2",
        b"booking[id]=bk-1",
        b'{"booking":"bk-1"}',
        b'{"bookingIds":["bk-0", "bk-1"]}',
        b'{"ids":[ "bk-1" ]}',
        b"booking=bk-1",
        b"booking_ids[]=bk-0&booking_ids[]=bk-1",
    ],
)
def test_a_booking_is_found_by_what_is_called_its_id(body: bytes) -> None:
    assert BookingId("bk-1").within(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "bk-11"}',
        b'{"title": "bk-1"}',
        b'{"id": "a", "n": "bk-1"}',
        b"bk-1",
        b'{"ids": ["bk-11"], "n": ["bk-1"]}',
    ],
)
def test_a_booking_is_not_found_by_other_words(body: bytes) -> None:
    assert not BookingId("bk-1").within(body)


def test_several_bookings_are_looked_for_in_one_go() -> None:
    assert BookingId("a|b", "bk-1").within(b'{"id": "bk-1"}')
    assert not BookingId("a|b", "bk-1").within(b'{"id": "b"}')


def test_a_number_is_an_id_too() -> None:
    assert BookingId("42").within(b'{"id": 42, "x": 1}')
    assert not BookingId("42").within(b'{"id": 421, "count": 42}')


@pytest.mark.parametrize("text", ["a@b", "x.y+z@sub.example.org", "j\u00fcrgen@example.com"])
def test_addresses_are_told_from_other_text(text: str) -> None:
    assert is_address(text)
    for other in ("", "@", "a@", "@b", "a b@c.de", "a@b@c", "a" * 400 + "@b.de", "<a@b.de>"):
        assert not is_address(other)
