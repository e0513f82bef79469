"""Which fact an event is, and where it stands in the order of its booking's events."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from gateway.contract.base32 import STANDARD, base32


def event_digest(parts: Sequence[str | None]) -> bytes:
    """Hash the parts of an identity to 20 bytes; length-prefixed, so no two lists collide, and None is not ""."""
    text = "".join(["-;" if part is None else f"{len(part)}:{part};" for part in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:20]


@lru_cache(maxsize=1024)  # each is written twice: into the envelope and into the answer to the provider
def event_id(digest: bytes) -> str:
    """Write a 20-byte digest as `evt_` and 32 lower-case base32 characters."""
    return "evt_" + base32(digest, STANDARD)


def sequence(stamp: datetime, rank: int) -> str:
    """Write a UTC stamp and a rank so that they compare as text, e.g. `20260301T093000000000Z-02`."""
    # Four digits of the year, unlike strftime; and three replacements take a third of what one translation takes.
    written: str = msgspec.to_builtins(stamp if stamp.tzinfo is UTC else stamp.astimezone(UTC))
    digits = written[:-1].replace("-", "").replace(":", "").replace(".", "")
    return f"{digits:0<21}Z-{rank:02d}"
