"""Real events to try things on: the golden drafts of all providers, in envelopes as the gateway makes them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.contract.events import (
    EVENT_TYPES,
    AnyEvent,
    Basis,
    DeliveredBy,
    Origin,
    Raw,
    Verification,
    event_digest,
    event_id,
    sequence,
)

TESTS = Path(__file__).parent.parent
GOLDEN = sorted(TESTS.rglob("__snapshots__/*/*golden_drafts*.json"))
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def envelope(file: Path) -> Iterator[AnyEvent]:
    """Put the drafts of a golden file into envelopes."""
    for draft in msgspec.json.decode(file.read_bytes()):
        kind = EVENT_TYPES[draft["type"]]
        yield kind(
            id=event_id(event_digest(draft["parts"])),
            timestamp=AT,
            timestamp_basis=Basis.RECEIPT,
            sequence=sequence(AT, kind.rank),
            sequence_basis=Basis.RECEIPT,
            origin=Origin(
                provider="sample",
                connection="con_sample",
                verification=Verification.SIGNATURE,
                delivered_by=DeliveredBy.WEBHOOK,
                received_at=AT,
                raw=Raw(sha256="0" * 64, size=1),
            ),
            warnings=tuple(draft["warnings"]),
            extensions=draft["extensions"],
            data=msgspec.convert(draft["data"], kind.__annotations__["data"]),
        )
