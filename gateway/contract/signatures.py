"""How providers sign their calls, declared as values. A plugin declares one and never writes a check."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct


class Hmac(Struct, frozen=True, kw_only=True):
    """Declare an HMAC-SHA256 signature in a header.

    `header`: lower-case name. `encoding`: how the digest is written; ours is encoded and compared as bytes, theirs is
    never decoded. `prefix`: text before the digest, such as `sha256=`. `fields`: the names of time and signature when
    both stand in one header (`t=1700000000,v1=ab12`). `signed`: what is signed, from `{body}`, `{t}` and `{url}`.
    `key`: how the secret becomes the key. `tolerance`: seconds the signed time may be away from ours, either way;
    needs `{t}`, because an unsigned time proves nothing.
    """

    header: str
    encoding: Literal["hex", "base64"]
    prefix: str = ""
    fields: tuple[str, str] | None = None
    signed: str = "{body}"
    key: Literal["text", "hex", "base64"] = "text"
    tolerance: int = 0

    def __post_init__(self) -> None:
        if not self.header or self.header != self.header.lower():
            raise ValueError("header: a lower-case header name")
        if "{body}" not in self.signed:
            raise ValueError("signed: must contain {body}")
        if (self.tolerance > 0 or "{t}" in self.signed) and (self.fields is None or "{t}" not in self.signed):
            raise ValueError("tolerance: needs {t} in `signed` and the name of the time in `fields`")


class Unsigned(Struct, frozen=True):
    """Say why this provider's calls carry no signature, and the page that says so."""

    why: str


_LONGEST_STAMP = 12
"""Digits of a time in seconds: enough for 30,000 years, and few enough to be read in no time."""


def verify(
    scheme: Hmac,
    secrets: Sequence[str],
    *,
    url: str,
    headers: Sequence[tuple[str, bytes]],
    body: bytes,
    at: datetime,
) -> bool:
    """Say whether one of the live secrets signed these raw bytes.

    `headers` have lower-case names; a header that occurs twice counts as missing. `at` is the receive time (UTC).
    Never raises on hostile input. An empty or unreadable secret signs nothing.
    """
    values = [value for name, value in headers if name == scheme.header]
    if len(values) != 1:
        return False
    stamp, given = _stated(scheme, values[0].strip(b" \t"))
    if not given or (scheme.tolerance and not _fresh(stamp, scheme.tolerance, at)):
        return False
    message = _message(scheme, stamp, url, body)
    matched = False
    for secret in secrets:  # all are tried, so that the time taken does not tell which one it was
        expected = _expected(scheme, secret, message)
        for candidate in given:
            matched |= expected is not None and hmac.compare_digest(expected, candidate)
    return matched


def sign(scheme: Hmac, secret: str, *, url: str, body: bytes, at: datetime) -> tuple[str, str]:
    """Make the header that a provider with this scheme would send: (name, value). For simulators and tests.

    Raises ValueError when the secret cannot be read as the scheme says.
    """
    stamp = str(int(at.timestamp())).encode("ascii") if scheme.fields else b""
    expected = _expected(scheme, secret, _message(scheme, stamp, url, body))
    if expected is None:
        raise ValueError("the secret cannot be read as the scheme says")
    if scheme.fields is None:
        return scheme.header, expected.decode("ascii")
    return scheme.header, f"{scheme.fields[0]}={stamp.decode('ascii')},{scheme.fields[1]}={expected.decode('ascii')}"


def usable(scheme: Hmac, secret: str) -> bool:
    """Say whether a secret can be read as the scheme says, and is not empty."""
    return _key(scheme, secret) is not None


def _stated(scheme: Hmac, value: bytes) -> tuple[bytes, list[bytes]]:
    """Take time and signatures out of a header; several signatures may stand in one (two live secrets at theirs)."""
    if scheme.fields is None:
        return b"", [value] if value else []
    time_name, signature_name = (name.encode("ascii") for name in scheme.fields)
    pairs = [pair.strip(b" \t").partition(b"=") for pair in value.split(b",", 16)]
    times = [stated for name, _, stated in pairs if name == time_name]
    return (times[0] if len(times) == 1 else b""), [stated for name, _, stated in pairs if name == signature_name]


def _fresh(stamp: bytes, tolerance: int, at: datetime) -> bool:
    return len(stamp) <= _LONGEST_STAMP and stamp.isdigit() and abs(at.timestamp() - int(stamp)) <= tolerance


def _message(scheme: Hmac, stamp: bytes, url: str, body: bytes) -> bytes:
    if scheme.signed == "{body}":
        return body
    # The body is put in last and once, so that a body containing "{url}" stays what it is.
    before, _, after = scheme.signed.partition("{body}")
    known: Mapping[str, bytes] = {"{t}": stamp, "{url}": url.encode()}
    head, tail = before.encode(), after.encode()
    for name, value in known.items():
        head, tail = head.replace(name.encode(), value), tail.replace(name.encode(), value)
    return head + body + tail


def _key(scheme: Hmac, secret: str) -> bytes | None:
    try:
        if scheme.key == "text":
            return secret.encode() or None
        return (bytes.fromhex(secret) if scheme.key == "hex" else base64.b64decode(secret, validate=True)) or None
    except (ValueError, binascii.Error):
        return None


def _expected(scheme: Hmac, secret: str, message: bytes) -> bytes | None:
    key = _key(scheme, secret)
    if key is None:
        return None
    digest = hmac.digest(key, message, hashlib.sha256)
    text = digest.hex().encode("ascii") if scheme.encoding == "hex" else binascii.b2a_base64(digest, newline=False)
    return scheme.prefix.encode() + text if scheme.prefix else text
