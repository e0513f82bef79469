"""Step 2: what happened, in canonical words, stored and numbered. A receipt becomes events or a quarantined receipt."""

import hashlib
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import (
    EVENT_OF,
    Basis,
    Booking,
    Data,
    DeliveredBy,
    Event,
    Origin,
    Raw,
    Verification,
    event_digest,
    event_id,
    sequence,
)
from gateway.contract.provider import Draft, Inbound, Receipt
from gateway.pipeline.receive import Inbox, Received, Refused, Unclaimed, claim
from gateway.store.model import Accepted, NewEvent, NewReceipt, StoredReceipt

ID_VERSION = "1"
"""Part of every event id: a change of how ids are made is a new version, never a silent one."""

UNKEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that are not kept: they would be somebody's credentials, and no provider signs with them."""

_VERIFICATION = {"signature": Verification.SIGNATURE, "token": Verification.TOKEN}
_PROVIDER, _RECEIPT, _WEBHOOK = Basis.PROVIDER, Basis.RECEIPT, DeliveredBy.WEBHOOK


class _Kind(NamedTuple):
    """The event that carries a piece of data. `head`: what stands before the data in the text that is hashed."""

    event: Callable[..., Event]
    tag: str
    rank: int
    head: bytes


def _kind(event: type[Event]) -> _Kind:
    tag = str(event.__struct_config__.tag)
    return _Kind(event, tag, event.rank, b'{"type":"%b","data":' % tag.encode())


_KINDS = {data: _kind(event) for data, event in EVENT_OF.items()}

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpacker = msgspec.msgpack.Decoder(tuple[tuple[tuple[str, bytes], ...], bytes])
_log = structlog.get_logger(__name__)


class Translated(Struct, frozen=True):
    """What a call became. `reason` is set when it was not understood, and then there are no drafts."""

    drafts: Sequence[Draft]
    reason: str | None = None


class Arrived(Struct, frozen=True):
    """A call and the URL it came on. `ambiguous`: the events, by position, whose ids other facts already have."""

    call: Received | Unclaimed
    inbox: Inbox
    ambiguous: frozenset[int] = frozenset()

    def again(self, conflicts: Iterable[int]) -> "Arrived":
        """Make the same call, with more events whose content is to be part of their ids."""
        return Arrived(self.call, self.inbox, self.ambiguous.union(conflicts))


Rows = tuple[NewReceipt, Sequence[NewEvent]]
"""What is kept of a call."""


class ReceiptStore(Protocol):
    """What this step asks of the store."""

    def take(self, make: Callable[[Sequence[Arrived]], list[Rows]], item: Arrived) -> Awaitable[Accepted]: ...
    async def resolve(self, receipt_id: str, connection: str, events: Sequence[NewEvent]) -> Accepted: ...
    async def fail_again(self, receipt_id: str, reason: str) -> bool: ...


async def accept(store: ReceiptStore, call: Received | Unclaimed, inbox: Inbox) -> Accepted:
    """Keep a call and what it means; returns after the commit that holds both.

    Raises StoreUnavailable.
    """
    arrived = Arrived(call, inbox)
    while (accepted := await store.take(rows, arrived)).status == "conflict":
        arrived = arrived.again(accepted.conflicts)
    return accepted


def rows(arrived: Sequence[Arrived]) -> list[Rows]:
    """Make what is kept of calls, one step for all before the next: code that just ran runs quicker (by a seventh)."""
    translated = [translate(each.call) for each in arrived]
    receipts = [_receipt(each, told.reason) for each, told in zip(arrived, translated, strict=True)]
    return [
        (receipt, _events(each.call, receipt.sha256, told.drafts, each.ambiguous))
        for each, receipt, told in zip(arrived, receipts, translated, strict=True)
    ]


async def retry(store: ReceiptStore, stored: StoredReceipt, inbox: Inbox) -> Accepted:
    """Run the plugin again over a quarantined receipt.

    `stored` carries its bytes; `inbox` is the URL it came on, with today's connections. Raises StoreUnavailable.
    """
    inbound = unpack(stored, inbox.url)
    call = _again(stored, inbound, inbox)
    if not isinstance(call, Received):
        reason = (
            call.reason if isinstance(call, Unclaimed) else "refused: the connection it looks like wants a signature"
        )
        return await _still_quarantined(store, stored, reason)
    translated = translate(call)
    if translated.reason:
        return await _still_quarantined(store, stored, translated.reason)
    connection = call.candidate.account.connection
    return await _settled(
        lambda ambiguous: store.resolve(
            stored.id, connection, _events(call, stored.sha256, translated.drafts, ambiguous)
        )
    )


async def _settled(write: Callable[[frozenset[int]], Awaitable[Accepted]]) -> Accepted:
    """Write; where another fact already has an event's id, write again with the content as part of the id."""
    ambiguous: frozenset[int] = frozenset()
    while (result := await write(ambiguous)).status == "conflict":
        ambiguous |= frozenset(result.conflicts)
    return result


def translate(call: Received | Unclaimed) -> Translated:
    """Ask the plugin. Whatever goes wrong in it is a reason for quarantine, never a lost call."""
    if isinstance(call, Unclaimed):
        return Translated((), call.reason)
    try:
        return Translated(call.candidate.provider.translate(call.receipt))
    except NotUnderstood as error:
        return Translated((), f"not_understood: {error}")
    except Exception as error:  # noqa: BLE001 -- the one place where a plugin's own mistake is caught
        where = _innermost(error)
        _log.error("plugin_error", provider=call.candidate.provider.name, error=type(error).__name__, where=where)
        return Translated((), f"plugin_error: {type(error).__name__} at {where}")


