"""One test delivery, made on the spot through the same code as every delivery."""

import secrets
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from gateway.contract.events import Basis, DeliveredBy, GatewayTest, Origin, Ping, Verification, event_id, sequence
from gateway.pipeline.deliver import Terms, deliver
from gateway.store.model import Claimed, Destination
from gateway.web.services import Services


class Trial(Struct, frozen=True, kw_only=True):
    """What became of it. `status`: the HTTP status, null when no answer came; `error` says what went wrong."""

    event: str
    delivered: bool
    status: int | None
    error: str | None
    duration_ms: int


async def attempt(services: Services, destination: Destination) -> Trial:
    """Send one `gateway.test` event and say what came back."""
    event = _event(datetime.now(UTC))
    claimed = Claimed(
        delivery=0, attempt=1, event_id=event.id, event_type="gateway.test", body=msgspec.json.encode(event)
    )
    terms = Terms(
        schedule=services.settings.retry_schedule,
        timeout=services.settings.delivery_timeout,
        schemas_at=services.schemas_at,
    )
    result = await deliver(claimed, destination, services.egress, terms)
    return Trial(
        event=event.id,
        delivered=result.outcome == "delivered",
        status=result.status,
        error=result.error,
        duration_ms=result.duration_ms,
    )


def _event(now: datetime) -> GatewayTest:
    return GatewayTest(
        id=event_id(secrets.token_bytes(20)),
        timestamp=now,
        timestamp_basis=Basis.RECEIPT,
        sequence=sequence(now, GatewayTest.rank),
        sequence_basis=Basis.RECEIPT,
        origin=Origin(
            provider="gateway",
            connection="gateway",
            verification=Verification.UNKNOWN,
            delivered_by=DeliveredBy.GATEWAY,
            received_at=now,
        ),
        test=True,
        data=Ping(message="A test delivery, asked for by the operator of the gateway."),
    )
