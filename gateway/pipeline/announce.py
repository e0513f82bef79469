"""Events about the gateway itself, ready for `Store.emit` or to go with the change that they tell of."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.contract.events import (
    EVENT_OF,
    GATEWAY,
    Basis,
    ConnectionChanged,
    ConnectionState,
    DeliveredBy,
    DestinationPaused,
    Event,
    Origin,
    Verification,
    event_digest,
    event_id,
    sequence,
)
from gateway.store.model import Connection, ConnectionStatus, Destination, NewEvent

ID_VERSION = "1"

_encode = msgspec.json.Encoder().encode


def connection_changed(
    connection: Connection,
    previous: ConnectionStatus,
    at: int,
    *,
    silent: bool = False,
    reason: str | None = None,
    change: str | None = None,
) -> NewEvent:
    """Tell that a connection needs its operator, or is well again.

    `connection`: as it is to be put, so that putting it again tells the same event. `at`: epoch milliseconds (UTC).
    `change`: what makes it this change and no other, by default the version that it replaces.
    """
    data = ConnectionChanged(
        connection=connection.id,
        provider=connection.provider,
        name=connection.name,
        status=ConnectionState(connection.status),
        previous_status=ConnectionState(previous),
        silent=silent,
        reason=reason,
    )
    return _event(data, connection.id, connection.id, change or str(connection.version), at)


def destination_paused(destination: Destination, at: int) -> NewEvent:
    """Tell that the gateway paused a destination. It is as it is to be put, with the reason; `at` as above."""
    data = DestinationPaused(
        destination=destination.id, name=destination.name, reason=destination.paused_reason or "paused"
    )
    return _event(data, GATEWAY, destination.id, str(destination.version), at)


def _event(
    data: ConnectionChanged | DestinationPaused, connection: str, subject: str, change: str, at: int
) -> NewEvent:
    kind: type[Event] = EVENT_OF[type(data)]
    make: Callable[..., Event] = kind
    tag, moment = str(kind.__struct_config__.tag), datetime.fromtimestamp(at / 1000, UTC)
    digest = event_digest((ID_VERSION, GATEWAY, tag, subject, change))
    envelope = make(
        id=event_id(digest),
        timestamp=moment,
        timestamp_basis=Basis.RECEIPT,
        sequence=sequence(moment, kind.rank),
        sequence_basis=Basis.RECEIPT,
        origin=Origin(
            provider=GATEWAY,
            connection=connection,
            verification=Verification.UNKNOWN,
            delivered_by=DeliveredBy.GATEWAY,
            received_at=moment,
        ),
        data=data,
    )
    return NewEvent(
        id=digest,
        type=tag,
        provider=GATEWAY,
        connection=connection,
        key=None,
        timestamp=at,
        data_digest=hashlib.sha256(_encode({"type": tag, "data": data})).digest(),
        live=False,
        body=_encode(envelope),
    )
