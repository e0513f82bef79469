"""Public ids and what they stand for in the store. A malformed one stands for nothing: None."""

import base64
import binascii
import hashlib

from gateway.contract.base32 import base32
from gateway.contract.events import event_id

RECEIPT = "rcp_"
DELIVERY = "dlv_"
EVENT = "evt_"

_RECEIPT_BYTES = 16
_DELIVERY_BYTES = 8
EVENT_BYTES = 20


def receipt_id(digest: bytes) -> str:
    return RECEIPT + base32(digest)


def receipt_digest(public: str) -> bytes | None:
    return _bytes(public, RECEIPT, _RECEIPT_BYTES)


def delivery_id(number: int) -> str:
    return DELIVERY + base32(number.to_bytes(_DELIVERY_BYTES, "big"))


def delivery_number(public: str) -> int | None:
    raw = _bytes(public, DELIVERY, _DELIVERY_BYTES)
    return None if raw is None else int.from_bytes(raw, "big", signed=True)


def event_ids(joined: bytes | None) -> tuple[str, ...]:
    """Write the ids that a receipt's row keeps end to end."""
    if not joined:
        return ()
    return tuple([event_id(joined[at : at + EVENT_BYTES]) for at in range(0, len(joined), EVENT_BYTES)])


def event_bytes(public: str) -> bytes | None:
    if not public.startswith(EVENT):
        return None
    try:
        raw = base64.b32decode(public.removeprefix(EVENT).upper())
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == EVENT_BYTES and event_id(raw) == public else None


def key_hash(key: str) -> int:
    """Hash a booking's key to the signed 8-byte integer that the queue orders by.

    Two bookings with one hash only wait for each other.
    """
    raw = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def _bytes(public: str, prefix: str, size: int) -> bytes | None:
    if not public.startswith(prefix):
        return None
    text = public.removeprefix(prefix).upper()
    try:
        raw = base64.b32hexdecode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == size and prefix + base32(raw) == public else None
