"""Step 2: what happened, in canonical words, stored and numbered. A receipt becomes events or a quarantined receipt."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.asked import OUTDATED
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
from gateway.metrics import UNKNOWN
from gateway.pipeline.receive import Candidate, Inbox, Received, Refused, Unclaimed, claim
from gateway.pipeline.translate import Translated, keys_of, translate
from gateway.store.model import Accepted, NewEvent, NewReceipt, StoredReceipt

ID_VERSION = "1"
"""Part of every event id: a change of how ids are made is a new version, never a silent one."""

UNKEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that are not kept: they would be somebody's credentials, and no provider signs with them."""

_VERIFICATION = {"signature": Verification.SIGNATURE, "token": Verification.TOKEN}
_PROVIDER, _RECEIPT, _WEBHOOK = Basis.PROVIDER, Basis.RECEIPT, DeliveredBy.WEBHOOK
_CONFIRMED = Verification.CONFIRMED


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


class Arrived(Struct, frozen=True):
    """A call and the URL it came on. `ambiguous`: the events, by position, whose ids other facts already have."""

    call: Received | Unclaimed
    inbox: Inbox
    ambiguous: frozenset[int] = frozenset()

    @property
    def inbound(self) -> Inbound:
        """Show the call as it came."""
        return self.call.inbound if isinstance(self.call, Unclaimed) else self.call.receipt.inbound

    @property
    def size(self) -> int:
        """Tell the bytes of its body."""
        return len(self.inbound.body)

    @property
    def provider(self) -> str:
        """Name the provider it is of, as far as that is known."""
        return UNKNOWN if isinstance(self.call, Unclaimed) else self.call.candidate.provider.name

    def again(self, conflicts: Iterable[int]) -> "Arrived":
        """Make the same call, with more events whose content is to be part of their ids."""
        return Arrived(self.call, self.inbox, self.ambiguous.union(conflicts))


Rows = tuple[NewReceipt, Sequence[NewEvent]]
"""What is kept of a call."""

LARGE = 16 * 1024
"""Bytes of a body that is read apart from the others: a mebibyte can be made to cost a third of a second, and up to 512
calls share a commit."""


class ReceiptStore(Protocol):
    """What this step asks of the store."""

    def take(self, make: Callable[[Sequence[Arrived]], list[Rows]], item: Arrived) -> Awaitable[Accepted]: ...
    async def resolve(self, receipt_id: str, connection: str, events: Sequence[NewEvent]) -> Accepted: ...
    async def fail_again(self, receipt_id: str, reason: str) -> bool: ...
    async def hold_again(self, receipt_id: str, connection: str, keys: Sequence[str]) -> bool: ...


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
    receipts = [_receipt(each, told) for each, told in zip(arrived, translated, strict=True)]
    return [
        (receipt, _events(each.call, receipt.sha256, told.drafts, each.ambiguous))
        for each, receipt, told in zip(arrived, receipts, translated, strict=True)
    ]


def as_made(made: Sequence[Rows]) -> list[Rows]:
    """Take what `rows` made before, on another thread."""
    return list(made)


async def retry(store: ReceiptStore, stored: StoredReceipt, inbox: Inbox) -> Accepted:
    """Run the plugin again over a quarantined receipt.

    `stored` carries its bytes; `inbox` is the URL it came on, with today's connections. Raises StoreUnavailable.
    """
    if stored.size > LARGE:
        call, translated = await asyncio.to_thread(_reread, stored, inbox)
    else:
        call, translated = _reread(stored, inbox)
    if translated.reason or not isinstance(call, Received):
        return await _still_quarantined(store, stored, translated.reason or "")
    if translated.wants:
        account = call.candidate.account
        await store.hold_again(stored.id, account.connection, keys_of(call.candidate, translated.wants))
        return Accepted("held", stored.id)
    return await resolve(store, stored, call, translated.drafts)


def _reread(stored: StoredReceipt, inbox: Inbox) -> tuple[Received | Unclaimed, Translated]:
    call = again(stored, inbox)
    return call, translate(call)


async def resolve(store: ReceiptStore, stored: StoredReceipt, call: Received, drafts: Sequence[Draft]) -> Accepted:
    """Turn a receipt that waited into events. Raises StoreUnavailable."""
    connection = call.candidate.account.connection
    return await _settled(
        lambda ambiguous: store.resolve(stored.id, connection, _events(call, stored.sha256, drafts, ambiguous))
    )


async def _settled(write: Callable[[frozenset[int]], Awaitable[Accepted]]) -> Accepted:
    """Write; where another fact already has an event's id, write again with the content as part of the id."""
    ambiguous: frozenset[int] = frozenset()
    while (result := await write(ambiguous)).status == "conflict":
        ambiguous |= frozenset(result.conflicts)
    return result


def unpack(stored: StoredReceipt, url: str) -> Inbound:
    """Make the call again from what is kept of it. `stored` must carry its bytes."""
    if stored.inbound is None:
        raise ValueError(f"{stored.id}: its bytes are gone")
    headers, body = _unpacker.decode(stored.inbound)
    return Inbound(url, headers, body, datetime.fromtimestamp(stored.received_at / 1000, UTC))


