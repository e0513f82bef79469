"""What every event carries, whatever happened: its id, where it came from, when, and in which order."""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from gateway.contract.events.marks import AnyValue
from gateway.contract.events.words import Basis, DeliveredBy, Verification

SCHEMA_VERSION = "1.0"


class Raw(Struct, frozen=True, kw_only=True):
    """The bytes an event came from, by reference: `sha256` in hex, `size` in bytes."""

    sha256: str
    size: int
    content_type: str | None = None
    href: str | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """Where an event came from and how far it may be trusted. `received_at` is UTC, on the gateway's clock."""

    provider: str
    connection: str
    account: str | None = None
    variant: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    verification: Verification
    delivered_by: DeliveredBy
    received_at: datetime
    raw: Raw | None = None


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries. `type` names the subclass and decides the shape of `data`."""

    id: str
    schema_version: str = SCHEMA_VERSION
    timestamp: datetime
    timestamp_basis: Basis
    sequence: str
    sequence_basis: Basis
    origin: Origin
    key: str | None = None
    test: bool = False
    warnings: tuple[str, ...] = ()
    extensions: dict[str, AnyValue] = {}

    @property
    def type(self) -> str:
        """Name the type as on the wire, such as `booking.scheduled`."""
        return str(self.__struct_config__.tag)

    rank: ClassVar[int] = 0
    """Breaks a tie between two events of one booking with the same stamp: what ends a booking comes last."""
