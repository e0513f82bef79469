"""What a consumer of events needs: prove that a delivery is the gateway's, and read it. Needs msgspec alone.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Raw, Struct

from gateway.contract.errors import NotGenuine
from gateway.contract.events import AnyEvent, UnknownEvent, decode_event

TOLERANCE = timedelta(minutes=5)
"""How far the signed time may be from the consumer's own."""
_SCHEME = "v1,"


class _Wrapped(Struct):
    """A CloudEvent, or what has no `specversion` and is the event itself."""

    specversion: str | None = None
    data: Raw = Raw()


def open_delivery(
    headers: Mapping[str, str], body: bytes, *secrets: str, at: datetime | None = None, tolerance: timedelta = TOLERANCE
) -> AnyEvent | UnknownEvent:
    """Verify one delivery and read its event, of either format and profile.

    `headers` as they came, names in any case; `body` the raw bytes; `secrets` the destination's `whsec_...`, both while
    one is being rotated; `at` the time now (UTC). An event type of a newer gateway is an UnknownEvent.
    Raises NotGenuine for anything that is not the gateway's, or too old; ValueError for a secret that is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:  # noqa: PLR2004 -- seconds until the year 33658
        raise NotGenuine("webhook-timestamp is missing or is no time")
    signed = f"{identity}.{stamp}.".encode() + body
    expected = [hmac.digest(_key(secret), signed, hashlib.sha256) for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in _signatures(given) for other in expected):
        raise NotGenuine("webhook-signature is missing, or not made with this secret over these bytes")
    if abs((at or datetime.now(UTC)).timestamp() - int(stamp)) > tolerance.total_seconds():
        raise NotGenuine("it is too old, or this machine's clock is wrong")
    return _read(body)


def _signatures(headers: Mapping[str, str]) -> list[bytes]:
    stated = headers.get("webhook-signature", "").split(" ")
    return [_decoded(each.removeprefix(_SCHEME)) for each in stated if each.startswith(_SCHEME)]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _key(secret: str) -> bytes:
    text = secret.strip().removeprefix("whsec_")  # files end with a line break
    key = _decoded(text + "=" * (-len(text) % 4))
    if not key:
        raise ValueError("a secret is `whsec_` and base64")
    return key


def _read(body: bytes) -> AnyEvent | UnknownEvent:
    try:
        told = msgspec.json.decode(body, type=_Wrapped)
        return decode_event(bytes(told.data) if told.specversion else body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotGenuine("the body is no event") from None