def again(stored: StoredReceipt, inbox: Inbox) -> Received | Unclaimed:
    """Make the call of a receipt again, as far as its connection is still there. `stored` must carry its bytes."""
    inbound = unpack(stored, inbox.url)
    if stored.connection is None:
        claimed = claim(inbound, inbox)
        refused = "refused: the connection it looks like wants a signature"
        return Unclaimed(inbound, refused) if isinstance(claimed, Refused) else claimed
    for candidate in inbox.candidates:
        if candidate.account.connection == stored.connection:
            return Received(candidate, Receipt(candidate.account, stored.proof, inbound))
    return Unclaimed(inbound, "connection_removed: the connection it came for does not exist any more")


async def _still_quarantined(store: ReceiptStore, stored: StoredReceipt, reason: str) -> Accepted:
    await store.fail_again(stored.id, reason)
    return Accepted("quarantined", stored.id, reason=reason)


def _receipt(arrived: Arrived, told: Translated) -> NewReceipt:
    if isinstance(call := arrived.call, Unclaimed):
        return _new_receipt(call.inbound, arrived.inbox.token, None, "token", told.reason)
    receipt = call.receipt
    made = _new_receipt(receipt.inbound, arrived.inbox.token, receipt.account.connection, receipt.proof, told.reason)
    return replace(made, status="held", wants=keys_of(call.candidate, told.wants)) if told.wants else made


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
    candidate, at = call.candidate, call.receipt.inbound.received_at
    came = (call, sha256)
    return [_event(candidate, draft, at, came, ambiguous=place in ambiguous) for place, draft in enumerate(drafts)]


def missed_event(candidate: Candidate, draft: Draft, at: datetime) -> NewEvent:
    """Make the event of a call that never came, as the provider told when it was asked at that time (UTC)."""
    return _event(candidate, draft, at, None)


def _event(
    candidate: Candidate,
    draft: Draft,
    at: datetime,
    came: tuple[Received, bytes] | None,
    *,
    ambiguous: bool = False,
) -> NewEvent:
    """Make an event. `came`: the call that brought it, and its body's digest; None when the provider was asked."""
    provider, connection, kind = candidate.provider.name, candidate.account.connection, _KINDS[type(draft.data)]
    data, key = _keyed(draft.data, f"{provider}:{connection}:")
    encoded = _encode(data)
    data_digest = hashlib.sha256(b"%b%b}" % (kind.head, encoded)).digest()
    parts = (ID_VERSION, provider, connection, *draft.parts)
    digest = event_digest((*parts, data_digest.hex()) if ambiguous else parts)
    timestamp, public_id = draft.at or at, event_id(digest)
    envelope = kind.event(
        id=public_id,
        timestamp=timestamp,
        timestamp_basis=_PROVIDER if draft.at else _RECEIPT,
        sequence=sequence(draft.revision or at, kind.rank),
        sequence_basis=_PROVIDER if draft.revision else _RECEIPT,
        origin=_origin(*came, draft, public_id) if came else _asked_origin(candidate, draft, at),
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
        live=came is not None,
        body=_encode(envelope),
    )


def _origin(call: Received, sha256: bytes, draft: Draft, public_id: str) -> Origin:
    account, inbound = call.candidate.account, call.receipt.inbound
    return Origin(
        provider=call.candidate.provider.name,
        connection=account.connection,
        account=draft.account or account.account,
        variant=draft.variant,
        event_type=draft.word,
        event_id=draft.event_id,
        verification=_CONFIRMED if _confirmed(call.receipt, draft) else _VERIFICATION[call.receipt.proof],
        delivered_by=_WEBHOOK,
        received_at=inbound.received_at,
        raw=Raw(
            sha256=sha256.hex(),
            size=len(inbound.body),
            content_type=inbound.header("content-type"),
            href=f"/v1/events/{public_id}/raw",
        ),
    )


def _asked_origin(candidate: Candidate, draft: Draft, at: datetime) -> Origin:
    return Origin(
        provider=candidate.provider.name,
        connection=candidate.account.connection,
        account=draft.account or candidate.account.account,
        variant=draft.variant,
        event_type=draft.word,
        event_id=draft.event_id,
        verification=_CONFIRMED,
        delivered_by=DeliveredBy.RECONCILED,
        received_at=at,
    )


def _confirmed(receipt: Receipt, draft: Draft) -> bool:
    """Say whether an unsigned call stands by the provider's own answer."""
    return bool(receipt.fetched) and receipt.proof == "token" and OUTDATED not in draft.warnings


def _keyed(data: Data, prefix: str) -> tuple[Data, str | None]:
    """Give the booking its ordering key; data without a booking has none."""
    booking: Booking | None = getattr(data, "booking", None)
    if booking is None:
        return data, None
    key = prefix + booking.id
    return replace(data, booking=replace(booking, key=key)), key


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
