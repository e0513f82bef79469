"""Calls that are framed well and wrong inside: forged signatures, and bodies that are no JSON or no booking."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.hostile.standing import HEX_KEY, OTHER_SECRET, SECRET, Fields, digest

B64 = base64.b64encode
Forger = Callable[[bytes], Fields]
"""Makes the fields that go with a body."""


def _one(value: Callable[[bytes], bytes], name: bytes = b"webhook-signature") -> Forger:
    return lambda body: ((name, value(body)),)


def _right(body: bytes) -> bytes:
    return B64(digest(SECRET.encode(), body))


def _of(secret: str) -> Callable[[bytes], bytes]:
    return lambda body: B64(digest(secret.encode(), body))


FORGED: Mapping[str, Forger] = {
    "none": lambda _: (),
    "an empty one": _one(lambda _: b""),
    "the right one twice": lambda body: _one(_right)(body) * 2,
    "the right one and a wrong one": lambda body: (*_one(_right)(body), *_one(lambda _: b"x")(body)),
    "two in one": _one(lambda body: _right(body) + b", " + _right(body)),
    "not ASCII": _one(lambda _: "äöü€".encode()),
    "bytes beyond ASCII": _one(lambda _: bytes(range(128, 256))),
    "without padding": _one(lambda body: _right(body).rstrip(b"=")),
    "with more padding": _one(lambda body: _right(body) + b"="),
    "a character short": _one(lambda body: _right(body)[:-2] + b"="),
    "a character long": _one(lambda body: b"A" + _right(body)),
    "with a space inside": _one(lambda body: _right(body)[:9] + b" " + _right(body)[9:]),
    "in other letter case": _one(lambda body: _right(body).swapcase()),
    "for URLs": _one(lambda body: _right(body).replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")),
    "in hex": _one(lambda body: digest(SECRET.encode(), body).hex().encode()),
    "hex in base64": _one(lambda body: B64(digest(SECRET.encode(), body).hex().encode())),
    "with a prefix": _one(lambda body: b"sha256=" + _right(body)),
    "with a version": _one(lambda body: b"v1," + _right(body)),
    "in quotes": _one(lambda body: b'"' + _right(body) + b'"'),
    "of another secret": _one(_of(OTHER_SECRET)),
    "of an empty secret": _one(_of("")),
    "of the secret and a line break": _one(_of(SECRET + "\n")),
    "of the secret in base64": _one(_of(B64(SECRET.encode()).decode())),
    "over re-serialised bytes": _one(lambda body: _right(json.dumps(json.loads(body), indent=1).encode())),
    "over sorted keys": _one(lambda body: _right(json.dumps(json.loads(body), sort_keys=True, indent=0).encode())),
    "over the body and a line break": _one(lambda body: _right(body + b"\n")),
    "over half the body": _one(lambda body: _right(body[: len(body) // 2])),
    "over nothing": _one(lambda _: _right(b"")),
    "by SHA-1": _one(lambda body: B64(hmac.digest(SECRET.encode(), body, "sha1"))),
    "by SHA-512": _one(lambda body: B64(hmac.digest(SECRET.encode(), body, "sha512"))),
    "without a key": _one(lambda body: B64(hashlib.sha256(body).digest())),
    "with the key in the hash": _one(lambda body: B64(hashlib.sha256(SECRET.encode() + body).digest())),
    "the secret itself": _one(lambda _: SECRET.encode()),
    "nothing but noughts": _one(lambda _: B64(bytes(32))),
    "of 15,000 characters": _one(lambda _: b"A" * 15_000),
    "in another field": _one(_right, b"x-webhook-signature"),
    "under an underscore": _one(_right, b"webhook_signature"),
    "as authorization": _one(_right, b"authorization"),
}
"""What is sent as a signature by whoever does not have the secret, or does not have it right."""

PROVEN: Mapping[str, Forger] = {
    "as documented": _one(_right),
    "in capitals": _one(_right, b"Webhook-Signature"),
    "between spaces": _one(lambda body: b"  " + _right(body) + b"\t"),
}
"""The right one, as HTTP lets it be written."""


def _hex(body: bytes) -> bytes:
    return digest(bytes.fromhex(HEX_KEY), body).hex().encode()


BY_HAND_FORGED: Mapping[str, Forger] = {
    "without its prefix": _one(_hex, b"x-signature"),
    "in capitals": _one(lambda body: b"sha256=" + _hex(body).upper(), b"x-signature"),
    "in base64": _one(lambda body: b"sha256=" + B64(digest(bytes.fromhex(HEX_KEY), body)), b"x-signature"),
    "with the key as text": _one(
        lambda body: b"sha256=" + digest(HEX_KEY.encode(), body).hex().encode(), b"x-signature"
    ),
    "with another prefix": _one(lambda body: b"sha1=" + _hex(body), b"x-signature"),
}


def stamped(at: int, *, said: bytes | None = None, pairs: bytes = b"t={t},v1={v1}") -> Forger:
    """Sign body and time. `said`: the time that is stated instead."""

    def fields(body: bytes) -> Fields:
        proof = digest(SECRET.encode(), b"%d." % at + body).hex().encode()
        stated = b"%d" % at if said is None else said
        return ((b"x-stamped", pairs.replace(b"{t}", stated).replace(b"{v1}", proof)),)

    return fields


def late(now: int) -> Mapping[str, Forger]:
    """Make signatures over a time that is wrong, or says so in a wrong way; 300 seconds are allowed."""
    return {
        "too old": stamped(now - 400),
        "from the future": stamped(now + 400),
        "of 1970": stamped(0),
        "with another time than was signed": stamped(now - 9000, said=b"%d" % now),
        "with a time in words": stamped(now, said=b"now"),
        "with a negative time": stamped(now, said=b"-1"),
        "with a time in milliseconds": stamped(now * 1000),
        "with a time of many digits": stamped(now, said=b"9" * 5000),
        "with a time in other digits": stamped(now, said="١٢٣".encode()),
        "without a time": stamped(now, pairs=b"v1={v1}"),
        "with two times": stamped(now, pairs=b"t=1,t={t},v1={v1}"),
        "without a signature": stamped(now, pairs=b"t={t}"),
        "with nothing but commas": stamped(now, pairs=b"," * 9000),
    }


BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "line breaks": b"\r\n" * 100,
    "null": b"null",
    "a truth": b"true",
    "a number": b"17",
    "a text": b'"booking_created"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of calls": b'[{"webhookType": "booking_created"}]',
    "half a body": b'{"webhookType": "booking_created", "id": "b',
    "an open brace": b"{",
    "two bodies": b'{"webhookType": "x"}{"webhookType": "y"}',
    "junk behind": b'{"webhookType": "booking_created"} and more',
    "a comma too many": b'{"webhookType": "booking_created",}',
    "single quotes": b"{'webhookType': 'booking_created'}",
    "a comment": b'{"webhookType": "booking_created" /* not JSON */}',
    "deep lists": b"[" * 100_000,
    "deep lists that end": b"[" * 400_000 + b"]" * 400_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep inside": b'{"webhookType":"booking_created","id":"d","meetingType":{"metadata":'
    + b'{"a":' * 300
    + b"1"
    + b"}" * 302,
    "a mebibyte of spaces": b" " * (1 << 20),
    "a mebibyte of NULs": b"\x00" * (1 << 20),
    "a mebibyte of text": b'"' + b"x" * ((1 << 20) - 2) + b'"',
    "numbers beyond all bounds": b'{"webhookType":"x","a":1e400,"b":-1e400,"d":123456789012345678901234567890}',
    "a number of many digits": b'{"webhookType":"x","a":' + b"7" * 100_000 + b"}",
    "NaN": b'{"webhookType":"x","a":NaN}',
    "Infinity": b'{"webhookType":"x","a":-Infinity}',
    "a key twice": b'{"webhookType":"x","webhookType":"y","id":"1","id":"2"}',
    "the event word twice": b'{"event":"meetingScheduled","event":"meetingCancelled","data":{"uuid":"u"},"data":{}}',
    "a lone surrogate": b'{"webhookType":"x","id":"\\ud800"}',
    "surrogates the wrong way round": b'{"webhookType":"x","id":"\\udc00\\ud800"}',
    "half a surrogate at the end": b'{"webhookType":"x\\ud83d',
    "bytes that are no UTF-8": b'{"webhookType":"x","id":"\xff\xfe"}',
    "an overlong character": b'{"webhookType":"x","id":"\xc0\x80"}',
    "a surrogate in bytes": b'{"webhookType":"x","id":"\xed\xa0\x80"}',
    "Latin-1": '{"webhookType":"x","id":"Zoë"}'.encode("latin-1"),
    "a byte order mark": b'\xef\xbb\xbf{"webhookType":"booking_created","id":"bom"}',
    "UTF-16": '{"webhookType":"x"}'.encode("utf-16"),
    "UTF-32": '{"webhookType":"x"}'.encode("utf-32"),
    "a NUL in a text": b'{"webhookType":"x","id":"a\\u0000b"}',
    "a NUL as it is": b'{"webhookType":"x","id":"a\x00b"}',
    "line breaks in a text": b'{"webhookType":"x","id":"a\nb"}',
    "a form": b"webhookType=booking_created&id=1&start=2026-03-02T09%3A00%3A00Z",
    "a form of nothing": b"&&&&====",
    "a form of many fields": b"&".join(b"a%d=1" % n for n in range(20_000)),
    "a form that is no UTF-8": b"webhookType=%ff%fe",
    "several parts": b'--x\r\ncontent-disposition: form-data; name="payload"\r\n\r\n{}\r\n--x--\r\n',
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "HTML": b"<!doctype html><title>502 Bad Gateway</title>",
    "gzip": bytes.fromhex("1f8b0800000000000003ab562aa92c48b552502a4e2d2e4e2d512c4a2d2e0100"),
    "YAML": b"webhookType: booking_created\nid: !!python/object/apply:os.system ['true']\n",
    "MessagePack": b"\x82\xabwebhookType\xa1x\xa2id\xa11",
    "a prototype": b'{"__proto__":{"webhookType":"x"},"constructor":{"prototype":{}}}',
    "types all wrong": b'{"webhookType":[],"event":{},"data":7,"id":false}',
    "an event word of an object": b'{"event":{"type":{"a":[]}},"type":{"event":1}}',
    "an event word without end": b'{"webhookType":"' + b"x" * 200_000 + b'"}',
    "an id of a million characters": b'{"webhookType":"booking_cancelled","id":"' + b"x" * 1_000_000 + b'"}',
}
"""Whoever may call may send these. Each is kept as it came, understood or not."""

TYPES: tuple[bytes, ...] = (
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"text/html; charset=utf-16",
    b"multipart/form-data; boundary=x",
    b"\xff",
)

NAMES: Mapping[str, str] = {
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an escape to the terminal": "Ada \x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b31m",
    "line breaks": "Ada\r\nreceived: 200\n\x0b\x0c\x85\u2028\u2029x",
    "a formula": '=HYPERLINK("http://evil.example","click")',
    "a command": "; rm -rf / # $(reboot) `reboot` | cat",
    "SQL": "Robert'); DROP TABLE events;--",
    "another direction": "Ada \u202egnp.exe\u2066\u200f",
    "NULs": "Ada\x00Example",
    "markup": "[bold red]x[/] :warning: {{7*7}} ${jndi:ldap://x} %s %n",
    "letters of many marks": "Z\u0351\u0344\u0347" * 40,
    "no letters": "\ufeff\u200b\u00ad",
    "a very long word": "x" * 20_000,
    "characters beyond the plane": "\U0001f4a9\U0001f3f4\U000e0067\U000e0062\U000e007f",
}


def appointment(booking: str, **fields: Any) -> bytes:
    """Write one meetergo call."""
    call = {
        "webhookType": "booking_created",
        "id": booking,
        "start": "2026-03-10T10:00:00+01:00",
        "end": "2026-03-10T10:30:00+01:00",
        "createdAt": "2026-03-01T08:00:00.000Z",
        "updatedAt": "2026-03-01T08:00:00.000Z",
        **fields,
    }
    return json.dumps({name: value for name, value in call.items() if value is not ...}).encode()


MEANT: Mapping[str, tuple[str, bytes]] = {
    "an unknown event type": ("accepted", appointment("m1", webhookType="booking_teleported")),
    "an event type with a line break": ("accepted", appointment("m2", webhookType="booking\r\ncreated")),
    "an event type of another scheduler": ("accepted", appointment("m3", webhookType="invitee.created")),
    "no event type": ("quarantined", appointment("m4", webhookType=...)),
    "an empty event type": ("quarantined", appointment("m5", webhookType="")),
    "an event type that is a number": ("quarantined", appointment("m6", webhookType=7)),
    "no id": ("quarantined", appointment("m7", id=...)),
    "an empty id": ("quarantined", appointment("m8", id="")),
    "an id of spaces": ("quarantined", appointment("m9", id="   ")),
    "an id that is a list": ("quarantined", appointment("m10", id=["m10"])),
    "an id with a separator": ("accepted", appointment("m11:con_x:../../%00")),
    "no start": ("quarantined", appointment("m12", start=...)),
    "a start without an offset": ("quarantined", appointment("m13", start="2026-03-10T10:00:00")),
    "the 30th of February": ("quarantined", appointment("m14", start="2026-02-30T10:00:00Z")),
    "hour 25": ("quarantined", appointment("m15", start="2026-03-10T25:00:00Z")),
    "second 60": ("quarantined", appointment("m16", start="2026-06-30T23:59:60Z")),
    "the year 0": ("quarantined", appointment("m17", start="0000-01-01T00:00:00Z")),
    "the year 10000": ("quarantined", appointment("m18", start="10000-01-01T00:00:00Z")),
    "the last hour of the year 9999": ("quarantined", appointment("m19", start="9999-12-31T23:59:59-01:00")),
    "the first hour of the year 1": ("quarantined", appointment("m20", start="0001-01-01T00:00:00+01:00")),
    "an offset of days": ("quarantined", appointment("m21", start="2026-03-10T10:00:00+99:99")),
    "a start that is a number": ("quarantined", appointment("m22", start=1773133200)),
    "a start in words": ("quarantined", appointment("m23", start="tomorrow at noon")),
    "an end before the start": ("accepted", appointment("m24", end="2026-03-01T10:00:00Z")),
    "a duration below nothing": (
        "accepted",
        appointment("m25", end=..., meetingType={"meetingInfo": {"duration": -5}}),
    ),
    "a duration of centuries": ("accepted", appointment("m26", meetingType={"meetingInfo": {"duration": 10**15}})),
    "a cancellation before its booking": ("accepted", appointment("m27", webhookType="booking_cancelled")),
    "the booking after its cancellation": ("accepted", appointment("m27")),
    "a move before its booking": ("accepted", appointment("m28", webhookType="booking_rescheduled")),
    "attendees that are no list": ("accepted", appointment("m29", attendees="everybody")),
    "attendees of every type": ("accepted", appointment("m30", attendees=[None, 1, "a", [], {}, {"email": []}])),
    "more attendees than a call has": ("quarantined", appointment("m31", attendees=[{}] * 5001)),
}
"""meetergo's calls, on a URL that is one connection's alone: what becomes of each."""