def unpack(stored: StoredReceipt, url: str) -> Inbound:
    """Make the call again from what is kept of it. `stored` must carry its bytes."""
    if stored.inbound is None:
        raise ValueError(f"{stored.id}: its bytes are gone")
    headers, body = _unpacker.decode(stored.inbound)
    return Inbound(url, headers, body, datetime.fromtimestamp(stored.received_at / 1000, UTC))


def _again(stored: StoredReceipt, inbound: Inbound, inbox: Inbox) -> Received | Unclaimed | Refused:
    if stored.connection is None:
        return claim(inbound, inbox)
    for candidate in inbox.candidates:
        if candidate.account.connection == stored.connection:
            return Received(candidate, Receipt(candidate.account, stored.proof, inbound))
    return Unclaimed(inbound, "connection_removed: the connection it came for does not exist any more")


async def _still_quarantined(store: ReceiptStore, stored: StoredReceipt, reason: str) -> Accepted:
    await store.fail_again(stored.id, reason)
    return Accepted("quarantined", stored.id, reason=reason)


def _receipt(arrived: Arrived, reason: str | None) -> NewReceipt:
    if isinstance(call := arrived.call, Unclaimed):
        return _new_receipt(call.inbound, arrived.inbox.token, None, "token", reason)
    receipt = call.receipt
    return _new_receipt(receipt.inbound, arrived.inbox.token, receipt.account.connection, receipt.proof, reason)


def _new_receipt(
    inbound: Inbound,
    token: str,
    connection: str | None,
    proof: Literal["signature", "token"],
    reason: str | None,
) -> NewReceipt:
    sha256 = hashlib.sha256(inbound.body).digest()
    return NewReceipt(
        digest=hashlib.sha256((connection or token).encode() + b"\0" + sha256).digest()[:16],
        connection=connection,
        token=token,
        status="quarantined" if reason else "understood",
        reason=reason,
        proof=proof,
        received_at=_milliseconds(inbound.received_at),
        size=len(inbound.body),
        sha256=sha256,
        inbound=_pack(([h for h in inbound.headers if h[0] not in UNKEPT], inbound.body)),
    )


def _events(
    call: Received | Unclaimed, sha256: bytes, drafts: Sequence[Draft], ambiguous: frozenset[int]
) -> Sequence[NewEvent]:
    if isinstance(call, Unclaimed):
        return ()
    return [_event(call, sha256, draft, position in ambiguous) for position, draft in enumerate(drafts)]


def _event(call: Received, sha256: bytes, draft: Draft, ambiguous: bool) -> NewEvent:
    candidate, inbound = call.candidate, call.receipt.inbound
    provider, connection, kind = candidate.provider.name, candidate.account.connection, _KINDS[type(draft.data)]
    data, key = _keyed(draft.data, f"{provider}:{connection}:")
    encoded = _encode(data)
    data_digest = hashlib.sha256(b"%b%b}" % (kind.head, encoded)).digest()
    parts = (ID_VERSION, provider, connection, *draft.parts)
    digest = event_digest((*parts, data_digest.hex()) if ambiguous else parts)
    timestamp, public_id = draft.at or inbound.received_at, event_id(digest)
    envelope = kind.event(
        id=public_id,
        timestamp=timestamp,
        timestamp_basis=_PROVIDER if draft.at else _RECEIPT,
        sequence=sequence(draft.revision or inbound.received_at, kind.rank),
        sequence_basis=_PROVIDER if draft.revision else _RECEIPT,
        origin=_origin(call, draft, sha256, public_id),
        key=key,
        test=draft.test,
        warnings=(*draft.warnings, "id_disambiguated") if ambiguous else draft.warnings,
        extensions=dict(draft.extensions),
        data=msgspec.Raw(encoded),
    )
    return NewEvent(
        id=digest,
        type=kind.tag,
        provider=provider,
        connection=connection,
        key=key,
        timestamp=_milliseconds(timestamp),
        data_digest=data_digest,
        live=True,
        body=_encode(envelope),
    )


def _origin(call: Received, draft: Draft, sha256: bytes, public_id: str) -> Origin:
    account, inbound = call.candidate.account, call.receipt.inbound
    return Origin(
        provider=call.candidate.provider.name,
        connection=account.connection,
        account=draft.account or account.account,
        variant=draft.variant,
        event_type=draft.word,
        event_id=draft.event_id,
        verification=_VERIFICATION[call.receipt.proof],
        delivered_by=_WEBHOOK,
        received_at=inbound.received_at,
        raw=Raw(
            sha256=sha256.hex(),
            size=len(inbound.body),
            content_type=inbound.header("content-type"),
            href=f"/v1/events/{public_id}/raw",
        ),
    )


def _keyed(data: Data, prefix: str) -> tuple[Data, str | None]:
    """Give the booking its ordering key; data without a booking has none."""
    booking: Booking | None = getattr(data, "booking", None)
    if booking is None:
        return data, None
    key = prefix + booking.id
    return replace(data, booking=replace(booking, key=key)), key


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _innermost(error: Exception) -> str:
    """Say where it happened, and nothing of what the values were."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"
