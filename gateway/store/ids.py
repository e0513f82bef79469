"""Public ids and what they stand for in the store. A malformed one stands for nothing: None."""

import base64
import hashlib
import re

from gateway.contract.events import event_id

EVENT_BYTES = 20
LARGEST = (1 << 63) - 1
"""The largest number that a database holds."""

_RECEIPT = re.compile(r"rcp_([0-9a-f]{32})")
_DELIVERY = re.compile(r"dlv_([0-9a-f]{16})")
_EVENT = re.compile(r"evt_([a-z2-7]{32})")


def receipt_id(digest: bytes) -> str:
    """Write a receipt's 16-byte digest. In hex, because one is written for every call."""
    return "rcp_" + digest.hex()


def receipt_digest(public: str) -> bytes | None:
    found = _RECEIPT.fullmatch(public)
    return bytes.fromhex(found[1]) if found else None


def delivery_id(number: int) -> str:
    return f"dlv_{number:016x}"


def delivery_number(public: str) -> int | None:
    found = _DELIVERY.fullmatch(public)
    number = int(found[1], 16) if found else LARGEST + 1
    return number if number <= LARGEST else None


def event_ids(joined: bytes | None) -> tuple[str, ...]:
    """Write the ids that a receipt's row keeps end to end."""
    if not joined:
        return ()
    return tuple([event_id(joined[at : at + EVENT_BYTES]) for at in range(0, len(joined), EVENT_BYTES)])


def event_bytes(public: str) -> bytes | None:
    found = _EVENT.fullmatch(public)
    return base64.b32decode(found[1].upper()) if found else None


def key_hash(key: str) -> int:
    """Hash a booking's key to the signed 8-byte integer that the queue orders by.

    Two bookings with one hash only wait for each other.
    """
    raw = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)
